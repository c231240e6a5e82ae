"""Change devices of a running guest: each change's reverse is recorded before it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganeti_core.errors import ECODE_INVAL, ECODE_STATE, NotSupported, OpPrereqError
from ganeti_core.operations.disk_work import open_disks
from ganeti_core.operations.instance.running import disk_nodes
from ganeti_core.operations.specs import spec_of
from ganeti_core.plugin_api.hypervisor import HOTPLUG, HYPERVISORS
from ganeti_core.rpc.calls import hook_answer
from ganeti_core.specs.instances import nic_spec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ganeti_core.model import Instance, Nic, Node
    from ganeti_core.operations.context import OpContext
    from ganeti_core.plugin_api.data import (
        DiskSpec,
        InstanceSpec,
        NicSpec,
        PluggedDevice,
        RunningInstance,
    )
    from ganeti_core.rpc.calls import Call


def check_hotplug(
    ctx: OpContext, instance: Instance, guest: RunningInstance, *, needed: bool, wanted: bool
) -> bool:
    """Whether devices of the guest, which is there, are to be changed.

    :raises NotSupported: they must be, and the hypervisor cannot (`ECODE_INVAL`)
    :raises OpPrereqError: they must be, and the guest has ended (`ECODE_STATE`)
    """
    if not needed and not wanted:
        return False
    problem = ""
    if HOTPLUG not in ctx.host.describe(HYPERVISORS, instance.hypervisor).capabilities:
        problem = f"Hotplug is not supported by the hypervisor {instance.hypervisor}"
        if needed:
            raise NotSupported(problem, ECODE_INVAL)
    elif guest.is_over:
        problem = (f"Hotplug is not possible, for the guest of {instance.name} has ended (it is "
                   f"{guest.state})")
        if needed:
            raise OpPrereqError(f"{problem}: start or stop it first", ECODE_STATE)
    if problem:
        ctx.warn(f"{problem}: the changes take effect when the instance starts next")
    return not problem


def plug_in(
    ctx: OpContext, instance: Instance, node: Node, disks: Sequence[DiskSpec], nics: Sequence[Nic]
) -> None:
    """Open the disks and give them and the cards to the guest."""
    spec = spec_of(ctx, ctx.current.instances[instance.uuid])
    nodes = disk_nodes(ctx, instance, node)
    for disk in open_disks(ctx, nodes, instance.uuid, disks, undo=True):
        _plug(ctx, node, (_call(ctx, spec, "plug_disk", disk=disk),
                          _call(ctx, spec, "unplug_disk", disk=disk)),
              f"disk {disk.index} of {instance.name}",
              f"unplug disk {disk.index} of {instance.name}")
    for nic in _nic_specs(ctx, instance, nics):
        _plug(ctx, node, (_call(ctx, spec, "plug_nic", nic=nic),
                          _call(ctx, spec, "unplug_nic", nic=nic)),
              f"network card {nic.index} of {instance.name}",
              f"unplug network card {nic.index} of {instance.name}")


def change_nics(ctx: OpContext, instance: Instance, node: Node) -> None:
    """Let the guest's cards be as the instance has them now; those that stay, but are changed."""
    before = ctx.current.instances[instance.uuid]
    spec = spec_of(ctx, before)
    kept = {nic.uuid: nic for nic in before.nics}
    were = {nic.uuid: nic for nic in spec.nics}
    changed = [nic for nic in instance.nics if kept.get(nic.uuid, nic) != nic]
    for nic in _nic_specs(ctx, instance, changed):
        _plug(ctx, node, (_call(ctx, spec, "modify_nic", nic=nic),
                          _call(ctx, spec, "modify_nic", nic=were[nic.uuid])),
              f"network card {nic.index} of {instance.name}",
              f"change network card {nic.index} of {instance.name} back")


def _plug(ctx: OpContext, node: Node, calls: tuple[Call, Call], what: str, undo: str) -> None:
    """Plug or change a device, by the first call, and say what the guest has got."""
    plug, back = calls
    answer = ctx.act(node, plug, back, undo)
    device: PluggedDevice = hook_answer(
        HYPERVISORS, plug.args["driver"], plug.args["hook"], answer)
    where = f" at {device.address}" if device.address else ""
    ctx.info(f"The guest has {what} as {device.model}{where}")


def unplug(
    ctx: OpContext, instance: Instance, node: Node, disks: Sequence[DiskSpec], nics: Sequence[Nic]
) -> None:
    """Take disks and cards from the guest."""
    before = ctx.current.instances[instance.uuid]
    spec = spec_of(ctx, before)
    for disk in open_disks(ctx, disk_nodes(ctx, before, node), instance.uuid, disks):
        ctx.act(node, _call(ctx, spec, "unplug_disk", disk=disk),
                _call(ctx, spec, "plug_disk", disk=disk),
                f"plug disk {disk.index} of {instance.name} in again")
    for nic in _nic_specs(ctx, before, nics):
        ctx.act(node, _call(ctx, spec, "unplug_nic", nic=nic),
                _call(ctx, spec, "plug_nic", nic=nic),
                f"plug network card {nic.index} of {instance.name} in again")


def _call(ctx: OpContext, spec: InstanceSpec, hook: str, **device: DiskSpec | NicSpec) -> Call:
    return ctx.hook_call(HYPERVISORS, spec.hypervisor, hook, subject=spec.uuid, instance=spec,
                         **device)


def _nic_specs(ctx: OpContext, instance: Instance, nics: Sequence[Nic]) -> list[NicSpec]:
    wanted = {nic.uuid for nic in nics}
    return [nic_spec(ctx.current, ctx.host, nic, index) for index, nic in enumerate(instance.nics)
            if nic.uuid in wanted]
