"""``OP_BACKUP_EXPORT``: an instance's disks and description into the exports of a node.

The export is made beside the older one and takes its place when it is whole: until then giving it
up is the undo. What is free on the disks may be overwritten before, by a helper guest while the
instance's own stands still. A guest that was stopped for it, or snapshots that were taken, have
their undo as elsewhere. The commit is the pivot: exports on other nodes, snapshots and, if that was
asked for, the instance itself are removed after it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ganeti_core.config.store import Delete
from ganeti_core.errors import ECODE_INVAL, ECODE_STATE, GanetiError, OpExecError, OpPrereqError
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.locking import Level, LockRequest, Want
from ganeti_core.model.params import filled_beparams, filled_nicparams, filled_osparams
from ganeti_core.opcodes.backup import BackupExport
from ganeti_core.operations.backup.config_ini import Described, written
from ganeti_core.operations.backup.nodes import export_call, removals, subject_of
from ganeti_core.operations.backup.remove import check_mode
from ganeti_core.operations.backup.zeroing import check_zeroing, zero_free_space
from ganeti_core.operations.base import Operation
from ganeti_core.operations.disk_work import (
    close_calls,
    remove_calls,
    snapshot_disks,
    why_no_snapshots,
)
from ganeti_core.operations.instance.lasting_state import exported_state
from ganeti_core.operations.instance.quieting import quieted
from ganeti_core.operations.instance.running import (
    disk_nodes,
    lock_instance,
    open_on,
    primary_of,
    running_on,
    start_call,
    stop_restartable,
)
from ganeti_core.operations.instance.scripts import instance_scripts
from ganeti_core.operations.os_schema import unshown
from ganeti_core.operations.placement.memory import reserve_memory
from ganeti_core.operations.placement.nodes import unusable
from ganeti_core.operations.scripts import Scripts, texts
from ganeti_core.operations.specs import disks_of, installing
from ganeti_core.plugin_api import codec
from ganeti_core.plugin_api.disk import DISK_TEMPLATES
from ganeti_core.plugin_api.hypervisor import HYPERVISORS
from ganeti_core.plugin_api.os import OS_DEFINITIONS, DiskStream
from ganeti_core.plugin_api.transfer import Offer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.model import Instance, Node
    from ganeti_core.operations.context import OpContext
    from ganeti_core.operations.disk_work import Owed
    from ganeti_core.plugin_api.data import DiskSpec, InstanceSpec


@dataclass(frozen=True)
class ExportPlan:
    """What goes where.

    :param stops: whether the guest runs and is to be stopped
    :param snapshots: whether its disks are copied at once, so that it may run on
    """

    instance: Instance
    source: Node
    target: Node
    stops: bool
    snapshots: bool


class Export(Operation[BackupExport, ExportPlan]):
    """Export an instance to a node of the cluster."""

    opcode = BackupExport

    def locks(self, op: BackupExport, snapshot: Snapshot) -> LockRequest:
        check_mode(op.mode)
        wanted = lock_instance(op, snapshot, op.instance_name)
        target = Want(Level.NODE, _target(op, snapshot).uuid, exclusive=False)
        return LockRequest.of(*wanted.wants, target)

    def plan(self, op: BackupExport, ctx: OpContext) -> ExportPlan:
        instance = ctx.snapshot.instance(op.instance_name)
        source = primary_of(ctx, instance)
        target = _target(op, ctx.snapshot)
        if problem := unusable(replace(target, vm_capable=True)):
            raise OpPrereqError(problem, ECODE_STATE)
        if op.long_sleep and not op.shutdown:
            raise OpPrereqError("The long sleep option only makes sense when the instance can be "
                                "shut down.", ECODE_INVAL)
        check_compression(ctx, op.compress)
        check_zeroing(op, ctx, instance, source)
        runs = running_on(ctx, instance, source) is not None
        if op.remove_instance:
            _check_removal(op, ctx, instance, runs=runs)
        runs_on = runs and bool(instance.disks) and not op.remove_instance
        why_not = why_no_snapshots(ctx, source, disks_of(ctx, instance)) if runs_on else ""
        if why_not:
            _check_sleep(op, why_not)
        if op.zero_free_space and not runs:
            reserve_memory(ctx, instance, source, filled_beparams(
                ctx.snapshot.cluster, instance)["maxmem"], "zeroing the free space of")
        return ExportPlan(instance, source, target, runs and op.shutdown,
                          snapshots=runs_on and not why_not)

    def scripts(self, op: BackupExport, ctx: OpContext, plan: ExportPlan) -> Scripts:
        nodes = (plan.source, plan.target)
        return instance_scripts(
            ctx, "instance-export", plan.instance, texts(
                export_mode=op.mode, export_node=plan.target.name,
                export_do_shutdown=op.shutdown, shutdown_timeout=op.shutdown_timeout,
                remove_instance=op.remove_instance),
            nodes=(nodes, nodes), disks=ctx.snapshot.disks_of(plan.instance))

    def run(self, op: BackupExport, ctx: OpContext, plan: ExportPlan) -> list[Any]:
        instance = plan.instance
        # What an earlier job could not end or remove there would take the new one, once it can.
        ctx.settle_debts(plan.target, frozenset({subject_of(instance.name)}))
        ctx.act(plan.target,
                export_call("begin", subject_of(instance.name), name=instance.name,
                            compression=op.compress),
                export_call("abort", subject_of(instance.name), name=instance.name),
                f"give up the export of {instance.name}")
        if plan.stops:
            ctx.feedback(f"Shutting down instance {instance.name}")
            _stop(op, ctx, plan)
        spec = open_on(ctx, instance, plan.source, undo=not instance.disks_active)
        zero_free_space(op, ctx, instance, plan.source, spec)
        disks = list(spec.disks)
        after: list[Owed] = []
        if plan.snapshots:
            ctx.feedback(f"Creating snapshots of the disks on node {plan.source.name}")
            disks, after = snapshot_disks(
                ctx, plan.source, instance.uuid, disks, f"export-{ctx.job_id}",
                lambda: None if plan.stops else quieted(ctx, instance, plan.source, spec))
            if plan.stops:
                _start(ctx, plan, spec)
        _send(op, ctx, plan, installing(ctx, spec, instance, {}), disks)
        if plan.stops and not plan.snapshots and not op.remove_instance:
            _start(ctx, plan, spec)
        result = [True, [True] * len(disks)]
        if op.remove_instance:
            return _finish_removal(ctx, plan, after, result)
        if not instance.disks_active:
            after += close_calls(ctx, disk_nodes(ctx, instance, plan.source), instance.uuid,
                                 disks_of(ctx, instance))
        ctx.commit([], result, forward=[*after, *_older(ctx, plan)])
        return result


def _target(op: BackupExport, snapshot: Snapshot) -> Node:
    if not isinstance(op.target_node, str) or not op.target_node:
        raise OpPrereqError("Target node must be specified", ECODE_INVAL)
    return snapshot.node(op.target_node)


def check_compression(ctx: OpContext, name: str) -> None:
    """:raises OpPrereqError: the cluster does not allow it (`ECODE_INVAL`)"""
    allowed = ("none", *ctx.snapshot.cluster.compression_tools)
    if name not in allowed:
        raise OpPrereqError(f"Compression tool not allowed, tools allowed are [{', '.join(allowed)}"
                            "]; gnt-cluster modify --compression-tools allows more", ECODE_INVAL)


def _check_removal(op: BackupExport, ctx: OpContext, instance: Instance, *, runs: bool) -> None:
    if not op.shutdown and (runs or instance.admin_state == "up"):
        raise OpPrereqError("Can not remove instance without shutting it down before", ECODE_STATE)
    for uuid in instance.secondary_nodes:
        node = ctx.snapshot.nodes[uuid]
        if node.offline and not op.ignore_remove_failures:
            raise OpPrereqError(
                f"Node '{node.name}', which has copies of the instance's disks, is offline; use "
                "--ignore-remove-failures to remove the instance all the same: its disks are "
                "removed when the node is back", ECODE_STATE)


def _check_sleep(op: BackupExport, why: str) -> None:
    """A guest whose disks cannot be copied at once must be allowed to stand still."""
    if not op.shutdown:
        raise OpPrereqError(f"{why}, and you requested a live export; aborting", ECODE_STATE)
    if not op.long_sleep:
        raise OpPrereqError(
            f"{why}, and you did not allow the instance to remain offline for a longer time through"
            " the --long-sleep option; aborting", ECODE_STATE)


def _stop(op: BackupExport, ctx: OpContext, plan: ExportPlan) -> None:
    try:
        stop_restartable(ctx, plan.instance, plan.source, float(op.shutdown_timeout))
    except GanetiError as exc:
        raise OpExecError(f"Could not shutdown instance {plan.instance.name} on node "
                          f"{plan.source.name}: {exc.message}") from exc


def _start(ctx: OpContext, plan: ExportPlan, spec: InstanceSpec) -> None:
    ctx.feedback(f"Starting instance {plan.instance.name}")
    try:
        ctx.call(plan.source, start_call(ctx, spec))
    except GanetiError as exc:
        raise OpExecError(f"Could not start instance: {exc.message}") from exc


def _send(
    op: BackupExport, ctx: OpContext, plan: ExportPlan, spec: InstanceSpec,
    disks: Sequence[DiskSpec],
) -> None:
    """Send the disks, one after the other, and let the export take the place of the older one."""
    instance = plan.instance
    variables: dict[str, str] = {}
    system, _, variant = instance.os.partition("+")
    if system:
        variables = ctx.hook(plan.source, OS_DEFINITIONS, system, "os_variables", instance=spec,
                             variant=variant)
    sizes: dict[str, int] = {}
    for disk in disks:
        what = f"{'snapshot' if plan.snapshots else 'disk'}/{disk.index}"
        ctx.feedback(f"Exporting {what} from {plan.source.name} to {plan.target.name}")
        offered = ctx.call(plan.target, export_call(
            "receive", subject_of(instance.name), name=instance.name, file=disk.uuid,
            compression=op.compress))
        offer = codec.decode(Offer, offered["offer"])
        try:
            sizes[disk.uuid] = (
                ctx.hook(plan.source, OS_DEFINITIONS, system, "export_disk", subject=instance.uuid,
                         instance=spec, variant=variant, stream=DiskStream(disk, offer))
                if system else
                ctx.hook(plan.source, DISK_TEMPLATES, disk.template, "send_data",
                         subject=instance.uuid, disk=disk, offer=offer))
        except GanetiError as exc:
            ctx.warn(f"{what} failed to send data: {exc.message}")
            raise
        ctx.feedback(f"{what} finished sending data")
    ctx.feedback(f"Finalizing export on {plan.target.name}")
    ctx.call(plan.target, export_call(
        "finish", subject_of(instance.name), name=instance.name, sizes=sizes,
        config=_description(ctx, plan, spec, sizes, variables)))


def _description(
    ctx: OpContext, plan: ExportPlan, spec: InstanceSpec, sizes: dict[str, int],
    variables: dict[str, str],
) -> str:
    instance, cluster = plan.instance, ctx.current.cluster
    properties = ctx.host.describe(HYPERVISORS, instance.hypervisor).parameters.get(
        "properties", {})
    nics = []
    for nic in instance.nics:
        network = ctx.current.networks.get(nic.network) if nic.network else None
        nics.append({"mac": nic.mac, "ip": nic.ip, "name": nic.name,
                     "network": network.name if network else None,
                     **filled_nicparams(cluster, nic)})
    public = filled_osparams(cluster, instance)
    return written(Described(instance, {
        "hypervisor": {name: value for name, value in spec.hvparams.items()
                       if not properties.get(name, {}).get("x-global")},
        "backend": filled_beparams(cluster, instance),
        "os": {name: value for name, value in public.items()
               if name not in unshown(ctx.host, instance.os)},
        "os_private": instance.osparams_private,
        "os_variables": variables,
        **({"hypervisor_state": state} if (state := exported_state(
            ctx, instance, plan.source)) else {}),
    }, nics, [(disk, sizes[disk.uuid]) for disk in ctx.current.disks_of(instance)]))


def _older(ctx: OpContext, plan: ExportPlan) -> list[Owed]:
    """The calls that remove exports of the instance from all other nodes."""
    others = [node for node in ctx.current.nodes.values() if node.uuid != plan.target.uuid]
    found = removals(ctx, plan.instance.name, others)
    if found:
        ctx.feedback(f"Removing old exports for instance {plan.instance.name}")
    return found


def _finish_removal(
    ctx: OpContext, plan: ExportPlan, after: list[Owed], result: list[Any]
) -> list[Any]:
    instance = plan.instance
    ctx.feedback(f"Removing instance {instance.name}")
    where = [ctx.snapshot.nodes[uuid]
             for uuid in (instance.primary_node, *instance.secondary_nodes)]
    changes = [Delete(instance), *(Delete(disk) for disk in ctx.snapshot.disks_of(instance))]
    ctx.commit(changes, result, forward=[
        *after, *remove_calls(ctx, where, instance.uuid, disks_of(ctx, instance)),
        *_older(ctx, plan)])
    if plan.stops:
        ctx.services.events.tell("instance_stopped", name=instance.name, uuid=instance.uuid,
                                 node=plan.source.name)
    ctx.services.events.tell("instance_removed", name=instance.name, uuid=instance.uuid)
    return result


OPERATIONS = (Export(),)
