"""Plug disks and NICs into a running guest, and out of it, all or nothing.

Needs a guest that listens, on machine type ``pc``; one that does not keeps its devices.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace

from ganeti_core.plugin_api import DiskSpec, HypervisorError, InstanceSpec, NicSpec

from . import devices, network
from .guests import Guest, Runtime
from .qmp import Qmp, QmpRefused, QmpUnreachable

OBEY_LIMIT = 20.0
"""Seconds that a guest gets to let a device go."""


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


def change(guest: Guest, action: str, device: DiskSpec | NicSpec) -> None:
    """Do `action`, ``add`` or ``remove``, with `device`; twice is harmless.

    :raises HypervisorError: the guest did not obey, its devices are as before; or it does not run
    """
    runtime = guest.load()
    if guest.pid() is None or runtime is None:
        raise HypervisorError(f"{guest.name} does not run on this node")
    present = device.uuid in _uuids(runtime.spec)
    if action not in ("add", "remove"):
        raise HypervisorError(f"hotplug can add and remove, not {action!r}")
    if present == (action == "add"):
        return
    with guest.control() as qmp:
        plug = _Plug(guest, runtime, qmp)
        (_add if action == "add" else _remove)(plug, device)


def _uuids(spec: InstanceSpec) -> set[str]:
    return {disk.uuid for disk in spec.disks} | {nic.uuid for nic in spec.nics}


def _add(plug: _Plug, device: DiskSpec | NicSpec) -> None:
    params = plug.instance.hvparams
    if isinstance(device, DiskSpec) and params["disk_type"] in devices.BUSLESS:
        raise HypervisorError(f"disks of type {params['disk_type']} cannot be plugged in")
    slot = _slot_for(plug.runtime, device)
    with ExitStack() as undo:
        if isinstance(device, DiskSpec):
            _add_disk(plug, device, slot, undo.callback)
        else:
            _add_nic(plug, device, slot, undo.callback)
        spec = _with(plug.instance, device)
        plug.guest.save(replace(
            plug.runtime, spec=spec, slots={**plug.runtime.slots, device.uuid: slot}))
        undo.pop_all()


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
    plug: _Plug, disk: DiskSpec, slot: int, undo: Callable[[Callable[[], None]], object]
) -> None:
    params = plug.instance.hvparams
    plug.qmp.execute("blockdev-add", devices.block_node(disk, params))
    undo(lambda: _try(plug, "blockdev-del", {"node-name": devices.device_id(disk)}))
    plug.qmp.execute("device_add", devices.disk_device(disk, params, slot, None))


def _add_nic(
    plug: _Plug, nic: NicSpec, slot: int, undo: Callable[[Callable[[], None]], object]
) -> None:
    params = plug.instance.hvparams
    device = devices.nic_device(nic, params, slot, None)
    with network.taps(replace(plug.instance, nics=(nic,)), params) as taps:
        plug.qmp.execute("getfd", {"fdname": device["netdev"]}, descriptors=[taps[nic.uuid]])
    undo(lambda: _try(plug, "closefd", {"fdname": device["netdev"]}))
    plug.qmp.execute("netdev_add", {
        "type": "tap", "id": device["netdev"], "fd": device["netdev"]})
    undo(lambda: _try(plug, "netdev_del", {"id": device["netdev"]}))
    plug.qmp.execute("device_add", device)


def _remove(plug: _Plug, device: DiskSpec | NicSpec) -> None:
    name = devices.device_id(device)
    try:
        plug.qmp.execute("device_del", {"id": name})
        plug.qmp.wait_event("DEVICE_DELETED", OBEY_LIMIT, where={"device": name})
    except QmpRefused as exc:
        if exc.error_class != "DeviceNotFound":
            raise
    except QmpUnreachable as exc:
        raise HypervisorError(
            f"{plug.guest.name} did not let go of its {name} in {OBEY_LIMIT:g} s") from exc
    if isinstance(device, DiskSpec):
        plug.qmp.execute("blockdev-del", {"node-name": name})
    else:
        plug.qmp.execute("netdev_del", {"id": f"net-{name}"})
    slots = {uuid: slot for uuid, slot in plug.runtime.slots.items() if uuid != device.uuid}
    plug.guest.save(replace(
        plug.runtime, spec=_without(plug.instance, device), slots=slots))


def _with(spec: InstanceSpec, device: DiskSpec | NicSpec) -> InstanceSpec:
    if isinstance(device, DiskSpec):
        return replace(spec, disks=(*spec.disks, device))
    return replace(spec, nics=(*spec.nics, device))


def _without(spec: InstanceSpec, device: DiskSpec | NicSpec) -> InstanceSpec:
    return replace(
        spec, disks=tuple(disk for disk in spec.disks if disk.uuid != device.uuid),
        nics=tuple(nic for nic in spec.nics if nic.uuid != device.uuid))


def _try(plug: _Plug, command: str, arguments: dict[str, str]) -> None:
    with suppress(QmpRefused, QmpUnreachable):
        plug.qmp.execute(command, arguments)
