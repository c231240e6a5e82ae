"""``gnt-instance migrate --cleanup`` finds the guest, whatever an interrupted migration has left.

The states are written into the files that guests of the fake hypervisor are, as they would be after
a master and its memory of the job were lost.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

NAME = "lost.example.com"
ADD = ("-t", "sharedfile", "-s", "1M", "-o", "noop", "-B", "memory=16M", "--no-nics",
       "--no-name-check", "--no-ip-check", "-n", "node2")


def guest_file(cluster, node: str) -> Path:
    return cluster.paths(node).plugin_state / "hypervisors" / "fake" / f"{NAME}.guest"


def states(cluster) -> dict[str, str]:
    """The node and state of every guest of that name, as the nodes' own files have it."""
    return {node: json.loads(path.read_text())["state"] for node in ("node1", "node2", "node3")
            if (path := guest_file(cluster, node)).exists()}


def leave(cluster, ends: dict[str, str]) -> None:
    """Put the guest into these states on these nodes."""
    guest = json.loads(guest_file(cluster, "node2").read_text())
    guest_file(cluster, "node2").unlink()
    for node, state in ends.items():
        guest_file(cluster, node).write_text(json.dumps(guest | {"state": state}))


@pytest.mark.parametrize(("left", "home"), [
    ({"node2": "running"}, "node2"),
    ({"node2": "running", "node3": "receiving"}, "node2"),
    ({"node2": "running", "node1": "receiving", "node3": "receiving"}, "node2"),
    ({"node2": "migrated-out"}, "node2"),
    ({"node2": "migrated-out", "node3": "receiving"}, "node3"),
    ({"node2": "migrated-out", "node3": "running"}, "node3"),
    ({"node3": "running"}, "node3"),
], ids=lambda value: "+".join(f"{k}-{v}" for k, v in value.items()) if isinstance(value, dict)
    else value)
def test_a_cleanup_puts_both_ends_in_order(cluster, left, home):
    assert cluster.try_("gnt-instance", "add", *ADD, NAME).status == 0
    leave(cluster, left)
    ran = cluster.gnt("gnt-instance", "migrate", "--cleanup", "-f", NAME)
    assert ("nothing to clean up" in ran.stdout) == (left == {"node2": "running"})
    assert states(cluster) == {home: "running"}
    assert cluster.instances("name", "pnode", "status") == [
        [NAME, f"{home}.example.com", "running"]]
    cluster.verify()


def test_a_guest_that_runs_twice_is_named_and_left_alone(cluster):
    assert cluster.try_("gnt-instance", "add", *ADD, NAME).status == 0
    leave(cluster, {"node2": "running", "node3": "running"})
    ran = cluster.try_("gnt-instance", "migrate", "--cleanup", "-f", NAME)
    assert ran.status == 1
    assert "node2.example.com and on node3.example.com" in ran.stderr + ran.stdout
    assert states(cluster) == {"node2": "running", "node3": "running"}
    guest_file(cluster, "node3").unlink()


def test_a_stopped_instance_has_nothing_to_clean_up(cluster):
    assert cluster.try_("gnt-instance", "add", *ADD, "--no-start", NAME).status == 0
    ran = cluster.gnt("gnt-instance", "migrate", "--cleanup", "-f", NAME)
    assert "does not run" in ran.stdout
    assert states(cluster) == {}
