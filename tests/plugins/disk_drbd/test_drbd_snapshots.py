"""A running instance is exported from a snapshot of its data volume, where that can have one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from drbd_cluster import NAME, NEW, with_drbd, write
from third_party import install, present
from virtual_cluster import VirtualCluster, virtual_cluster

SNAPPED = Path(__file__).parents[2] / "backup/ganeti_backed.py"
"""Has a disk template ``snapped``: files with snapshots."""
EXPORT = ("gnt-backup", "export", "--noshutdown", "-n", "node3", NAME)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VirtualCluster]:
    folder = tmp_path_factory.mktemp("drbd-snapped")
    install(folder, "ganeti-snapped", {"disk_templates:snapped": "Snapped"}, SNAPPED.read_text())
    with present(folder), virtual_cluster(
            folder / "c", "--nodes", "3", "--hypervisor", "fake") as made:
        yield with_drbd(made)


@pytest.fixture(params=("file", "snapped"))
def volumes(cluster: VirtualCluster, request: pytest.FixtureRequest) -> Iterator[str]:
    """The template of the volumes that the instance's disk lies on."""
    template: str = request.param
    cluster.gnt("gnt-cluster", "modify", "--enabled-disk-templates=file,snapped,drbd",
                "--driver-settings", f"drbd_volume_template={template}")
    cluster.gnt("gnt-instance", "add", *NEW, "-s", "4M", "-n", "node1:node2", NAME)
    yield template
    cluster.gnt("gnt-instance", "remove", "-f", NAME)


def test_a_running_instance_is_exported_where_its_volumes_have_snapshots(
    cluster: VirtualCluster, volumes: str
) -> None:
    write(cluster, "node1", b"what the guest wrote")
    if volumes == "file":
        ran = cluster.try_(*EXPORT)
        assert ran.status == 1
        assert "The disk template file has no snapshots, and you requested a live" in ran.stderr
        return
    told = cluster.gnt(*EXPORT).stdout
    assert "Exporting snapshot/0 from node1.example.com to node3.example.com" in told
    assert cluster.instances("status") == [["running"]]
    exported = cluster.paths("node3").root / f"srv/ganeti/export/{NAME}"
    [data] = (path for path in exported.iterdir() if path.suffix != ".ini")
    assert data.read_bytes().startswith(b"what the guest wrote")
    assert not list(cluster.paths("node1").root.rglob("*.export-*")), "no snapshot is left"
    cluster.verify()
