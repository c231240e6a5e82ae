"""``OP_INSTANCE_SET_PARAMS``: change an instance's parameters, network cards and disks."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ganeti_core.config.store import Change, Delete, Put
from ganeti_core.errors import (
    ECODE_INVAL,
    ECODE_STATE,
    OpPrereqError,
)
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.locking import LockRequest
from ganeti_core.model.params import filled_beparams
from ganeti_core.opcodes.instance import InstanceSetParams
from ganeti_core.operations.base import Operation
from ganeti_core.operations.communication import card_changes
from ganeti_core.operations.disk_work import (
    close_calls,
    make_clean_disks,
    open_disks,
    remove_calls,
)
from ganeti_core.operations.disks import moved_disks
from ganeti_core.operations.driver_needs import disk_needs, guest_needs
from ganeti_core.operations.instance.convert import (
    Conversion,
    check_conversion_asked,
    fill_new_disks,
    partner_locks,
    plan_conversion,
)
from ganeti_core.operations.instance.device_changes import device_changes
from ganeti_core.operations.instance.hotplug import change_nics, check_hotplug, plug_in, unplug
from ganeti_core.operations.instance.modify_disks import (
    DiskChanges,
    attached_instance,
    make_added,
    plan_disks,
)
from ganeti_core.operations.instance.modify_nics import NicChanges, plan_nics
from ganeti_core.operations.instance.modify_parameters import plan_parameters
from ganeti_core.operations.instance.new_primary import home_locks, with_new_primary
from ganeti_core.operations.instance.nics import check_conflicts
from ganeti_core.operations.instance.running import lock_instance, running_on
from ganeti_core.operations.instance.runtime_memory import (
    check_runtime_memory,
    set_runtime_memory,
)
from ganeti_core.operations.instance.scripts import instance_environment, sizes
from ganeti_core.operations.instance.syncing import wait_for_sync
from ganeti_core.operations.instance_policy import Shape, check_policy_change
from ganeti_core.operations.networking import check_links
from ganeti_core.operations.node_drivers import Need
from ganeti_core.operations.scripts import Scripts, texts
from ganeti_core.operations.specs import disk_spec_of
from ganeti_core.plugin_api.hypervisor import HYPERVISORS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.model import Disk, Instance, Node
    from ganeti_core.operations.context import OpContext
    from ganeti_core.operations.disk_work import Owed
    from ganeti_core.plugin_api.data import DiskSpec

_CHANGES = ("nics", "disks", "runtime_mem", "disk_template", "pnode",
            "beparams", "hvparams", "os_name", "osparams", "osparams_private")


@dataclass(frozen=True)
class ModifyPlan:
    """The instance as it will be, and what happens to its devices.

    :param nodes: its primary node, then its secondaries
    :param plugs: devices of the running guest are changed too
    :param memory: what the running guest has and is to have, MiB; None where that stays
    """

    instance: Instance
    told: tuple[tuple[str, Any], ...]
    disks: DiskChanges
    nics: NicChanges
    nodes: tuple[Node, ...]
    plugs: bool
    memory: tuple[int, int] | None = None
    conversion: Conversion | None = None
    """Of its disks to another template; `disks` says the same as additions and removals."""


class Modify(Operation[InstanceSetParams, ModifyPlan]):
    """Change an instance; return (what, new value) pairs."""

    opcode = InstanceSetParams

    def locks(self, op: InstanceSetParams, snapshot: Snapshot) -> LockRequest:
        wanted = lock_instance(op, snapshot, op.instance_name)
        return LockRequest.of(*wanted.wants, *partner_locks(op, snapshot),
                              *home_locks(op, snapshot))

    def plan(self, op: InstanceSetParams, ctx: OpContext) -> ModifyPlan:
        _check_changes(op)
        instance = ctx.snapshot.instance(op.instance_name)
        nodes = tuple(ctx.snapshot.nodes[uuid]
                      for uuid in (instance.primary_node, *instance.secondary_nodes))
        primary = nodes[0]
        conversion = plan_conversion(op, ctx, instance)
        disks = (plan_disks(ctx, instance, nodes, device_changes(op.disks, "disk"))
                 if conversion is None else _replaced(ctx, instance, conversion))
        nics = plan_nics(ctx, instance, primary, [
            *device_changes(op.nics, "NIC"),
            *card_changes(ctx, instance, op.instance_communication)])
        if op.conflicts_check:
            check_conflicts(ctx, [nic for nic in nics.nics if nic not in instance.nics], primary)
        _check_links(op, ctx, instance, nics)
        changed = with_new_primary(op, ctx, plan_parameters(op, ctx, instance, primary))
        after = replace(changed.instance, nics=nics.nics,
                        disks=tuple(disk.uuid for disk in disks.disks))
        if disks.attached:
            after = attached_instance(ctx, after, disks)
            nodes = (primary, *(ctx.snapshot.nodes[uuid] for uuid in after.secondary_nodes))
        if conversion is not None:
            after = replace(after, disk_template=conversion.template,
                            disks_active=conversion.running,
                            secondary_nodes=tuple(node.uuid for node in conversion.nodes[1:]))
        if not op.ignore_ipolicy:
            check_policy_change(ctx, instance, Shape(
                filled_beparams(ctx.snapshot.cluster, after),
                tuple(disk.size for disk in disks.disks), len(nics.nics)))
        plugs = _plugs(op, ctx, instance, primary, disks, nics)
        told = (*disks.told, *nics.told, *changed.told)
        memory = None
        if op.runtime_mem is not None:
            has = check_runtime_memory(ctx, after, primary, op.runtime_mem, force=op.force)
            memory = (has, op.runtime_mem)
            told = (*told, ("runtime_memory", op.runtime_mem))
        return ModifyPlan(after, told, disks, nics, nodes, plugs, memory, conversion)

    def scripts(self, op: InstanceSetParams, ctx: OpContext, plan: ModifyPlan) -> Scripts:
        own = texts(new_disk_template=plan.conversion.template) if plan.conversion else {}
        if op.runtime_mem is not None:
            own |= texts(runtime_memory=op.runtime_mem)
        now = ctx.current.instances[plan.instance.uuid]
        told = (instance_environment(ctx, replace(now, nics=plan.nics.nics))
                | sizes(ctx, plan.instance) | own)
        nodes = (now.primary_node, *now.secondary_nodes)
        return Scripts("instance-modify", "INSTANCE", told, nodes, nodes)

    def needs(self, op: InstanceSetParams, ctx: OpContext, plan: ModifyPlan) -> list[Need]:
        nodes = plan.conversion.nodes if plan.conversion else plan.nodes
        needed = disk_needs(plan.disks.new, nodes)
        if plan.plugs or (plan.conversion and plan.conversion.running):
            needed += guest_needs(ctx, plan.instance, plan.nodes[0])
        elif plan.memory is not None:
            needed.append(Need(plan.nodes[0], HYPERVISORS, plan.instance.hypervisor))
        return needed

    def run(
        self, op: InstanceSetParams, ctx: OpContext, plan: ModifyPlan
    ) -> list[tuple[str, Any]]:
        specs, attached = (
            [disk_spec_of(ctx, disk, plan.disks.disks.index(disk), plan.instance.name)
             for disk in disks] for disks in (plan.disks.added, plan.disks.attached))
        after: list[Owed] = []
        if plan.conversion is not None:
            before = ctx.snapshot.instances[plan.instance.uuid]
            after = fill_new_disks(op, ctx, before, plan.conversion, specs)
        elif plan.plugs:
            make_clean_disks(ctx, plan.nodes, plan.instance.uuid, specs)
        else:
            after = make_added(ctx, plan.instance, plan.nodes, specs, wait=op.wait_for_sync)
            if plan.instance.disks_active:
                open_disks(ctx, plan.nodes, plan.instance.uuid, attached, undo=True)
        if plan.memory is not None:
            set_runtime_memory(ctx, ctx.current.instances[plan.instance.uuid], plan.nodes[0],
                               plan.memory)
        gone, detached = (_former_specs(ctx, plan, disks)
                          for disks in (plan.disks.removed, plan.disks.detached))
        if plan.plugs:
            unplug(ctx, plan.instance, plan.nodes[0], [*gone, *detached], plan.nics.removed)
            change_nics(ctx, plan.instance, plan.nodes[0])
            plug_in(ctx, plan.instance, plan.nodes[0], [*specs, *attached], plan.nics.added)
        forward = [*after, *remove_calls(ctx, plan.nodes, plan.instance.uuid, gone),
                   *close_calls(ctx, plan.nodes, plan.instance.uuid, detached)]
        changes: list[Change] = [
            *(Put(disk) for disk in (*plan.disks.new, *plan.disks.modified)),
            *(Put(replace(disk, instance="")) for disk in plan.disks.detached),
            Put(plan.instance), *(Delete(disk) for disk in plan.disks.removed)]
        if op.pnode:
            changes += moved_disks(ctx, plan.instance)
        result = list(plan.told)
        ctx.commit(changes, result, forward)
        if op.wait_for_sync and plan.plugs:
            wait_for_sync(ctx, plan.instance, specs)
        return result


def _check_changes(op: InstanceSetParams) -> None:
    check_conversion_asked(op)
    if op.offline is None and op.instance_communication is None and not any(
            getattr(op, name) for name in _CHANGES):
        raise OpPrereqError("No changes submitted", ECODE_INVAL)


def _replaced(ctx: OpContext, instance: Instance, conversion: Conversion) -> DiskChanges:
    """A conversion as a change of the list of disks."""
    return DiskChanges(
        conversion.disks, told=(("disk_template", conversion.template),), added=conversion.disks,
        removed=ctx.snapshot.disks_of(instance))


def _check_links(
    op: InstanceSetParams, ctx: OpContext, instance: Instance, nics: NicChanges
) -> None:
    """See that the instance's node has what new and changed cards are attached to.

    :raises OpPrereqError: it lacks some, and the change is not forced
    """
    changed = [nic for nic in nics.nics if nic not in instance.nics]
    try:
        check_links(ctx, instance, changed, ctx.snapshot.nodes[instance.primary_node])
    except OpPrereqError as exc:
        if not op.force:
            raise
        ctx.warn(exc.message)


def _plugs(
    op: InstanceSetParams, ctx: OpContext, instance: Instance, node: Node, disks: DiskChanges,
    nics: NicChanges,
) -> bool:
    """Whether the running guest's devices are changed too.

    :raises OpPrereqError: they should be and cannot, or a disk in use would be removed
    """
    if not op.disks and nics.nics == instance.nics:
        return False
    if node.offline:
        if disks.gone:
            ctx.warn(f"Node {node.name} is offline: disks are closed and removed there when it is"
                     " back")
        return False
    guest = running_on(ctx, instance, node)
    if guest is None:
        return False
    plugs = check_hotplug(ctx, instance, guest, needed=op.hotplug, wanted=op.hotplug_if_possible)
    if disks.gone and not plugs:
        state, way = (("has ended, but not what is left of it", "stop it") if guest.is_over
                      else ("is running", "stop it, or use --hotplug"))
        raise OpPrereqError(f"Instance '{instance.name}' {state}, its disks cannot be removed: "
                            f"{way}", ECODE_STATE)
    return plugs


def _former_specs(ctx: OpContext, plan: ModifyPlan, disks: Iterable[Disk]) -> list[DiskSpec]:
    """Disks that the instance had, as they were."""
    if plan.conversion is not None and plan.conversion.how != "copied":
        return []  # they live on, in another form
    before = ctx.snapshot.instances[plan.instance.uuid].disks
    return [disk_spec_of(ctx, disk, before.index(disk.uuid), plan.instance.name)
            for disk in disks]


OPERATIONS = (Modify(),)
