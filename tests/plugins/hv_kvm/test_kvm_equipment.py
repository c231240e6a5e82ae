"""Real guests with what else a machine can have: drives, screens, USB, sound, threads, q35."""

from __future__ import annotations

import os
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from kvm_serial import COUNTS, Serial

from ganeti_core.plugin_api import (
    DiskSpec,
    HookContext,
    HypervisorError,
    InstanceSpec,
    NodeRef,
    OpPrereqError,
)
from ganeti_plugins.hv_kvm import KvmHypervisor, bind, guests, screen
from ganeti_plugins.hv_kvm.qmp import Qmp

pytestmark = pytest.mark.needs_qemu

HERE = NodeRef("6fd1c8c4-7e8c-4b4e-9c0e-0d3a0a9a1f01", "node1.example.com", "127.0.0.1")


def having(instance: InstanceSpec, **params: object) -> InstanceSpec:
    return replace(instance, hvparams={**instance.hvparams, **params})


def asked(ctx: HookContext, name: str, command: str) -> Any:
    with Qmp.connect(ctx.state / name / "query") as qmp:
        return qmp.execute(command)


def counts(kvm: KvmHypervisor, ctx: HookContext, instance: InstanceSpec) -> None:
    """It is taken by the check, starts, and its guest counts."""
    kvm.validate(ctx, instance.hvparams)
    kvm.start(ctx, instance, False)
    with Serial(ctx, instance.name) as serial:
        serial.wait_for(COUNTS)


@pytest.fixture
def image(tmp_path: Path) -> str:
    path = tmp_path / "image"
    path.write_bytes(bytes(1474560))
    return str(path)


@pytest.mark.parametrize("params", [
    {}, {"cdrom_disk_type": "paravirtual"},
    {"cdrom_disk_type": "scsi-cd", "scsi_controller_type": "virtio-scsi-pci"},
    {"machine_version": "q35"},
])
def test_drives_have_their_images(
    kvm: KvmHypervisor, ctx: HookContext, guest_instance: InstanceSpec, image: str,
    params: dict[str, object],
) -> None:
    wanted = {"cdrom-drive": image, "cdrom2-drive": image}
    if params.get("machine_version") != "q35":
        wanted["floppy-drive"] = f"{image}.floppy"
        Path(f"{image}.floppy").write_bytes(bytes(1474560))
    instance = having(guest_instance, cdrom_image_path=image, cdrom2_image_path=image, **params,
                      floppy_image_path=wanted.get("floppy-drive", ""))
    counts(kvm, ctx, instance)
    inside = {item["qdev"].removeprefix("/machine/peripheral/").partition("/")[0]:
              item["inserted"]["file"]
              for item in asked(ctx, instance.name, "query-block") if item.get("inserted")}
    assert {name: inside.get(name) for name in wanted} == wanted


def test_ide_disks_and_drives_that_do_not_fit_are_refused(
    kvm: KvmHypervisor, ctx: HookContext, guest_instance: InstanceSpec, image: str
) -> None:
    (disk,) = guest_instance.disks
    disks = tuple(replace(disk, uuid=f"d15c000{index}-{disk.uuid[9:]}", index=index,
                          path=f"{disk.path}{index}") for index in range(3))
    for one in disks:
        Path(one.path).write_bytes(bytes(1 << 20))
    kvm.start(ctx, replace(having(guest_instance, disk_type="ide", cdrom2_image_path=image),
                           disks=disks), False)
    kvm.stop(ctx, guest_instance, True, 0.0)
    with pytest.raises(HypervisorError, match="3 disks and 1 CD drives do not fit"):
        kvm.start(ctx, replace(having(guest_instance, disk_type="ide", cdrom_image_path=image),
                               disks=disks), False)
    assert list(ctx.state.iterdir()) == []


def test_a_guest_boots_from_a_floppy(
    kvm: KvmHypervisor, ctx: HookContext, guest_instance: InstanceSpec, image: str
) -> None:
    Path(image).write_bytes(Path(guest_instance.disks[0].path).read_bytes()[:512].ljust(
        1474560, b"\0"))
    instance = replace(having(guest_instance, boot_order="floppy", floppy_image_path=image),
                       disks=())
    kvm.start(ctx, instance, False)
    with Serial(ctx, instance.name) as serial:
        serial.wait_for("TINY READY|count")


@pytest.mark.parametrize("params", [
    {"disk_aio": "io_uring"},
    {"disk_aio": "io_uring", "virtio_disk_iothreads": 2},
    {"disk_aio": "native", "disk_cache": "none", "virtio_disk_iothreads": 1},
])
def test_disks_are_served_as_asked_for(
    kvm: KvmHypervisor, ctx: HookContext, guest_instance: InstanceSpec, params: dict[str, object]
) -> None:
    try:
        counts(kvm, ctx, having(guest_instance, **params))
    except HypervisorError as exc:
        if "io_uring" not in str(exc) and "O_DIRECT" not in str(exc):
            raise
        pytest.skip(f"this machine cannot: {exc}")
    threads = asked(ctx, guest_instance.name, "query-iothreads")
    assert len(threads) == params.get("virtio_disk_iothreads", 0)


@pytest.mark.parametrize("controller", ["lsi", "megasas", "virtio-scsi-pci"])
@pytest.mark.parametrize("machine", ["pc", "q35"])
def test_scsi_disks_have_their_controller(
    kvm: KvmHypervisor, ctx: HookContext, guest_instance: InstanceSpec, controller: str,
    machine: str,
) -> None:
    """SeaBIOS boots from each of them."""
    counts(kvm, ctx, having(guest_instance, disk_type="scsi-hd", machine_version=machine,
                            scsi_controller_type=controller))


def test_q35_has_a_root_port_for_each_device(
    kvm: KvmHypervisor, ctx: HookContext, other_ctx: HookContext, guest_instance: InstanceSpec,
    tmp_path: Path,
) -> None:
    """A disk is plugged into one, and the guest moves with it."""
    from kvm_moves import Trip

    path = tmp_path / "disk1.raw"
    path.write_bytes(bytes(1 << 20))
    more = DiskSpec("d15c1111-0000-4000-8000-000000000002", 1, "file", 1, path=str(path))
    instance = having(guest_instance, machine_version="q35")
    counts(kvm, ctx, instance)
    plugged = kvm.plug_disk(ctx, instance, more)
    assert (plugged.model, plugged.address) == ("virtio-blk-pci", "PCI slot 0x1b")
    buses = asked(ctx, instance.name, "query-pci")[0]["devices"]
    behind = {port["qdev_id"]: [card["qdev_id"] for card in port["pci_bridge"]["devices"]]
              for port in buses if "pci_bridge" in port}
    assert len(behind) == 17
    assert [len(behind[name]) for name in ("port28", "port27", "port26")] == [1, 1, 0]
    trip = Trip(kvm, ctx, other_ctx, replace(instance, disks=(*instance.disks, more)))
    trip.send()
    assert trip.wait().state == "completed"
    trip.finish(success=True)
    with Serial(other_ctx, instance.name) as serial:
        serial.wait_for(COUNTS)


@pytest.mark.parametrize("params", [
    {"disk_type": "ide"}, {"floppy_image_path": "IMAGE"}, {"nic_type": "ne2k_isa"},
])
def test_q35_refuses_what_it_does_not_have(
    kvm: KvmHypervisor, ctx: HookContext, image: str, params: dict[str, str]
) -> None:
    given = {name: image if value == "IMAGE" else value for name, value in params.items()}
    with pytest.raises(OpPrereqError, match=next(iter(params))):
        kvm.validate(ctx, {"kernel_path": "", "machine_version": "q35", **given})


def test_usb_and_sound_are_there(
    kvm: KvmHypervisor, ctx: HookContext, guest_instance: InstanceSpec
) -> None:
    counts(kvm, ctx, having(guest_instance, usb_mouse="tablet", usb_devices="keyboard,mouse",
                            soundhw="hda,ac97"))
    mice = asked(ctx, guest_instance.name, "query-mice")
    assert {mouse["name"] for mouse in mice} >= {"QEMU HID Tablet", "QEMU HID Mouse"}


def test_a_spice_screen_listens_with_its_password(
    kvm: KvmHypervisor, ctx: HookContext, guest_instance: InstanceSpec, unused_port: int,
    tmp_path: Path,
) -> None:
    (tmp_path / "password").write_text("secret\n")
    instance = replace(having(
        guest_instance, spice_bind="lo", spice_password_file=str(tmp_path / "password"),
        spice_image_compression="auto_lz", spice_streaming_video="filter", serial_console=False,
        soundhw="hda", spice_playback_compression=False), network_port=unused_port)
    kvm.validate(ctx, instance.hvparams)
    kvm.start(ctx, instance, False)
    told = asked(ctx, instance.name, "query-spice")
    assert (told["enabled"], told["auth"], told["port"]) == (True, "spice", unused_port)
    console = kvm.console(ctx, instance, HERE)
    assert (console.kind, console.host, console.port) == ("spice", "127.0.0.1", unused_port)
    with socket.create_connection(("127.0.0.1", unused_port), timeout=20):
        pass


def test_an_encrypted_vnc_screen_offers_nothing_else(
    kvm: KvmHypervisor, ctx: HookContext, guest_instance: InstanceSpec, unused_port: int
) -> None:
    instance = replace(having(guest_instance, vnc_bind_address="127.0.0.1", vnc_tls=True),
                       network_port=unused_port)
    counts(kvm, ctx, instance)
    told = asked(ctx, instance.name, "query-vnc")
    assert told["auth"].startswith("vencrypt")
    with socket.create_connection(("127.0.0.1", unused_port), timeout=20) as client:
        assert client.recv(12) == b"RFB 003.008\n"
        client.sendall(b"RFB 003.008\n")
        assert client.recv(2) == b"\x01\x13"  # one way of security: VeNCrypt


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two processors")
def test_each_virtual_processor_has_its_own_mask(
    kvm: KvmHypervisor, ctx: HookContext, guest_instance: InstanceSpec
) -> None:
    first, second = sorted(os.sched_getaffinity(0))[:2]
    instance = replace(having(guest_instance, cpu_mask=f"{first}:all"),
                       beparams={**guest_instance.beparams, "vcpus": 2})
    counts(kvm, ctx, instance)
    cpus = asked(ctx, instance.name, "query-cpus-fast")
    assert [os.sched_getaffinity(cpu["thread-id"]) for cpu in cpus] == [
        {first}, os.sched_getaffinity(0)]
    wrong = having(instance, cpu_mask=f"{first}:{second}:all")
    kvm.stop(ctx, instance, True, 0.0)
    with pytest.raises(HypervisorError, match=r"cpu_mask has 3 masks, but .* has 2 virtual CPUs"):
        kvm.start(ctx, wrong, False)
    assert kvm.running(ctx) == []


def test_a_guest_without_an_agent_is_stopped_all_the_same(
    kvm: KvmHypervisor, ctx: HookContext, guest_instance: InstanceSpec
) -> None:
    counts(kvm, ctx, having(guest_instance, use_guest_agent=True))
    with Serial(ctx, guest_instance.name) as serial:
        kvm.stop(ctx, guest_instance, False, 20.0)
        serial.drain()
    assert "POWEROFF" in serial.said


def test_an_interface_stands_for_its_address() -> None:
    assert bind.address_of("vnc_bind_address", "lo") == "127.0.0.1"
    assert bind.address_of("vnc_bind_address", "::1") == "::1"
    with pytest.raises(OpPrereqError, match=r"spice_bind='127\.0\.0\.1': is no address of IP v"):
        bind.address_of("spice_bind", "127.0.0.1", 6)
    with pytest.raises(OpPrereqError, match="vnc_bind_address='nosuch0': must be an address or"):
        bind.address_of("vnc_bind_address", "nosuch0")


def test_spice_over_tls_has_the_clusters_certificate(
    ctx: HookContext, guest_instance: InstanceSpec
) -> None:
    params = KvmHypervisor().describe().parameters["properties"]
    filled = {name: schema["default"] for name, schema in params.items()}
    instance = replace(guest_instance, network_port=11000, hvparams={
        **filled, "spice_bind": "127.0.0.1", "spice_use_tls": True, "spice_use_vdagent": False})
    words = screen.screen(guests.guest(ctx, instance.name), instance)
    (option,) = [word for word in words if word.startswith("addr=")]
    folder = ctx.root / "var/lib/ganeti"
    assert "tls-port=11000" in option
    assert ",port=" not in option
    assert f"x509-cacert-file={folder}/spice-ca.pem" in option
    assert f"x509-key-file={folder}/spice.pem" in option
    assert option.endswith("agent-mouse=off")
