"""What a client gives is read in each of its forms, or refused by name; nothing is dropped."""

from __future__ import annotations

from typing import Any

import pytest
from jobs import do, fields, instance, refused
from virtual_cluster import VirtualCluster

from ganeti_core.errors import OpPrereqError
from ganeti_core.operations.parameters import mebibytes

SET = "OP_INSTANCE_SET_PARAMS"
NEW: dict[str, Any] = {
    "instance_name": "given.example.com", "disk_template": "file", "disks": [{"size": 1}],
    "nics": [], "mode": "create", "no_install": True, "pnode": "node1", "start": False,
    "beparams": {"memory": 64}, "name_check": False, "ip_check": False}


@pytest.mark.parametrize(("given", "size"), [
    (0, 0), (16, 16), ("16", 16), ("16m", 16), ("16M", 16), ("16MB", 16), ("16mib", 16),
    ("16 MiB", 16), ("2g", 2048), ("2G", 2048), ("2GB", 2048), ("2gib", 2048), ("2GiB", 2048),
    ("1.5g", 1536), (".5g", 512), ("1t", 1 << 20), ("1TiB", 1 << 20), ("1tb", 1 << 20),
    ("0.1", 1), (16.5, 17)])
def test_sizes_are_read_with_every_unit(given: Any, size: int) -> None:
    assert mebibytes(given, "disk 0") == size


@pytest.mark.parametrize("given", [
    -1, "-1", "", "m", "1x", "1k", "1mm", "1ib", "1b", "1e3", "1 2", True, None, [], {}, "1\0",
    "٣", "9" * 5000, "99999999999t", float("nan"), float("inf"), 1e300])
def test_what_is_not_a_size_is_refused(given: Any) -> None:
    with pytest.raises(OpPrereqError, match=r"Invalid size .* for disk 0"):
        mebibytes(given, "disk 0")


def test_places_of_devices_are_numbers_or_texts(cluster: VirtualCluster) -> None:
    with instance(cluster, "places.example.com", nics=[]) as name:
        def change(**params: Any) -> None:
            do(cluster, SET, instance_name=name, **params)

        change(disks=[["add", "-1", {"size": "8MiB", "name": "last"}]])
        change(disks=[["add", "0", {"size": "4M", "name": "first"}]])
        change(disks=[["modify", "2", {"name": "third"}]])
        assert fields(cluster, "instance", name, "disk.sizes", "disk.names") == [
            [4, 16, 8], ["first", None, "third"]]
        change(disks=[["remove", "-1", {}], ["remove", "0", {}]])
        assert fields(cluster, "instance", name, "disk.sizes") == [[16]]
        change(nics=[["add", "-1", {"name": "b"}], ["add", "0", {"name": "a"}]])
        assert fields(cluster, "instance", name, "nic.names") == [["a", "b"]]
        change(nics=[["remove", "0", {}]])
        assert fields(cluster, "instance", name, "nic.names") == [["b"]]


def test_null_for_a_devices_setting_means_not_given(cluster: VirtualCluster) -> None:
    nic = {"mac": None, "ip": None, "mode": None, "link": None, "vlan": None, "network": None,
           "name": None, "bridge": None}
    disk = {"size": 16, "mode": None, "name": None, "spindles": None, "vg": None, "metavg": None,
            "adopt": None, "provider": None, "access": None}
    with instance(cluster, "nulls.example.com", nics=[nic], disks=[disk]) as name:
        do(cluster, SET, instance_name=name, nics=[["modify", 0, nic | {"name": "kept"}]],
           disks=[["modify", 0, {"mode": None, "name": "kept"}]])
        do(cluster, SET, instance_name=name, nics=[["modify", 0, nic]],
           disks=[["modify", 0, {"mode": "ro", "name": None}]])
        assert fields(cluster, "instance", name, "nic.names", "disk.names") == [["kept"], ["kept"]]


def test_what_a_disk_template_does_not_know_is_refused(cluster: VirtualCluster) -> None:
    unknown = [
        ({"foo": "bar"}, "Unknown parameter 'foo' for the disk template file"),
        ({"vg": "xenvg"}, "Unknown parameter 'vg'"), ({"provider": "x"}, "parameter 'provider'"),
        ({"uuid": "x"}, "Unknown parameter 'uuid'"), ({"path": "/x"}, "Unknown parameter 'path'"),
        ({"a=b": "c"}, "Invalid name of a disk parameter 'a=b'"),
        ({"foo": "a\0"}, "Invalid value for the disk parameter 'foo'"),
        ({"spindles": 2}, "Spindles in instance disks cannot be specified when exclusive storage "
         "is not active"),
        ({"spindles": "many"}, "Invalid number of spindles"),
        ({"file_driver": "blktap"}, "Invalid value for 'file_driver'")]
    with instance(cluster, "disks.example.com") as name:
        refused(cluster, "OP_INSTANCE_CREATE", "Disk adoption is not supported for the 'file' disk "
                "template", "wrong_input", **NEW | {"disks": [{"size": 1, "adopt": "/srv/x"}]})
        refused(cluster, SET, "Disk adoption is only possible for new instances", "wrong_input",
                instance_name=name, disks=[["add", -1, {"size": 1, "adopt": "/srv/x"}]])
        for asked, text in unknown:
            disk = {"size": 1, **asked}
            refused(cluster, "OP_INSTANCE_CREATE", text, "wrong_input", **NEW | {"disks": [disk]})
            refused(cluster, SET, text, "wrong_input", instance_name=name,
                    disks=[["add", -1, disk]])
        refused(cluster, "OP_INSTANCE_RECREATE_DISKS", "Spindles in instance disks", "wrong_input",
                instance_name=name, disks=[[0, {"spindles": 1}]])


def test_what_belongs_to_files_is_refused_elsewhere(cluster: VirtualCluster) -> None:
    refused(cluster, "OP_INSTANCE_CREATE", "Invalid value for 'file_driver'", "wrong_input",
            **NEW, file_driver="blktap")
    refused(cluster, "OP_INSTANCE_CREATE", "'file_driver' for the disk template diskless",
            "wrong_input", **NEW | {"disk_template": "diskless", "disks": []}, file_driver="loop")
    refused(cluster, "OP_INSTANCE_CREATE", "file_storage_dir '../sub' must be a relative path",
            "wrong_input", **NEW, file_storage_dir="../sub")
    with instance(cluster, "driver.example.com", file_driver="loop") as name:
        assert fields(cluster, "instance", name, "disk.sizes") == [[16]]


def test_no_two_devices_of_one_request_are_the_same(cluster: VirtualCluster) -> None:
    mac = "00:11:22:33:44:55"
    twice = [
        ({"nics": [{"mac": mac}, {"mac": mac.upper()}]}, "Duplicate MAC addresses found: " + mac),
        ({"nics": [{"name": "a"}, {"name": "a"}]}, "Duplicate network interface names found: a"),
        ({"nics": [{"ip": "198.51.100.5"}, {"ip": "198.51.100.5"}]},
         "Duplicate IP addresses found: 198.51.100.5"),
        ({"disks": [{"size": 1, "name": "d"}, {"size": 1, "name": "d"}]},
         "Duplicate disk names found: d")]
    with instance(cluster, "distinct.example.com", nics=[]) as name:
        for asked, text in twice:
            refused(cluster, "OP_INSTANCE_CREATE", text, "resource_not_unique", **NEW | asked)
            ((what, devices),) = asked.items()
            refused(cluster, SET, text, "resource_not_unique", instance_name=name,
                    **{what: [["add", -1, device] for device in devices]})
    several = [NEW | {"instance_name": f"m{n}.example.com", "nics": [{"mac": mac}]}
               for n in (1, 2)]
    refused(cluster, "OP_INSTANCE_MULTI_ALLOC", f"would have the address {mac}",
            "resource_not_unique", instances=several)


def test_addresses_of_a_network_are_given_once(cluster: VirtualCluster) -> None:
    do(cluster, "OP_NETWORK_ADD", network_name="once", network="203.0.113.0/29")
    do(cluster, "OP_NETWORK_CONNECT", network_name="once", group_name="default",
       network_mode="bridged", network_link="br0")
    try:
        first = {"network": "once", "ip": "pool"}
        given = {"network": "once", "ip": "203.0.113.1"}
        for nics in ([first, given], [given, given]):
            refused(cluster, "OP_INSTANCE_CREATE", "203.0.113.1", "resource_not_unique",
                    **NEW | {"nics": nics})
        with instance(cluster, "pool.example.com", nics=[given, first]) as name:
            (addresses,) = fields(cluster, "instance", name, "nic.ips")
            assert len(set(addresses)) == 2
    finally:
        do(cluster, "OP_NETWORK_DISCONNECT", network_name="once", group_name="default")
        do(cluster, "OP_NETWORK_REMOVE", network_name="once")


def test_conflicting_sizes_of_memory_are_refused(cluster: VirtualCluster) -> None:
    for other in ({"maxmem": 200}, {"minmem": 50}, {"maxmem": 200, "minmem": 50}):
        refused(cluster, "OP_INSTANCE_CREATE", "Conflicting parameters: memory=100", "wrong_input",
                **NEW | {"beparams": {"memory": 100, **other}})
    same = {"memory": 100, "maxmem": "100m", "minmem": 100}
    with instance(cluster, "memory.example.com", beparams=same) as name:
        assert fields(cluster, "instance", name, "be/maxmem", "be/minmem") == [100, 100]
        refused(cluster, SET, "Conflicting parameters", "wrong_input", instance_name=name,
                beparams={"memory": 100, "maxmem": 200})


def test_names_and_values_of_os_parameters(cluster: VirtualCluster) -> None:
    with instance(cluster, "os.example.com", os_type="noop", no_install=True) as name:
        for field in ("osparams", "osparams_private"):
            for asked, text in (({"a=b": "1"}, "Invalid name of an OS parameter 'a=b'"),
                                ({"a\0": "1"}, "Invalid name of an OS parameter"),
                                ({"a": "x\0y"}, "Invalid value for the OS parameter 'a'"),
                                ({"a": ["x"]}, "Invalid value for the OS parameter 'a'")):
                refused(cluster, "OP_INSTANCE_CREATE", text, "wrong_input",
                        **NEW, **{field: asked}, os_type="noop")
                refused(cluster, SET, text, "wrong_input", instance_name=name, **{field: asked})
                refused(cluster, "OP_INSTANCE_REINSTALL", text, "wrong_input",
                        instance_name=name, **{field: asked})
