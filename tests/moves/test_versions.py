"""A guest is not sent to an older hypervisor, unless that is asked for."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from crowd import MEMORY, add, homes
from virtual_cluster import VirtualCluster


def pretend(cluster: VirtualCluster, node: str, version: str) -> None:
    file = cluster.paths(node).root / "etc/ganeti/fake-node.json"
    settings = {"fake_memory": MEMORY, "fake_cpus": 8}
    file.write_text(json.dumps(settings | ({"fake_version": version} if version else {})))


@pytest.fixture
def guest(cluster: VirtualCluster) -> Iterator[str]:
    pretend(cluster, "node1", "7.2.14")
    yield add(cluster, "old", "node1", 512)
    for node in ("node1", "node2"):
        pretend(cluster, node, "")


def migrate(cluster: VirtualCluster, guest: str, *options: str) -> tuple[int, str]:
    ran = cluster.try_("gnt-instance", "migrate", "-f", "-n", "node2", *options, guest)
    return ran.status, ran.stdout + ran.stderr


def test_an_older_one_is_refused_or_warned_of(cluster, guest):
    pretend(cluster, "node2", "7.2.9")
    status, said = migrate(cluster, guest)
    assert status == 1
    assert ("hypervisor version mismatch between source (version 7.2.14 on node1.example.com) and "
            "target (version 7.2.9 on node2.example.com), which is older") in said
    assert homes(cluster) == {"old": "node1"}
    status, said = migrate(cluster, guest, "--ignore-hvversions")
    assert status == 0
    assert "going on, as was asked for" in said
    assert homes(cluster) == {"old": "node2"}


@pytest.mark.parametrize(("version", "told"), [
    ("10.0.0", "migrating to a newer one should be safe"), ("7.2.14", ""), ("", "")])
def test_a_newer_equal_or_unknown_one_is_taken(cluster, guest, version, told):
    pretend(cluster, "node2", version)
    status, said = migrate(cluster, guest)
    assert status == 0
    assert told in said
    assert ("mismatch" in said) == bool(told)
    assert homes(cluster) == {"old": "node2"}
