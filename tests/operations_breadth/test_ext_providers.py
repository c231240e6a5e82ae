"""Instances on volumes of an ExtStorage provider that is a folder of scripts."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from jobs import do, instance, submit
from virtual_cluster import VirtualCluster

SCRIPT = """#!/bin/sh
echo "${0##*/} $VOL_NAME $VOL_CNAME" >>log
case ${0##*/} in
create) truncate -s "${VOL_SIZE}M" "$VOL_NAME" ;;
attach) realpath "$VOL_NAME" ;;
remove) rm -f "$VOL_NAME" ;;
verify) echo "not written yet" >&2; exit 1 ;;
esac
"""


@pytest.fixture
def shelf(cluster: VirtualCluster) -> Iterator[Path]:
    """A provider whose `verify` is a stub, as many are."""
    with cluster.luxi() as client:
        info = client.query_cluster_info()
    folder = cluster.paths().root / "srv/ganeti/extstorage/shelf"
    folder.mkdir(parents=True)
    for name in ("create", "remove", "grow", "attach", "detach", "setinfo", "verify"):
        (folder / name).write_text(SCRIPT)
        (folder / name).chmod(0o755)
    (folder / "parameters.list").write_text("speed How fast it is\n")
    templates = info["enabled_disk_templates"]
    do(cluster, "OP_CLUSTER_SET_PARAMS", enabled_disk_templates=[*templates, "ext"])
    yield folder
    do(cluster, "OP_CLUSTER_SET_PARAMS", enabled_disk_templates=templates)
    shutil.rmtree(folder)


def test_a_provider_learns_the_name_of_a_disk_and_its_stubs_refuse_nothing(
    cluster: VirtualCluster, shelf: Path
) -> None:
    disk = {"size": 16, "provider": shelf.name, "name": "data"}
    with instance(cluster, "ext1.example.com", disk_template="ext", disks=[disk],
                  os_type="noop", no_install=False, ignore_ipolicy=True):
        asked = [line.split() for line in (shelf / "log").read_text().splitlines()]
        assert [words[0] for words in asked[:3]] == ["create", "setinfo", "attach"]
        assert {words[2] for words in asked} == {"data"}
        volume = asked[0][1]
        assert (shelf / volume).exists()
    assert not (shelf / volume).exists()


def test_administrators_scripts_get_the_provider_and_the_volume_of_a_disk(
    cluster: VirtualCluster, shelf: Path, tmp_path: Path
) -> None:
    script = cluster.paths().scripts / "instance-remove-pre.d/50-test"
    script.parent.mkdir(parents=True, exist_ok=True)
    script.write_text(f"#!/bin/sh\nenv | grep GANETI_INSTANCE_DISK0_ > {tmp_path}/env\n")
    script.chmod(0o755)
    try:
        with instance(cluster, "ext3.example.com", disk_template="ext",
                      disks=[{"size": 16, "provider": shelf.name}], ignore_ipolicy=True):
            asked = [line.split() for line in (shelf / "log").read_text().splitlines()]
    finally:
        script.unlink()
    shown = dict(line.split("=", 1) for line in (tmp_path / "env").read_text().splitlines())
    assert shown["GANETI_INSTANCE_DISK0_PROVIDER"] == shelf.name
    assert shown["GANETI_INSTANCE_DISK0_ID"] == asked[0][1]
    assert "GANETI_INSTANCE_DISK0_DRIVER" not in shown


def test_a_device_that_does_not_exist_is_refused_and_nothing_is_left(
    cluster: VirtualCluster, shelf: Path
) -> None:
    (shelf / "attach").write_text("#!/bin/sh\necho /no/such/device\n")
    ended = submit(cluster, {
        "OP_ID": "OP_INSTANCE_CREATE", "instance_name": "ext2.example.com", "mode": "create",
        "disk_template": "ext", "disks": [{"size": 16, "provider": shelf.name}], "nics": [],
        "os_type": "noop", "pnode": "node1", "start": False, "name_check": False,
        "ip_check": False, "ignore_ipolicy": True, "beparams": {"memory": 64}})
    assert ended.status == "error"
    assert "printed '/no/such/device' for its block device, which does not exist" in ended.error[1]
    assert "ext2.example.com" not in [row[0] for row in cluster.instances("name")]
    asked = [line.split()[0] for line in (shelf / "log").read_text().splitlines()]
    assert asked.count("create") == asked.count("remove") == 1
    assert not list(shelf.glob("*.ext.disk0"))


def test_a_volume_that_cannot_be_had_is_not_removed_where_it_cannot_be_made_anew(
    cluster: VirtualCluster, shelf: Path
) -> None:
    """The provider has it, and does not attach it now: it looks as if it were lost."""
    with instance(cluster, "ext4.example.com", disk_template="ext",
                  disks=[{"size": 16, "provider": shelf.name}], ignore_ipolicy=True):
        (volume,) = shelf.glob("*.ext.disk0")
        volume.write_bytes(b"data")
        for name in ("attach", "create"):
            (shelf / name).write_text(f"#!/bin/sh\necho '{name} is refused' >&2; exit 1\n")
        ended = submit(cluster, {"OP_ID": "OP_INSTANCE_RECREATE_DISKS",
                                 "instance_name": "ext4.example.com"})
        assert ended.status == "error"
        assert "create is refused" in ended.error[1]
        assert volume.read_bytes() == b"data"
        assert "remove" not in {line.split()[0] for line in
                                (shelf / "log").read_text().splitlines()}
    assert not volume.exists()
