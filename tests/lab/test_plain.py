"""Disks on real volumes of LVM: a cluster of three machines, and the template's conformance."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster_of_machines import MachineCluster
from machines.image import why_not
from of_pytest import of_pytest

pytestmark = [pytest.mark.lab, pytest.mark.timeout(1200),
              pytest.mark.skipif(bool(why_not()), reason=why_not())]
HERE = Path(__file__).parent
NAME = "web.example.com"
ADD = ("gnt-instance", "add", "-t", "plain", "-o", "tiny", "-B", "memory=64M", "--no-nics",
       "--no-ip-check", "--no-name-check", "--no-start")
SETUP = """
pvcreate -q /dev/vdb /dev/vdc /dev/vdd
vgcreate -q xenvg /dev/vdb
vgcreate -q pairvg /dev/vdc /dev/vdd
"""


@pytest.fixture(scope="module")
def three(package: Path) -> Iterator[MachineCluster]:
    with MachineCluster.lent("p", 3, package, SETUP, "--vg-name=xenvg",
                             templates="plain") as made:
        yield made


@pytest.fixture
def cluster(three: MachineCluster) -> Iterator[MachineCluster]:
    """Afterwards there are no instances and no volumes."""
    yield three
    for name in three.gnt("gnt-instance", "list", "--no-headers", "-o", "name").split():
        three.gnt("gnt-instance", "remove", "-f", name)
    assert volumes(three) == {}


def volumes(cluster: MachineCluster) -> dict[str, int]:
    """All volumes, as node/group/name, with the node's number."""
    found = {}
    for number in range(1, len(cluster.machines) + 1):
        ran = cluster.on(number).run("lvs --noheadings -o vg_name,lv_name")
        for line in ran.output.splitlines():
            found["/".join((f"node{number}", *line.split()))] = number
    return found


def shown(cluster: MachineCluster, *fields: str) -> list[str]:
    return cluster.gnt("gnt-instance", "list", "--no-headers", "--units=m", "-o",
                       ",".join(fields)).split()


def test_disks_are_volumes_with_ganetis_names(cluster: MachineCluster) -> None:
    cluster.gnt(*ADD, "-n", "node2", "--disk", "0:size=64m", "--disk", "1:size=64m,vg=pairvg", NAME)
    found = sorted(volumes(cluster))
    assert re.fullmatch(r"node2/pairvg/[0-9a-f-]{36}\.disk1", found[0])
    assert re.fullmatch(r"node2/xenvg/[0-9a-f-]{36}\.disk0", found[1])
    seen = cluster.on(2).run("lvs --noheadings -o lv_tags,lv_size --units m;"
                             " tail -c 2 <(head -c 512 /dev/xenvg/*.disk0) | xxd -p || true")
    assert seen.output.count(f"originstname+{NAME}") == 2, seen.output
    boot = cluster.on(2).run("head -c 512 /dev/xenvg/*.disk0 | tail -c 2 | od -An -tx1")
    assert boot.output.split() == ["55", "aa"], "the OS definition has written onto it"
    assert "ERROR" not in cluster.gnt("gnt-cluster", "verify")


def test_disks_grow_and_move_with_their_data(cluster: MachineCluster) -> None:
    cluster.gnt(*ADD, "-n", "node2", "--disk", "0:size=64m", NAME)
    cluster.gnt("gnt-instance", "grow-disk", NAME, "0", "64m")
    assert cluster.on(2).run("blockdev --getsize64 /dev/xenvg/*.disk0").output == "134217728\n"
    cluster.on(2).run("echo kept | dd of=$(echo /dev/xenvg/*.disk0) seek=131000 conv=notrunc,fsync")
    cluster.gnt("gnt-instance", "move", "-f", "-n", "node3", NAME)
    found = cluster.on(3).run("dd if=$(echo /dev/xenvg/*.disk0) skip=131000 count=1 status=none"
                              " | head -c 4")
    assert found.output == "kept"
    assert set(volumes(cluster).values()) == {3}


def test_an_export_of_a_running_instance_is_made_from_a_snapshot(cluster: MachineCluster) -> None:
    cluster.gnt(*ADD, "-n", "node2", "--disk", "0:size=64m", NAME)
    cluster.gnt("gnt-instance", "start", NAME)
    said = cluster.gnt("gnt-backup", "export", "-n", "node3", NAME)
    assert "napshot" in said, said
    assert len(volumes(cluster)) == 1, "the snapshot has gone again"
    assert shown(cluster, "status") == ["running"]
    cluster.gnt("gnt-instance", "remove", "-f", NAME)
    cluster.gnt("gnt-backup", "import", "-t", "plain", "-n", "node1", "--src-node=node3",
                "--no-ip-check", "--no-name-check", NAME)
    boot = cluster.on(1).run("head -c 512 /dev/xenvg/*.disk0 | tail -c 2 | od -An -tx1")
    assert boot.output.split() == ["55", "aa"]
    cluster.gnt("gnt-backup", "remove", NAME)


def test_volumes_are_adopted_with_their_data(cluster: MachineCluster) -> None:
    made = cluster.on(2).run(
        "lvcreate -q -y -W n -L 96m -n old.data xenvg; echo precious > /dev/xenvg/old.data;"
        " sleep 600 < /dev/xenvg/old.data > /dev/null & echo $! > /run/holder")
    assert made.status == 0, made.output
    adopt = (*ADD, "-n", "node2", "--disk", "0:adopt=old.data", NAME)
    assert "Online logical volumes found" in cluster.fails(*adopt)
    cluster.on(2).run("kill $(cat /run/holder)")
    cluster.wait(2, "lvs --noheadings -o lv_attr xenvg/old.data | grep -q -- '-wi-a-'", "released")
    cluster.gnt(*adopt)
    assert shown(cluster, "disk.size/0") == ["96"]
    assert cluster.on(2).run("head -c 8 /dev/xenvg/*.disk0").output == "precious"


def test_what_has_no_room_or_no_group_is_refused_before_anything_changes(
    cluster: MachineCluster
) -> None:
    full = cluster.fails(*ADD, "-n", "node2", "--disk", "0:size=64m", "--disk", "1:size=9g", NAME)
    assert "Not enough disk space on target node node2.example.com (storage xenvg" in full
    gone = cluster.fails(*ADD, "-n", "node2", "--disk", "0:size=64m,vg=nosuch", NAME)
    assert "has no storage nosuch of disk template plain (there are: xenvg, pairvg)" in gone
    assert volumes(cluster) == {}


def test_a_volume_in_use_is_not_removed_below_its_user(cluster: MachineCluster) -> None:
    cluster.gnt(*ADD, "-n", "node2", "--disk", "0:size=64m", NAME)
    held = cluster.on(2).run("mkfs.ext4 -q /dev/xenvg/*.disk0; mount /dev/xenvg/*.disk0 /mnt;"
                             " echo used > /mnt/file")
    assert held.status == 0, held.output
    said = cluster.run("gnt-instance", "remove", "-f", NAME).output
    verified = cluster.run("gnt-cluster", "verify").output
    assert "mounted on /mnt" in said + verified
    assert cluster.on(2).run("cat /mnt/file; umount /mnt").output == "used\n"
    cluster.wait(2, "! lvs --noheadings -o lv_name xenvg | grep -q disk", "removed when unused")


def test_a_power_failure_in_a_creation_leaves_nothing(cluster: MachineCluster) -> None:
    cluster.gnt("gnt-cluster", "modify", "--prealloc-wipe-disks=yes")
    job = cluster.gnt(*ADD, "--submit", "-n", "node2", "--disk", "0:size=6g", NAME).split()[-1]
    cluster.wait(2, "lvs --noheadings -o lv_name xenvg | grep -q disk", "the volume is made")
    cluster.on(2).cut_power()
    assert cluster.run("gnt-job", "wait", job).status != 0
    assert shown(cluster, "name") == []
    cluster.power_back(2)
    cluster.wait(2, "! lvs --noheadings -o lv_name xenvg | grep -q disk", "it is taken back")
    cluster.gnt("gnt-cluster", "modify", "--prealloc-wipe-disks=no")
    assert "ERROR" not in cluster.gnt("gnt-cluster", "verify")


def test_instances_come_back_after_a_power_failure(cluster: MachineCluster) -> None:
    cluster.gnt(*ADD, "-n", "node2", "--disk", "0:size=64m", NAME)
    cluster.on(2).run("echo kept | dd of=$(echo /dev/xenvg/*.disk0) seek=99 conv=notrunc,fsync")
    cluster.on(2).cut_power()
    cluster.power_back(2)
    cluster.wait(1, f"gnt-instance start {NAME}", "it starts again")
    found = cluster.on(2).run("dd if=$(echo /dev/xenvg/*.disk0) skip=99 count=1 status=none"
                              " | head -c 4")
    assert found.output == "kept"


def test_unknown_volumes_are_reported_unless_they_are_reserved(cluster: MachineCluster) -> None:
    cluster.on(3).run("lvcreate -q -y -W n -L 16m -n scratch xenvg")
    try:
        assert "WARNING: node node3" in (found := cluster.gnt("gnt-cluster", "verify"))
        assert "volume xenvg/scratch is unknown" in found
        assert re.search(r"node3\S* +/dev/vdb +xenvg +scratch +16M +-",
                         cluster.gnt("gnt-node", "volumes", "node3"))
        cluster.gnt("gnt-cluster", "modify", "--reserved-lvs=xenvg/scr.*")
        assert "scratch" not in cluster.gnt("gnt-cluster", "verify")
    finally:
        cluster.on(3).run("lvremove -q -f xenvg/scratch")


def test_storage_is_listed_closed_and_repaired(cluster: MachineCluster) -> None:
    listing = ("gnt-node", "list-storage", "--no-headers", "-o", "name,size,free,allocatable",
               "--units=m", "-t", "lvm-pv", "node3")
    cluster.gnt("gnt-node", "modify-storage", "--allocatable=no", "node3", "lvm-pv", "/dev/vdc")
    assert [line.split()[::3] for line in cluster.gnt(*listing).splitlines()] == [
        ["/dev/vdb", "Y"], ["/dev/vdc", "N"], ["/dev/vdd", "Y"]]
    cluster.gnt("gnt-node", "modify-storage", "--allocatable=yes", "node3", "lvm-pv", "/dev/vdc")
    cluster.on(3).run("dd if=/dev/zero of=/dev/vdd bs=1M count=2 conv=fsync status=none")
    cluster.gnt("gnt-node", "repair-storage", "node3", "lvm-vg", "pairvg")
    assert [line.split()[0] for line in cluster.gnt(*listing).splitlines()] == [
        "/dev/vdb", "/dev/vdc"]
    cluster.on(3).run("pvcreate -q /dev/vdd; vgextend -q pairvg /dev/vdd")


def test_disks_have_spindles_for_themselves(cluster: MachineCluster) -> None:
    cluster.gnt("gnt-node", "modify", "--node-parameters", "exclusive_storage=true", "node3")
    try:
        add = (*ADD, "-n", "node3", "--disk", "0:size=64m,vg=pairvg,spindles=1")
        cluster.gnt(*add, NAME)
        cluster.gnt(*add, "db.example.com")
        lying = cluster.on(3).run("lvs --noheadings -o devices pairvg").output.split()
        assert sorted(lying) == ["/dev/vdc(0)", "/dev/vdd(0)"]
        assert "Not enough disk space" in cluster.fails(*add, "third.example.com")
    finally:
        cluster.gnt("gnt-node", "modify", "--node-parameters", "exclusive_storage=default",
                    "node3")


def test_thin_volumes_take_the_room_that_is_written_to(cluster: MachineCluster) -> None:
    made = cluster.on(2).run("lvcreate -q -y --type thin-pool -L 512m -n pool pairvg")
    assert made.status == 0, made.output
    cluster.gnt(*ADD, "-n", "node2", "--disk", "0:size=256m,vg=pairvg,thin_pool=pool", NAME)
    assert cluster.on(2).run(
        "lvs --noheadings -o pool_lv,lv_size --units m -S 'lv_name=~disk0'").output.split() == [
            "pool", "256.00m"]
    cluster.gnt("gnt-instance", "remove", "-f", NAME)
    cluster.on(2).run("lvremove -q -f pairvg/pool")


def test_the_template_keeps_its_contract_on_real_volumes(three: MachineCluster) -> None:
    """The kit runs on a machine, with the package's own Python."""
    three.fleet.copy([HERE / "kit_on_lvm.py", *of_pytest()], three.on(3), "/root/kit")
    ran = three.on(3).run(
        "cd kit; PYTHONPATH=. /usr/lib/ganeti-core/bin/python -m pytest -q -x -p no:cacheprovider"
        " --durations=5 kit_on_lvm.py", seconds=900)
    assert ran.status == 0, ran.output[-4000:]
    print(ran.output[-1500:])
