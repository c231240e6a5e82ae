"""Instances whose disks every node of a running cluster reaches; the storages are stand-ins."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import fake_rbd
import gluster_world
import pytest
import rbd_world
from loop_devices import give_name, loop_device
from virtual_cluster import VirtualCluster

NODES = ("node1", "node2")
NAME = "shared.example.com"
NEW = ("gnt-instance", "add", "--no-install", "-o", "noop", "-B", "memory=64M", "--no-nics",
       "--no-name-check", "--no-ip-check", "-n", "node1")
TEMPLATES = ("diskless", "blockdev", "rbd")
TEXT = b"what the guest wrote"


@pytest.fixture(scope="module")
def shared_cluster(make_cluster: Callable[..., VirtualCluster]) -> VirtualCluster:
    made = make_cluster("--nodes", "2", "--hypervisor", "fake")
    fake_rbd.World.make(str(made.root / "ceph"))
    for node in NODES:
        rbd_world.install(made.paths(node).root, made.root / "ceph")
    enabled = ",".join(TEMPLATES)
    made.gnt("gnt-cluster", "modify", f"--enabled-disk-templates={enabled}",
             f"--ipolicy-disk-templates={enabled}", "-D", "rbd:pool=vms,user-id=vms")
    return made


@pytest.fixture(scope="module")
def volume(shared_cluster: VirtualCluster) -> Iterator[Path]:
    """The files of a Gluster volume that the cluster uses from now on."""
    with gluster_world.gluster_volume(shared_cluster.root / "server") as files:
        for node in NODES:
            gluster_world.install(shared_cluster.paths(node).root, files.parent)
        enabled = ",".join((*TEMPLATES, "gluster"))
        shared_cluster.gnt("gnt-cluster", "modify", f"--enabled-disk-templates={enabled}",
                           f"--ipolicy-disk-templates={enabled}", "-D", "gluster:host=server")
        yield files


@pytest.fixture
def cluster(shared_cluster: VirtualCluster) -> Iterator[VirtualCluster]:
    yield shared_cluster
    for (name,) in shared_cluster.instances("name"):
        shared_cluster.gnt("gnt-instance", "remove", "-f", name)
    assert rbd_world.images(shared_cluster.root / "ceph") == []


def mapped(cluster: VirtualCluster, node: str) -> list[Path]:
    return sorted((cluster.paths(node).root / "dev").glob("rbd*"))


def test_an_image_goes_where_its_guest_goes(cluster: VirtualCluster) -> None:
    cluster.gnt(*NEW, "-t", "rbd", "--disk", "0:size=8M", NAME)
    [image] = rbd_world.images(cluster.root / "ceph")
    assert image.startswith("vms/")
    assert image.endswith(".rbd.disk0")
    [device] = mapped(cluster, "node1")
    with device.open("r+b") as disk:
        disk.write(TEXT)
    for how, target, source in (("migrate", "node2", "node1"), ("failover", "node1", "node2")):
        cluster.gnt("gnt-instance", how, "-f", "-n", target, NAME)
        assert mapped(cluster, source) == []
        [device] = mapped(cluster, target)
        assert device.read_bytes().startswith(TEXT)
    cluster.gnt("gnt-instance", "grow-disk", NAME, "0", "8M")
    assert device.stat().st_size == 16 << 20
    assert image.removeprefix("vms/") in cluster.gnt("gnt-instance", "info", NAME).stdout
    cluster.gnt("gnt-backup", "export", "-n", "node2", NAME)
    assert rbd_world.images(cluster.root / "ceph") == [image], "its snapshot is gone"
    cluster.verify()


@pytest.mark.needs_root
def test_a_device_is_adopted_moves_and_stays_when_its_instance_goes(
    cluster: VirtualCluster, tmp_path: Path
) -> None:
    lun = "/dev/disk/by-id/scsi-3600"
    with loop_device(tmp_path / "lun", 8) as device:
        for node in NODES:
            give_name(cluster.paths(node).root, lun, device)
        add = (*NEW, "-t", "blockdev", "--disk")
        cluster.gnt(*add, f"0:adopt={lun}", NAME)
        Path(device).write_bytes(TEXT)
        for options, message in (
            (f"0:adopt={lun}", f"used by another instance ({NAME})"),
            ("0:size=8M", "The disk template 'blockdev' makes no disks"),
            ("0:adopt=/dev/sdb", "does not lie below /dev/disk/"),
            ("0:adopt=/dev/disk/by-id/none", "No such file or directory: it cannot be adopted"),
        ):
            refused = cluster.try_(*add, options, "-n", "node2", "other.example.com")
            assert message in refused.stderr, refused
        [[size]] = cluster.instances("disk.size/0")
        assert size == "8"
        cluster.gnt("gnt-instance", "migrate", "-f", "-n", "node2", NAME)
        for words, message in (
            (("grow-disk", NAME, "0", "8M"), "template blockdev cannot be grown"),
            (("modify", "--disk", "add:size=8M", NAME), "names no device"),
        ):
            refused = cluster.try_("gnt-instance", *words)
            assert re.search(message, refused.stderr), refused
        cluster.verify()
        cluster.gnt("gnt-instance", "shutdown", NAME)
        cluster.gnt("gnt-instance", "modify", "--disk", "0:detach", NAME)
        refused = cluster.try_(*add, f"0:adopt={lun}", "-n", "node2", "other.example.com")
        [uuid] = re.findall("used by the detached disk ([0-9a-f-]+)", refused.stderr)
        cluster.gnt("gnt-instance", "modify", "--disk", f"attach:uuid={uuid}", NAME)
        cluster.gnt("gnt-instance", "remove", "-f", NAME)
        assert Path(device).read_bytes().startswith(TEXT)


@pytest.mark.needs_root
def test_a_file_of_a_volume_is_mounted_where_it_is_needed(
    cluster: VirtualCluster, volume: Path
) -> None:
    folder = cluster.paths("node2").root / "var/run/ganeti/gluster"
    folder.unlink()  # the link to a folder of all nodes, which that of node1 still is
    folder.write_text("in the way")
    told = cluster.try_("gnt-cluster", "verify", "--error-codes").stdout
    assert re.search("ERROR:ENODEGLUSTERSTORAGEPATHUNUSABLE:node:node2.*is no folder", told), told
    folder.unlink()
    cluster.gnt(*NEW, "-t", "gluster", "--disk", "0:size=8M", NAME)
    [disk] = (volume / "ganeti").iterdir()
    disk.write_bytes(TEXT)
    cluster.gnt("gnt-instance", "migrate", "-f", "-n", "node2", NAME)
    assert (folder / "ganeti" / disk.name).read_bytes() == TEXT
    cluster.gnt("gnt-instance", "grow-disk", "--absolute", NAME, "0", "16M")
    assert disk.stat().st_size == 16 << 20
    cluster.verify()
    cluster.gnt("gnt-instance", "remove", "-f", NAME)
    assert list((volume / "ganeti").iterdir()) == []
