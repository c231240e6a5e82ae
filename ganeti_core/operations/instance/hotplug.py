"""Change devices of a running guest: each change's reverse is recorded before it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ganeti_core.errors import ECODE_INVAL, NotSupported
from ganeti_core.operations.disks import close_calls, open_disks
from ganeti_core.operations.specs import spec_of
from ganeti_core.plugin_api.hypervisor import HOTPLUG, HYPERVISORS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ganeti_core.model import Instance, Nic, Node
    from ganeti_core.operations.context import OpContext
    from ganeti_core.plugin_api.data import DiskSpec, InstanceSpec, NicSpec
    from ganeti_core.rpc.calls import Call


def check_hotplug(ctx: OpContext, instance: Instance, *, needed: bool, wanted: bool) -> bool:
    """Whether devices of the running guest are to be changed.

    :raises NotSupported: they must be, and the hypervisor cannot (`ECODE_INVAL`)
    """
    if not needed and not wanted:
        return False
    if HOTPLUG in ctx.host.describe(HYPERVISORS, instance.hypervisor).capabilities:
        return True
    if needed:
        raise NotSupported(f"Hotplug is not supported by the hypervisor {instance.hypervisor}",
                           ECODE_INVAL)
    ctx.warn("Hotplug is not possible: the changes take effect when the instance starts next")
    return False


def plug_in(
    ctx: OpContext, instance: Instance, node: Node, disks: Sequence[DiskSpec], nics: Sequence[Nic]
) -> None:
    """Open the disks and give them and the cards to the guest."""
    if disks:
        ctx.saga.record_all([(where.uuid, call, note) for where, call, note
                             in close_calls(ctx, node, instance.uuid, disks)])
    spec = spec_of(ctx, ctx.current.instances[instance.uuid])
    for disk in open_disks(ctx, node, instance.uuid, disks):
        ctx.act(node, _call(ctx, spec, "add", disk=disk), _call(ctx, spec, "remove", disk=disk),
                f"unplug disk {disk.index} of {instance.name}")
    for nic in _nic_specs(ctx, instance, nics):
        ctx.act(node, _call(ctx, spec, "add", nic=nic), _call(ctx, spec, "remove", nic=nic),
                f"unplug network card {nic.index} of {instance.name}")


def unplug(
    ctx: OpContext, instance: Instance, node: Node, disks: Sequence[DiskSpec], nics: Sequence[Nic]
) -> None:
    """Take disks and cards from the guest."""
    before = ctx.current.instances[instance.uuid]
    spec = spec_of(ctx, before)
    for disk in open_disks(ctx, node, instance.uuid, disks):
        ctx.act(node, _call(ctx, spec, "remove", disk=disk), _call(ctx, spec, "add", disk=disk),
                f"plug disk {disk.index} of {instance.name} in again")
    for nic in _nic_specs(ctx, before, nics):
        ctx.act(node, _call(ctx, spec, "remove", nic=nic), _call(ctx, spec, "add", nic=nic),
                f"plug network card {nic.index} of {instance.name} in again")


def _call(
    ctx: OpContext, spec: InstanceSpec, action: str, *, disk: DiskSpec | None = None,
    nic: NicSpec | None = None,
) -> Call:
    return ctx.hook_call(HYPERVISORS, spec.hypervisor, "hotplug", subject=spec.uuid,
                         instance=spec, action=action, disk=disk, nic=nic)


def _nic_specs(ctx: OpContext, instance: Instance, nics: Sequence[Nic]) -> list[NicSpec]:
    wanted = {nic.uuid for nic in nics}
    # Disks as they are in the configuration: only the cards of this description are used.
    known = ctx.current.instances[instance.uuid]
    described = spec_of(ctx, replace(instance, disks=known.disks))
    return [nic for nic in described.nics if nic.uuid in wanted]
