"""Databases that earlier versions wrote are read: nothing that was set gets lost or comes back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cluster_objects import CLUSTER, instance

from ganeti_core.config.codec import decode_object, encode_object
from ganeti_core.model import Cluster, Disk, Instance

KEPT = Path(__file__).parent.parent / "data/databases/before-settings.json"


def kept(kind: str) -> str:
    return json.dumps(json.loads(KEPT.read_text())[kind])


def test_settings_of_drivers_were_fields_of_the_cluster() -> None:
    cluster = decode_object("cluster", kept("cluster"))
    assert isinstance(cluster, Cluster)
    # Those that were empty stay so: no driver's default takes their place.
    assert cluster.settings == {
        "volume_group_name": "xenvg", "file_storage_dir": "/srv/ganeti/file-storage",
        "drbd_usermode_helper": "", "shared_file_storage_dir": "", "gluster_storage_dir": ""}
    assert decode_object("cluster", encode_object(cluster)) == cluster


def test_instances_without_disks_did_not_say_so() -> None:
    found = decode_object("instance", kept("instance"))
    assert isinstance(found, Instance)
    assert found.disk_template == "diskless"
    assert decode_object("instance", encode_object(found)) == found


def test_what_disks_drew_from_pools_was_among_their_parameters() -> None:
    file = KEPT.with_name("before-granted.json")
    plain, pair = (decode_object("disk", json.dumps(document))
                   for document in json.loads(file.read_text())["disk"])
    assert isinstance(plain, Disk)
    assert (plain.granted, plain.logical_id[0]) == ({}, "loop")
    assert isinstance(pair, Disk)
    assert pair.granted == {"minor": {"node-uuid-1": 3, "node-uuid-2": 5}, "port": 11000,
                            "secret": "5eCr3t"}
    assert (pair.logical_id, pair.params) == ((), {"resync-rate": 1024})
    (child,) = pair.children
    assert (child.logical_id, child.granted) == (("xenvg", "disk-pair.data"), {})
    for disk in (plain, pair):
        assert decode_object("disk", encode_object(disk)) == disk


@pytest.mark.parametrize("value", [
    CLUSTER, instance(1), instance(2, disk_template="file")], ids=["cluster", "none", "named"])
def test_what_this_version_writes_is_not_taken_for_an_earlier_one(
    value: Cluster | Instance
) -> None:
    kind = "cluster" if isinstance(value, Cluster) else "instance"
    assert decode_object(kind, encode_object(value)) == value
