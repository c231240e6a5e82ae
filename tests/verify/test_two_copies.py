"""What is said, and not done, where one of two copies of a disk is not as it should be."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from duo import PLUGIN, say
from third_party import install, present
from virtual_cluster import VirtualCluster

pytestmark = pytest.mark.timeout(900)

NAME = "pair.example.com"
NODE3 = "node3.example.com"


@pytest.fixture(scope="module")
def pairs(
    make_cluster: Callable[..., VirtualCluster], tmp_path_factory: pytest.TempPathFactory
) -> VirtualCluster:
    folder = tmp_path_factory.mktemp("duo")
    install(folder, "ganeti-duo", {"disk_templates:duo": "Duo"}, PLUGIN)
    with present(folder):
        made = make_cluster("--nodes", "3", "--hypervisor", "fake")
    made.gnt("gnt-cluster", "modify", "--enabled-disk-templates=diskless,duo",
             "--ipolicy-disk-templates=diskless,duo")
    made.gnt("gnt-instance", "add", "-t", "duo", "-s", "1M", "--no-install", "-o", "noop",
             "-B", "memory=16M", "-n", "node2:node3", "--no-nics", "--no-name-check",
             "--no-ip-check", NAME)
    made.verify()
    return made


@pytest.fixture
def cluster(pairs: VirtualCluster) -> Iterator[VirtualCluster]:
    yield pairs
    for node in ("node2", "node3"):
        say(pairs, node)
        (pairs.paths(node).etc / "repaired").unlink(missing_ok=True)
    pairs.gnt("gnt-node", "modify", "--offline=no", "node3")


REPAIR = ("gnt-node", "repair-storage", "node2", "duo-pool", "pool")


def repaired(cluster: VirtualCluster) -> bool:
    return (cluster.paths("node2").etc / "repaired").exists()


def test_nothing_is_given_up_while_the_other_copy_cannot_be_reached(
    cluster: VirtualCluster,
) -> None:
    cluster.gnt("gnt-node", "modify", "--offline=yes", "--force", "node3")
    refused = cluster.try_(*REPAIR)
    assert (f"Instance '{NAME}' has its other disks on node '{NODE3}', which is offline"
            in refused.stderr)
    assert (refused.status, repaired(cluster)) == (1, False)
    went = cluster.gnt(*REPAIR[:2], "--ignore-consistency", *REPAIR[2:])
    assert f"WARNING: Instance '{NAME}' has its other disks on" in went.stdout
    assert repaired(cluster)


@pytest.mark.parametrize("local", ["stale", "sync", "faulty"])
def test_nothing_is_given_up_of_which_the_other_copy_lacks_something(
    cluster: VirtualCluster, local: str
) -> None:
    say(cluster, "node3", local=local)
    refused = cluster.try_(*REPAIR)
    assert f"Instance '{NAME}' has faulty disks on node '{NODE3}'" in refused.stderr
    assert (refused.status, repaired(cluster)) == (1, False)


def test_disks_of_a_stopped_instance_are_not_given_up_either(cluster: VirtualCluster) -> None:
    cluster.gnt("gnt-instance", "shutdown", "--timeout=0", NAME)
    try:
        say(cluster, "node3", local="faulty")
        assert cluster.try_(*REPAIR).status == 1
        assert not repaired(cluster)
    finally:
        say(cluster, "node3")
        cluster.gnt("gnt-instance", "startup", NAME)
    cluster.gnt(*REPAIR)
    assert repaired(cluster)
