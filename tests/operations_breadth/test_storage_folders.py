"""The folders of disks: normalized, never the system's, and set while a template needs one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from jobs import do, instance, refused, submit
from virtual_cluster import VirtualCluster

SET = "OP_CLUSTER_SET_PARAMS"
DEFAULT = "/srv/ganeti/file-storage"


def folder(cluster: VirtualCluster) -> str:
    with cluster.luxi() as client:
        return str(client.query_cluster_info()["file_storage_dir"])


@pytest.mark.parametrize(("given", "kept"), [
    ("/srv/disks/", "/srv/disks"), ("//srv//disks/./", "/srv/disks"), ("/boot/", "/boot")])
def test_a_path_is_normalized(cluster: VirtualCluster, given: str, kept: str) -> None:
    do(cluster, SET, file_storage_dir=given)
    assert folder(cluster) == kept
    do(cluster, SET, file_storage_dir=DEFAULT)


@pytest.mark.parametrize("setting", ["file_storage_dir", "shared_file_storage_dir"])
@pytest.mark.parametrize("given", [
    "/", "//", "/etc", "/etc/x/", "/var/lib/ganeti", "/root/.ssh", "/dev/shm", "/proc", "relative",
    "/srv/../etc", "/srv/a\nb", "/srv/\0"])
def test_a_folder_of_the_system_is_refused(
    cluster: VirtualCluster, setting: str, given: str
) -> None:
    refused(cluster, SET, f"The path of {setting}", "wrong_input", **{setting: given})


def test_an_enabled_template_keeps_its_folder(cluster: VirtualCluster) -> None:
    refused(cluster, SET, "Unsetting the 'file' storage directory while having 'file' storage "
            "enabled is not permitted.", "wrong_input", file_storage_dir="")
    with cluster.luxi() as client:
        enabled = client.query_cluster_info()["enabled_disk_templates"]
    without = [name for name in enabled if name != "file"]
    do(cluster, SET, enabled_disk_templates=without, file_storage_dir="")
    refused(cluster, SET, "Disk template 'file' cannot be enabled: file_storage_dir is not set",
            "wrong_input", enabled_disk_templates=enabled)
    ended = submit(cluster, {"OP_ID": SET, "file_storage_dir": DEFAULT})
    do(cluster, SET, enabled_disk_templates=enabled)
    assert "Specified a file storage directory, although file storage is not enabled." in str(
        ended.messages)


@pytest.mark.parametrize(("configured", "lines", "text"), [
    ("/boot", None, "Path '/boot' uses a forbidden prefix"),
    ("/usr/lib/x", None, "Path '/usr/lib/x' uses a forbidden prefix"),
    ("/srv/here", "# none\n/srv/there\nrelative\n", "Path '/srv/here' is not acceptable"),
    ("/srv/here", "/srv\n", None), ("/srv/here", "/srv/here\n", None),
])
def test_nodes_make_disks_only_where_they_may(
    cluster: VirtualCluster, configured: str, lines: str | None, text: str | None
) -> None:
    node = cluster.paths("node2").root
    made = node / configured.lstrip("/")
    made.mkdir(parents=True)
    allowed = Path(node / "etc/ganeti/file-storage-paths")
    if lines is not None:
        allowed.write_text(lines)
    do(cluster, SET, file_storage_dir=configured)
    try:
        new: dict[str, Any] = {
            "instance_name": "folder.example.com", "disk_template": "file", "mode": "create",
            "disks": [{"size": 1}], "nics": [], "no_install": True, "pnode": "node2",
            "start": False, "name_check": False, "ip_check": False, "beparams": {"memory": 64}}
        if text is None:
            with instance(cluster, new.pop("instance_name"), **new):
                assert list(made.rglob("*.disk0"))
        else:
            ended = submit(cluster, {"OP_ID": "OP_INSTANCE_CREATE", **new})
            assert ended.status == "error"
            assert text in ended.error[1]
            assert text in cluster.try_("gnt-cluster", "verify").stdout
        assert not list(made.iterdir())
    finally:
        do(cluster, SET, file_storage_dir=DEFAULT)
        allowed.unlink(missing_ok=True)
        made.rmdir()
