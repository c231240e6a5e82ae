"""``hv_state`` and ``disk_state``: what is said of nodes is inherited, shown, and counted."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from virtual_cluster import VirtualCluster, wait_until

SECOND = "node2.example.com"


def states(cluster: VirtualCluster) -> dict[str, dict[str, object]]:
    """What is said of each node, by its name."""
    with cluster.luxi() as client:
        rows = client.query("node", ["name", "hv_state", "disk_state"], None)["data"]
    return {name: {"hv": hv, "disk": disk} for (_, name), (_, hv), (_, disk) in rows}


def described(cluster: VirtualCluster) -> dict[str, int]:
    """The second node as an allocator is sent it."""
    shown = cluster.gnt("gnt-debug", "iallocator", "--dir=in", "-m", "allocate", "-t", "file",
                        "--disks=16M", "-o", "noop", "new.example.com").stdout
    return dict(json.loads(shown)["nodes"][SECOND])


def test_a_node_inherits_from_its_group_and_the_cluster(cluster: VirtualCluster) -> None:
    cluster.gnt("gnt-cluster", "modify", "--hypervisor-state", "fake:mem_node=512,cpu_node=2")
    cluster.gnt("gnt-group", "modify", "--hypervisor-state", "fake:mem_node=600", "default")
    cluster.gnt("gnt-node", "modify", "--hypervisor-state", "fake:cpu_node=3", "--disk-state",
                "file//srv/ganeti/file-storage:disk_reserved=100", "node2")
    found = states(cluster)
    assert found["node1.example.com"]["hv"] == {"fake": {"mem_node": 600, "cpu_node": 2}}
    assert found[SECOND] == {
        "hv": {"fake": {"mem_node": 600, "cpu_node": 3}},
        "disk": {"file": {"/srv/ganeti/file-storage": {"disk_reserved": 100}}}}
    shown = cluster.gnt("gnt-cluster", "info").stdout
    assert "Hypervisor state" in shown
    assert "mem_node: 512" in shown
    back = {"gnt-cluster": [], "gnt-group": ["default"], "gnt-node": ["node2"]}
    for tool, names in back.items():
        cluster.gnt(tool, "modify", "--hypervisor-state", "fake:mem_node=default,cpu_node=default",
                    *names)
    cluster.gnt("gnt-node", "modify", "--disk-state",
                "file//srv/ganeti/file-storage:disk_reserved=default", "node2")
    assert all(not any(found.values()) for found in states(cluster).values())


@pytest.fixture
def steady(cluster: VirtualCluster) -> Iterator[VirtualCluster]:
    """The second node says the same of its memory all the time, whatever this machine does."""
    file = cluster.paths("node2").root / "etc/ganeti/fake-node.json"
    file.write_text(json.dumps({"fake_memory": 16384}))
    wait_until(lambda: described(cluster)["total_memory"] == 16384, "it says so")
    yield cluster
    file.unlink()


def test_allocators_leave_to_a_node_what_is_its_own(steady: VirtualCluster) -> None:
    cluster = steady
    before = described(cluster)
    folder = "file//srv/ganeti/file-storage"
    cluster.gnt("gnt-node", "modify", "--hypervisor-state",
                "fake:mem_node=2048,mem_hv=1024,mem_total=8192,cpu_node=2,cpu_total=3",
                "--disk-state", f"{folder}:disk_total=4096,disk_reserved=500,disk_overhead=24",
                SECOND)
    now = described(cluster)
    assert now["reserved_memory"] == 3072
    assert now["total_memory"] == 8192
    assert (now["total_cpus"], now["reserved_cpus"]) == (min(3, before["total_cpus"]), 2)
    assert now["total_disk"] == 4096
    withheld = (before["total_memory"] - 8192) + 3072 - before["reserved_memory"]
    assert abs(before["free_memory"] - withheld - now["free_memory"]) < 64
    full = cluster.try_("gnt-instance", "add", "-t", "file", "-s", "1g", "-n", SECOND, "-o", "noop",
                        "--no-nics", "--dry-run", "--no-ip-check", "--no-name-check",
                        "x.example.com")
    assert full.status == 0, "who names a node decides himself"
    cluster.gnt("gnt-node", "modify", "--hypervisor-state",
                ",".join(["fake:mem_node=default", *(f"{name}=default" for name in (
                    "mem_hv", "mem_total", "cpu_node", "cpu_total"))]),
                "--disk-state", ",".join([f"{folder}:disk_total=default", "disk_reserved=default",
                                          "disk_overhead=default"]), SECOND)
    assert not any(states(cluster)[SECOND].values())


@pytest.mark.parametrize(("options", "said"), [
    (("--hypervisor-state", "nosuch:mem_node=1"), "in hypervisor state: nosuch"),
    (("--hypervisor-state", "fake:memory=1"), "Unknown parameter 'memory'"),
    (("--hypervisor-state", "fake:mem_node=much"), "'mem_node' (value much) is not of the type"),
    (("--hypervisor-state", "fake:mem_node=-1"), "'mem_node' (value -1) of 'fake' must be 0 or"),
    (("--disk-state", "file:disk_total=1"), "'file' names no storage"),
    (("--disk-state", "sharedfile/x:disk_total=1"), "sharedfile is no disk template whose disks"),
    (("--disk-state", "file/x:size=1"), "Unknown parameter 'size'"),
])
def test_what_makes_no_sense_is_refused(
    cluster: VirtualCluster, options: tuple[str, ...], said: str
) -> None:
    for words in (("gnt-cluster", "modify"), ("gnt-group", "modify", "default"),
                  ("gnt-node", "modify", "node1")):
        ran = cluster.try_(*words[:2], *options, *words[2:])
        assert ran.status == 1
        assert said in ran.stderr
    assert not any(states(cluster)["node1.example.com"].values())
