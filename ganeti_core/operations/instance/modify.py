"""``OP_INSTANCE_SET_PARAMS``: change an instance's parameters, network cards and disks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ganeti_core.config.store import Change, Delete, Put
from ganeti_core.errors import (
    ECODE_ENVIRON,
    ECODE_INVAL,
    ECODE_STATE,
    GanetiError,
    OpExecError,
    OpPrereqError,
    RpcError,
)
from ganeti_core.model.params import filled_beparams
from ganeti_core.opcodes.instance import InstanceSetParams
from ganeti_core.operations.base import Operation
from ganeti_core.operations.disks import close_calls, remove_calls
from ganeti_core.operations.instance.device_changes import device_changes
from ganeti_core.operations.instance.hotplug import check_hotplug, plug_in, unplug
from ganeti_core.operations.instance.modify_disks import DiskChanges, plan_disks
from ganeti_core.operations.instance.modify_nics import NicChanges, plan_nics
from ganeti_core.operations.instance.modify_parameters import plan_parameters
from ganeti_core.operations.instance.nics import check_conflicts
from ganeti_core.operations.instance.policy import Shape, check_policy_change
from ganeti_core.operations.instance.running import lock_instance, running_on
from ganeti_core.operations.instance.scripts import instance_scripts
from ganeti_core.operations.specs import disk_spec_of
from ganeti_core.plugin_api.disk import DISK_TEMPLATES

if TYPE_CHECKING:
    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.locking import LockRequest
    from ganeti_core.model import Instance, Node
    from ganeti_core.operations.context import OpContext
    from ganeti_core.operations.scripts import Scripts
    from ganeti_core.plugin_api.data import DiskSpec
    from ganeti_core.rpc.calls import Call

_NOT_BUILT: dict[str, Any] = {
    "runtime_mem": None, "disk_template": None, "ext_params": {}, "file_driver": None,
    "file_storage_dir": None, "pnode": None, "remote_node": None, "iallocator": None,
    "instance_communication": None,
}
_CHANGES = ("nics", "disks", "beparams", "hvparams", "os_name", "osparams", "osparams_private")


@dataclass(frozen=True)
class ModifyPlan:
    """The instance as it will be, and what happens to its devices.

    :param nodes: its primary node, then its secondaries
    :param plugs: devices of the running guest are changed too
    """

    instance: Instance
    told: tuple[tuple[str, Any], ...]
    disks: DiskChanges
    nics: NicChanges
    nodes: tuple[Node, ...]
    plugs: bool


class Modify(Operation[InstanceSetParams, ModifyPlan]):
    """Change an instance; answers (what, new value) pairs."""

    opcode = InstanceSetParams

    def locks(self, op: InstanceSetParams, snapshot: Snapshot) -> LockRequest:
        return lock_instance(op, snapshot, op.instance_name)

    def plan(self, op: InstanceSetParams, ctx: OpContext) -> ModifyPlan:
        _check_built(op)
        instance = ctx.snapshot.instance(op.instance_name)
        nodes = tuple(ctx.snapshot.nodes[uuid]
                      for uuid in (instance.primary_node, *instance.secondary_nodes))
        primary = nodes[0]
        disks = plan_disks(ctx, instance, nodes, device_changes(op.disks, "disk"))
        nics = plan_nics(ctx, instance, primary, device_changes(op.nics, "NIC"))
        if op.conflicts_check:
            check_conflicts(ctx, [nic for nic in nics.nics if nic not in instance.nics], primary)
        changed = plan_parameters(op, ctx, instance, primary)
        after = replace(changed.instance, nics=nics.nics,
                        disks=tuple(disk.uuid for disk in disks.disks))
        if not op.ignore_ipolicy:
            check_policy_change(ctx, instance, Shape(
                filled_beparams(ctx.snapshot.cluster, after),
                tuple(disk.size for disk in disks.disks), len(nics.nics)))
        plugs = _plugs(op, ctx, instance, primary, disks)
        told = (*disks.told, *nics.told, *changed.told)
        return ModifyPlan(after, told, disks, nics, nodes, plugs)

    def scripts(self, op: InstanceSetParams, ctx: OpContext, plan: ModifyPlan) -> Scripts:
        return instance_scripts(ctx, "instance-modify", plan.instance, {})

    def run(
        self, op: InstanceSetParams, ctx: OpContext, plan: ModifyPlan
    ) -> list[tuple[str, Any]]:
        specs = [disk_spec_of(ctx, disk, plan.disks.disks.index(disk), plan.instance.name)
                 for disk in plan.disks.added]
        _create(ctx, plan, specs)
        gone = _removed_specs(ctx, plan)
        if plan.plugs:
            unplug(ctx, plan.instance, plan.nodes[0], gone, plan.nics.removed)
            plug_in(ctx, plan.instance, plan.nodes[0], specs, plan.nics.added)
        forward: list[tuple[Node, Call, str]] = []
        for node in plan.nodes:
            forward += close_calls(ctx, node, plan.instance.uuid, gone)
            forward += remove_calls(ctx, node, plan.instance.uuid, gone)
        changes: list[Change] = [
            *(Put(disk) for disk in (*plan.disks.added, *plan.disks.modified)),
            Put(plan.instance), *(Delete(disk) for disk in plan.disks.removed)]
        result = list(plan.told)
        ctx.commit(changes, result, forward)
        return result


def _check_built(op: InstanceSetParams) -> None:
    for name, neutral in _NOT_BUILT.items():
        if getattr(op, name) != neutral:
            raise OpPrereqError(f"The parameter '{name}' is not available in this version",
                                ECODE_INVAL)
    if op.offline is None and not any(getattr(op, name) for name in _CHANGES):
        raise OpPrereqError("No changes submitted", ECODE_INVAL)


def _plugs(
    op: InstanceSetParams, ctx: OpContext, instance: Instance, node: Node, disks: DiskChanges
) -> bool:
    """Whether the running guest's devices are changed too.

    :raises OpPrereqError: they should be and cannot, or a disk in use would be removed
    """
    if not (op.disks or op.nics):
        return False
    if node.offline:
        if disks.removed:
            ctx.warn(f"Node {node.name} is offline: disks are removed there when it is back")
        return False
    runs = running_on(ctx, instance, node) is not None
    plugs = runs and check_hotplug(ctx, instance, needed=op.hotplug,
                                   wanted=op.hotplug_if_possible)
    if runs and disks.removed and not plugs:
        raise OpPrereqError(
            f"Instance '{instance.name}' is running, its disks cannot be removed: stop it, or use "
            "--hotplug", ECODE_STATE)
    return plugs


def _create(ctx: OpContext, plan: ModifyPlan, specs: list[DiskSpec]) -> None:
    """Make the new disks on every node; removing them is recorded first."""
    uuid = plan.instance.uuid
    for node in plan.nodes if specs else ():
        ctx.saga.record_all([(where.uuid, call, note) for where, call, note
                             in remove_calls(ctx, node, uuid, specs)])
        for spec in specs:
            try:
                ctx.hook(node, DISK_TEMPLATES, spec.template, "create", subject=uuid, disk=spec)
            except RpcError as exc:
                raise OpPrereqError(
                    f"Node '{node.name}' cannot be asked: {exc}", ECODE_ENVIRON) from exc
            except GanetiError as exc:
                raise OpExecError(
                    f"Can't create block device of disk {spec.index} on node {node.name} for "
                    f"instance {plan.instance.name}: {exc.args[0] if exc.args else exc}") from exc


def _removed_specs(ctx: OpContext, plan: ModifyPlan) -> list[DiskSpec]:
    before = ctx.snapshot.instances[plan.instance.uuid].disks
    return [disk_spec_of(ctx, disk, before.index(disk.uuid), plan.instance.name)
            for disk in plan.disks.removed]


OPERATIONS = (Modify(),)
