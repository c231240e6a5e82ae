"""Disks that QEMU opens itself, by an address."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from kvm_serial import COUNTS, Serial

from ganeti_core.plugin_api import DiskSpec, HookContext, HypervisorError, InstanceSpec
from ganeti_plugins.hv_kvm import KvmHypervisor
from ganeti_plugins.hv_kvm.uris import protocol_node


def inet(host: str, port: str) -> dict[str, str]:
    return {"type": "inet", "host": host, "port": port}


@pytest.mark.parametrize(("uri", "node"), [
    ("/srv/some disk", {"driver": "file", "filename": "/srv/some disk"}),
    ("file:/srv/a%20b", {"driver": "file", "filename": "/srv/a%20b"}),
    ("file:///srv/a%20b", {"driver": "file", "filename": "/srv/a b"}),
    ("nbd://store/vol", {"driver": "nbd", "server": inet("store", "10809"), "export": "vol"}),
    ("nbd://[::1]:10810/", {"driver": "nbd", "server": inet("::1", "10810")}),
    ("nbd+unix:///vol?socket=/run/nbd",
     {"driver": "nbd", "server": {"type": "unix", "path": "/run/nbd"}, "export": "vol"}),
    ("nbd:store:10809:exportname=a:b",
     {"driver": "nbd", "server": inet("store", "10809"), "export": "a:b"}),
    ("nbd:unix:/run/nbd", {"driver": "nbd", "server": {"type": "unix", "path": "/run/nbd"}}),
    ("gluster://store/vol/dir/disk", {"driver": "gluster", "volume": "vol", "path": "dir/disk",
                                      "server": [inet("store", "24007")]}),
    ("gluster+unix:///vol/disk?socket=/run/g",
     {"driver": "gluster", "volume": "vol", "path": "disk",
      "server": [{"type": "unix", "path": "/run/g"}]}),
    ("rbd:pool/image", {"driver": "rbd", "pool": "pool", "image": "image"}),
    (r"rbd:pool/name/image@now:id=admin:conf=/etc/c.conf:mon_host=ten\:6790;[\:\:2]\:6789;two",
     {"driver": "rbd", "pool": "pool", "image": "name/image", "snapshot": "now", "user": "admin",
      "conf": "/etc/c.conf", "server": [
          {"host": "ten", "port": "6790"}, {"host": "::2", "port": "6789"},
          {"host": "two", "port": "6789"}]}),
    ("iscsi://store/iqn.2020-01.com.example:vol/3",
     {"driver": "iscsi", "transport": "tcp", "portal": "store:3260",
      "target": "iqn.2020-01.com.example:vol", "lun": 3}),
    ("https://store/disk.raw", {"driver": "https", "url": "https://store/disk.raw"}),
    ('json:{"driver": "rbd", "pool": "p", "image": "i"}',
     {"driver": "rbd", "pool": "p", "image": "i"}),
])
def test_an_address_becomes_options(uri: str, node: dict[str, Any]) -> None:
    assert protocol_node(uri) == node


@pytest.mark.parametrize(("uri", "problem"), [
    ("sheepdog:vol", "supported are a path and file:, ftp:"),
    ("relative/path", "supported are"), ("nbd:///vol", "no host"), ("nbd:store", "nbd:HOST:PORT"),
    ("nbd://store:port/vol", "port"), ("nbd+unix:///vol", "socket=PATH"),
    ("gluster://store/vol", "VOLUME/PATH"), ("rbd:image", "POOL/IMAGE"),
    ("rbd:pool/image:key=c2VjcmV0", "not 'key'"), ("iscsi://me%pw@store/target/0", "password"),
    ("iscsi://store/target", "TARGET/LUN"), ("json:[]", "'driver'"), ("json:{", "cannot be read"),
])
def test_an_address_that_cannot_be_used_is_refused(uri: str, problem: str) -> None:
    with pytest.raises(HypervisorError, match=problem) as failure:
        protocol_node(uri)
    assert repr(uri) in str(failure.value)


@pytest.fixture
def nbd_socket(tmp_path: Path, disk_file: Path) -> Iterator[Path]:
    """The guest's disk, exported by a server."""
    socket = tmp_path / "nbd"
    server = subprocess.Popen(["qemu-nbd", "--persistent", "--shared=0", "--format=raw",
                               f"--socket={socket}", "--export-name=disk", str(disk_file)])
    deadline = time.monotonic() + 60
    while not socket.exists():
        assert server.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    yield socket
    server.terminate()
    server.wait()


@pytest.mark.needs_qemu
@pytest.mark.parametrize("form", ["nbd+unix:///disk?socket={}", "nbd:unix:{}:exportname=disk"])
def test_a_guest_boots_from_an_address_and_has_no_device(
    kvm: KvmHypervisor, ctx: HookContext, guest_instance: InstanceSpec, nbd_socket: Path, form: str
) -> None:
    disk = replace(guest_instance.disks[0], path="", uris={"kvm": form.format(nbd_socket)})
    instance = replace(guest_instance, disks=(disk,))
    kvm.start(ctx, instance, False)
    with Serial(ctx, instance.name) as serial:
        serial.wait_for(COUNTS)
    more = DiskSpec("d15c1111-0000-4000-8000-000000000002", 1, "ext", 1, uris=disk.uris)
    kvm.plug_disk(ctx, instance, replace(more, mode="ro"))


@pytest.mark.needs_qemu
def test_an_address_where_nobody_answers_is_an_error(
    kvm: KvmHypervisor, ctx: HookContext, guest_instance: InstanceSpec, tmp_path: Path
) -> None:
    nowhere = replace(guest_instance.disks[0], path="", uris={"kvm": f"nbd:unix:{tmp_path}/no"})
    with pytest.raises(HypervisorError, match="No such file"):
        kvm.start(ctx, replace(guest_instance, disks=(nowhere,)), False)
    assert kvm.running(ctx) == []


def test_a_file_of_the_host_is_used_where_others_have_an_address(
    kvm: KvmHypervisor, guest_instance: InstanceSpec
) -> None:
    from ganeti_plugins.hv_kvm.devices import block_node

    disk = replace(guest_instance.disks[0], uris={"other": "rbd:pool/image"})
    params = {"disk_cache": "default", "disk_aio": "threads", "disk_discard": "default"}
    assert block_node(disk, params)["file"]["filename"] == disk.path
