"""Plug disks and NICs into a running guest, and out of it, all or nothing.

Needs a guest that listens; one that does not keeps its devices.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from ganeti_core.plugin_api import DiskSpec, HypervisorError, InstanceSpec, NicSpec
from ganeti_core.plugin_api.data import PluggedDevice

from . import block_nodes, devices
from .guests import Guest, Runtime
from .parameters import queues
from .qmp import Qmp, QmpRefused, QmpUnreachable

RELEASE_LIMIT, RELEASE_PAUSE = 5.0, 0.02
"""Seconds for QEMU to let go of what is behind a device that a reset took, and between tries."""
OBEY_LIMIT = 20.0
"""Seconds that a guest gets to let a device go."""
PLUGGING_CONTROLLER = "virtio-scsi-pci"
"""The SCSI controller that takes disks while its guest runs."""
FIRST_SCSI_FDSET = 1000


@dataclass(frozen=True)
class _Plug:
    """One change to one guest."""

    guest: Guest
    runtime: Runtime
    qmp: Qmp

    @property
    def instance(self) -> InstanceSpec:
        """As it runs; its hvparams are those of its start."""
        return self.runtime.spec


def add(guest: Guest, device: DiskSpec | NicSpec) -> PluggedDevice:
    """Plug the device in, unless it is; return it as the guest sees it.

    :raises HypervisorError: the guest does not run, or its devices are as before
    """
    runtime = _runtime(guest)
    if device.uuid not in _uuids(runtime.spec):
        with guest.control() as qmp:
            _add(_Plug(guest, runtime, qmp), device)
        runtime = _runtime(guest)
    elif device.uuid in runtime.leaving:
        with guest.control() as qmp:
            put_back(runtime, qmp)
    slot = runtime.slots.get(device.uuid)
    where = "" if slot is None else f"PCI slot 0x{slot:x}"
    if _is_scsi(runtime.spec, device):
        where = f"SCSI id {device.index}"
    return PluggedDevice(devices.model(device, runtime.spec.hvparams), where)


def remove(guest: Guest, device: DiskSpec | NicSpec) -> None:
    """Plug the device out, if it is in. One that is not known of may be in all the same: whoever
    plugged it in was killed, or got no answer of QEMU's.

    :raises HypervisorError: the guest does not run, or its devices are as before
    """
    runtime = _runtime(guest)
    is_known = device.uuid in _uuids(runtime.spec)
    if not is_known and devices.device_id(device) in runtime.bearing.values():
        return  # that name is borne by the disk that took its place
    with guest.control() as qmp:
        _remove(_Plug(guest, runtime, qmp), device)


def modify(guest: Guest, nic: NicSpec) -> PluggedDevice:
    """Let the card be as `nic` says. The guest notices only what it sees: another MAC, or another
    kind of network.

    :raises HypervisorError: the guest does not run or has no such card, or the card is as before
    """
    runtime = _runtime(guest)
    old = next((card for card in runtime.spec.nics if card.uuid == nic.uuid), None)
    if old is None:
        raise HypervisorError(f"{guest.name} has no network card {nic.uuid}")
    if old.mac == nic.mac and guest.cards.has_tap(old) and guest.cards.has_tap(nic):
        guest.cards.move(runtime.spec, old, nic)
        cards = tuple(nic if card is old else card for card in runtime.spec.nics)
        guest.save(replace(runtime, spec=replace(runtime.spec, nics=cards)))
        return add(guest, nic)
    remove(guest, old)
    try:
        return add(guest, nic)
    except HypervisorError:
        add(guest, old)
        raise


def lost(runtime: Runtime, qmp: Qmp) -> list[DiskSpec | NicSpec]:
    """The devices that a reset took from the guest, which had been asked to let them go."""
    if not runtime.leaving:
        return []
    there = {one["name"] for one in qmp.execute("qom-list", {"path": "/machine/peripheral"})}
    known: tuple[DiskSpec | NicSpec, ...] = (*runtime.spec.disks, *runtime.spec.nics)
    return [one for one in known
            if one.uuid in runtime.leaving and _name(runtime, one) not in there]


def put_back(runtime: Runtime, qmp: Qmp) -> None:
    """Give the guest again what a reset took from it; what is behind it QEMU still has.

    :raises HypervisorError: a device is still lacking
    """
    params = runtime.spec.hvparams
    for device in lost(runtime, qmp):
        slot, order = runtime.slots.get(device.uuid), devices.boot_index(device, params)
        options = (
            devices.disk_device(device, params, slot, order) if isinstance(device, DiskSpec)
            else devices.nic_device(device, params, slot or 0, order,
                                    queues(params, runtime.spec.vcpus)))
        _add_again(qmp, {**options, "id": _name(runtime, device)})


def _add_again(qmp: Qmp, options: devices.Options) -> None:
    """Add a device that was there until a moment ago: QEMU lets go of what is behind it a little
    later than of its name.

    :raises QmpRefused: it cannot be added
    """
    deadline = time.monotonic() + RELEASE_LIMIT
    while True:
        try:
            qmp.execute("device_add", options)
        except QmpRefused:
            if time.monotonic() > deadline:
                raise
            time.sleep(RELEASE_PAUSE)
        else:
            return


def _name(runtime: Runtime, device: DiskSpec | NicSpec) -> str:
    return runtime.bearing.get(device.uuid) or devices.device_id(device)


def _runtime(guest: Guest) -> Runtime:
    runtime = guest.load()
    if guest.pid() is None or runtime is None:
        raise HypervisorError(f"{guest.name} does not run on this node")
    return runtime


def _uuids(spec: InstanceSpec) -> set[str]:
    return {disk.uuid for disk in spec.disks} | {nic.uuid for nic in spec.nics}


def _add(plug: _Plug, device: DiskSpec | NicSpec) -> None:
    _check_disk(plug.instance, device)
    devices.check_ids(device, (*plug.instance.disks, *plug.instance.nics))
    slot = None if _is_scsi(plug.instance, device) else _slot_for(plug.runtime, device)
    with ExitStack() as undo:
        if isinstance(device, DiskSpec):
            _add_disk(plug, device, slot, undo.callback)
        else:
            _add_nic(plug, device, slot or 0, undo.callback)
        spec = _with(plug.instance, device)
        slots = plug.runtime.slots if slot is None else {**plug.runtime.slots, device.uuid: slot}
        plug.guest.save(replace(plug.runtime, spec=spec, slots=slots))
        undo.pop_all()


def _is_scsi(instance: InstanceSpec, device: DiskSpec | NicSpec) -> bool:
    return isinstance(device, DiskSpec) and instance.hvparams["disk_type"] == "scsi-hd"


def _check_disk(instance: InstanceSpec, device: DiskSpec | NicSpec) -> None:
    """:raises HypervisorError: what the guest's disks are on takes no further ones"""
    params = instance.hvparams
    if not isinstance(device, DiskSpec) or params["disk_type"] not in devices.BUSLESS:
        return
    controller = params["scsi_controller_type"]
    if params["disk_type"] != "scsi-hd" or controller != PLUGGING_CONTROLLER:
        on = f" on the controller {controller}" if params["disk_type"] == "scsi-hd" else ""
        raise HypervisorError(
            f"disks of type {params['disk_type']}{on} cannot be plugged in; paravirtual ones can, "
            f"and scsi-hd on {PLUGGING_CONTROLLER}")
    if any(disk.index == device.index for disk in instance.disks):
        raise HypervisorError(
            f"the guest still has another disk at number {device.index} of its SCSI bus, as it "
            "was when it was started; restart it first")


def _slot_for(runtime: Runtime, device: DiskSpec | NicSpec) -> int:
    """The slot that a start would give the device, or where that is taken any free one."""
    params, taken = runtime.spec.hvparams, set(runtime.slots.values())
    room = devices.room(params)
    ordered = reversed(room) if isinstance(device, DiskSpec) else iter(room)
    preferred = devices.slot(device, params)
    free = [slot for slot in (preferred, *ordered) if slot in room and slot not in taken]
    if not free:
        raise HypervisorError("the guest has no PCI slot left")
    return free[0]


def _add_disk(
    plug: _Plug, disk: DiskSpec, slot: int | None, undo: Callable[[Callable[[], None]], object]
) -> None:
    params, number = plug.instance.hvparams, _fdset(slot, disk)
    block_nodes.add(plug.qmp, disk, params, number)
    undo(lambda: block_nodes.remove(plug.qmp, disk, params, number))
    plug.qmp.execute("device_add", devices.disk_device(disk, params, slot, None))


def _fdset(slot: int | None, disk: DiskSpec) -> int:
    """The number of the descriptors of a disk that was plugged in: no two disks share one."""
    return FIRST_SCSI_FDSET + disk.index if slot is None else slot


def _add_nic(
    plug: _Plug, nic: NicSpec, slot: int, undo: Callable[[Callable[[], None]], object]
) -> None:
    params = plug.instance.hvparams
    device = devices.nic_device(nic, params, slot, None, queues(params, plug.instance.vcpus))
    cards, name = plug.guest.cards, device["netdev"]
    words: dict[int, str] = {}
    with cards.ends(plug.instance, [nic]) as ends:
        tap = ends[nic.uuid]
        undo(lambda: _try_detach(plug, nic))
        for descriptor in tap.all if tap else ():
            words[descriptor] = f"{name}-{len(words)}"
            plug.qmp.execute("getfd", {"fdname": words[descriptor]}, descriptors=[descriptor])
            undo(partial(_try, plug, "closefd", {"fdname": words[descriptor]}))
    plug.qmp.execute("netdev_add", {"type": "user", "id": name} if tap is None else {
        "type": "tap", "id": name, **tap.options(words)})
    undo(lambda: _try(plug, "netdev_del", {"id": name}))
    plug.qmp.execute("device_add", device)


def _remove(plug: _Plug, device: DiskSpec | NicSpec) -> None:
    name = _name(plug.runtime, device)
    try:
        plug.qmp.execute("device_del", {"id": name})
        plug.qmp.wait_event("DEVICE_DELETED", OBEY_LIMIT, where={"device": name})
    except QmpRefused as exc:
        if exc.error_class != "DeviceNotFound":
            raise
    except QmpUnreachable as exc:
        # QEMU never takes a request back: it is met at the latest when the machine is reset.
        leaving = tuple(dict.fromkeys((*plug.runtime.leaving, device.uuid)))
        plug.guest.save(replace(plug.runtime, leaving=leaving))
        raise HypervisorError(
            f"{plug.guest.name} did not let go of its {name} in {OBEY_LIMIT:g} s: its system does "
            "not support hotplug, or is busy; shut it down to change this. If it reboots by itself "
            "it will lack the device until gnt-instance reboot") from exc
    if isinstance(device, DiskSpec):
        number = (block_nodes.own_fdset(device) if device.uuid in plug.runtime.bearing
                  else _fdset(plug.runtime.slots.get(device.uuid), device))
        if block_nodes.has(plug.qmp, device):
            block_nodes.remove(plug.qmp, device, plug.instance.hvparams, number, must=True)
    else:
        _unless_gone(plug, "netdev_del", f"net-{name}")
        plug.guest.cards.detach(plug.instance, [device])
    slots = {uuid: slot for uuid, slot in plug.runtime.slots.items() if uuid != device.uuid}
    bearing = {uuid: bears for uuid, bears in plug.runtime.bearing.items() if uuid != device.uuid}
    leaving = tuple(uuid for uuid in plug.runtime.leaving if uuid != device.uuid)
    plug.guest.save(replace(plug.runtime, spec=_without(plug.instance, device), slots=slots,
                            bearing=bearing, leaving=leaving))


def _unless_gone(plug: _Plug, command: str, name: str) -> None:
    try:
        plug.qmp.execute(command, {"id": name})
    except QmpRefused as exc:
        if exc.error_class != "DeviceNotFound":
            raise


def _with(spec: InstanceSpec, device: DiskSpec | NicSpec) -> InstanceSpec:
    if isinstance(device, DiskSpec):
        return replace(spec, disks=(*spec.disks, device))
    return replace(spec, nics=(*spec.nics, device))


def _without(spec: InstanceSpec, device: DiskSpec | NicSpec) -> InstanceSpec:
    return replace(
        spec, disks=tuple(disk for disk in spec.disks if disk.uuid != device.uuid),
        nics=tuple(nic for nic in spec.nics if nic.uuid != device.uuid))


def _try_detach(plug: _Plug, nic: NicSpec) -> None:
    with suppress(HypervisorError):  # it will be tried again when the guest has ended
        plug.guest.cards.detach(plug.instance, [nic])


def _try(plug: _Plug, command: str, arguments: dict[str, Any]) -> None:
    with suppress(QmpRefused, QmpUnreachable):
        plug.qmp.execute(command, arguments)
