"""A mirror that lacks what was written is no place to move to, unless that loss is accepted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from crowd import NO_NETWORK, add, homes
from third_party import install, present
from virtual_cluster import VirtualCluster

NAME = "pair.example.com"
TWIN = '''
    from ganeti_core.plugin_api import Description, DiskSpec, hookimpl
    from ganeti_core.plugin_api.data import DiskStatus, OpenDisk

    class Twin:
        """A disk is a file on each of two nodes; the file twin-behind makes a copy a stale one."""

        @hookimpl
        def describe(self):
            return Description(api_version=0, title="Two files", nodes=2)

        @hookimpl
        def layout(self, request):
            return DiskSpec(uuid=request.uuid, index=request.index, template="twin",
                            size=request.size, instance=request.instance_name)

        @hookimpl
        def space(self, ctx):
            return []

        @hookimpl
        def verify(self, ctx):
            return []

        @hookimpl
        def devices(self, ctx):
            return [path.name for path in ctx.keep.iterdir()]

        @hookimpl
        def identity(self, disk):
            return disk.uuid

        @hookimpl
        def create(self, ctx, disk):
            (ctx.keep / disk.uuid).touch()

        @hookimpl
        def remove(self, ctx, disk):
            (ctx.keep / disk.uuid).unlink(missing_ok=True)

        @hookimpl
        def open(self, ctx, disk):
            return OpenDisk(str(ctx.keep / disk.uuid))

        @hookimpl
        def close(self, ctx, disk):
            pass

        @hookimpl
        def status(self, ctx, disk):
            behind = ctx.root / "etc/ganeti/twin-behind"
            if behind.exists():
                with behind.open("a") as file:
                    print(disk.role, *(peer.name for peer in disk.peers), file=file)
            return DiskStatus(
                exists=(ctx.keep / disk.uuid).exists(), degraded=behind.exists(),
                sync_percent=40.0 if behind.exists() else None)
'''


@pytest.fixture(scope="module")
def pairs(
    make_cluster: Callable[..., VirtualCluster], tmp_path_factory: pytest.TempPathFactory
) -> VirtualCluster:
    """A cluster with a mirrored disk template of a third party."""
    folder = tmp_path_factory.mktemp("twin")
    install(folder, "ganeti-twin", {"disk_templates:twin": "Twin"}, TWIN)
    with present(folder):
        made = make_cluster("--nodes", "3", "--hypervisor", "fake")
    made.gnt("gnt-cluster", "modify", "--enabled-disk-templates=diskless,twin",
             "--ipolicy-disk-templates=diskless,twin")
    return made


@pytest.fixture
def cluster(pairs: VirtualCluster) -> Iterator[VirtualCluster]:
    pairs.gnt("gnt-instance", "add", "-t", "twin", "-s", "1M", "--no-install", "-o", "noop",
              "-B", "memory=128M", "-n", "node2:node3", *NO_NETWORK, NAME)
    yield pairs
    for node in ("node2", "node3"):
        mark(pairs, node).unlink(missing_ok=True)
        pairs.gnt("gnt-node", "modify", "--offline=no", node)
    pairs.gnt("gnt-instance", "remove", "-f", "--ignore-failures", NAME)


def mark(cluster: VirtualCluster, node: str) -> Path:
    return cluster.paths(node).root / "etc/ganeti/twin-behind"


def test_whole_copies_can_be_moved_to(cluster):
    cluster.gnt("gnt-instance", "failover", "-f", NAME)
    assert homes(cluster) == {"pair": "node3"}
    cluster.gnt("gnt-instance", "migrate", "-f", NAME)
    assert homes(cluster) == {"pair": "node2"}


def test_who_has_gone_is_not_named_as_still_there_for_its_copy(cluster):
    stays = add(cluster, "stays", "node2", 128, "--no-start")
    try:
        ran = cluster.try_("gnt-node", "migrate", "-f", "node2")
        assert homes(cluster) == {"pair": "node3", "stays": "node2"}, ran
        assert f"Still on node node2: {stays}\n" in ran.stdout
    finally:
        cluster.gnt("gnt-instance", "remove", "-f", stays)


def test_no_failover_to_a_copy_that_is_behind_without_acceptance(cluster):
    mark(cluster, "node3").touch()
    refused = cluster.try_("gnt-instance", "failover", "-f", NAME)
    assert refused.status == 1
    assert ("on target node node3.example.com disk 0 is degraded (40.0 % in sync). What was "
            "written on node node2.example.com and has not reached node3.example.com would be "
            "lost; gnt-instance activate-disks --wait-for-sync lets the copy follow once both "
            "nodes answer, --ignore-consistency accepts that loss") in refused.stderr
    assert homes(cluster) == {"pair": "node2"}
    assert mark(cluster, "node3").read_text().split() == ["secondary", "node2.example.com"]
    went = cluster.gnt("gnt-instance", "failover", "-f", "--ignore-consistency", NAME)
    assert "going on, as was asked for" in went.stdout
    assert homes(cluster) == {"pair": "node3"}


def test_the_same_holds_when_its_node_is_gone(cluster):
    mark(cluster, "node3").touch()
    cluster.gnt("gnt-node", "modify", "--offline=yes", "--force", "node2")
    refused = cluster.try_("gnt-node", "failover", "-f", "node2")
    assert refused.status == 1
    assert "is degraded (40.0 % in sync)" in refused.stderr
    assert f"Still on node node2: {NAME}" in refused.stdout
    cluster.gnt("gnt-node", "failover", "-f", "--ignore-consistency", "node2")
    assert homes(cluster) == {"pair": "node3"}


def test_a_copy_that_is_missing_is_no_copy(cluster):
    [copy] = (cluster.paths("node3").data / "plugins/disk_templates/twin").iterdir()
    copy.unlink()
    refused = cluster.try_("gnt-instance", "failover", "-f", NAME)
    assert "disk 0 has no copy" in refused.stderr
    assert homes(cluster) == {"pair": "node2"}


def test_no_migration_to_a_copy_that_is_behind(cluster):
    mark(cluster, "node3").touch()
    refused = cluster.try_("gnt-instance", "migrate", "-f", NAME)
    assert refused.status == 1
    assert "is degraded (40.0 % in sync)" in refused.stderr
    assert "let the disks synchronize first" in refused.stderr
    assert homes(cluster) == {"pair": "node2"}
