"""``OP_INSTANCE_REINSTALL``: put a system on the disks of a stopped instance again."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ganeti_core.config.store import Put
from ganeti_core.errors import ECODE_INVAL, GanetiError, OpExecError, OpPrereqError
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.model.params import filled_beparams
from ganeti_core.opcodes.instance import InstanceReinstall
from ganeti_core.operations.base import Operation
from ganeti_core.operations.driver_needs import disk_needs, system_needs
from ganeti_core.operations.instance.installation import Limits, check_installation, install
from ganeti_core.operations.instance.running import (
    close_on,
    disk_nodes,
    lock_instance,
    open_on,
)
from ganeti_core.operations.instance.scripts import instance_scripts
from ganeti_core.operations.instance.stopped import check_has_disks, check_os, stopped_on
from ganeti_core.operations.os_schema import check_apart, check_given
from ganeti_core.operations.parameters import os_parameters
from ganeti_core.operations.placement.memory import reserve_memory
from ganeti_core.operations.specs import installing

if TYPE_CHECKING:
    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.locking import LockRequest
    from ganeti_core.model import Instance, Node
    from ganeti_core.operations.context import OpContext
    from ganeti_core.operations.node_drivers import Need
    from ganeti_core.operations.scripts import Scripts


@dataclass(frozen=True)
class ReinstallPlan:
    """The instance as it will be kept, as it is installed this once, where, and whether by a helper
    guest."""

    instance: Instance
    installed: Instance
    node: Node
    helped: bool


class Reinstall(Operation[InstanceReinstall, ReinstallPlan]):
    """Install again; what was on the disks is lost. OS parameters given count this once only."""

    opcode = InstanceReinstall

    def locks(self, op: InstanceReinstall, snapshot: Snapshot) -> LockRequest:
        return lock_instance(op, snapshot, op.instance_name)

    def plan(self, op: InstanceReinstall, ctx: OpContext) -> ReinstallPlan:
        found = ctx.snapshot.instance(op.instance_name)
        check_has_disks(found)
        node = stopped_on(ctx, found, "cannot reinstall")
        instance = replace(found, os=op.os_type or found.os)
        if not instance.os:
            raise OpPrereqError(
                f"Instance '{instance.name}' has no OS, and none was given", ECODE_INVAL)
        check_given(ctx.host, instance.os, op.osparams, op.osparams_private)
        check_apart(op.osparams, op.osparams_private, op.osparams_secret)
        installed = replace(
            instance, osparams=instance.osparams | os_parameters(op.osparams),
            osparams_private=instance.osparams_private | os_parameters(op.osparams_private))
        # A variant that the instance has was checked, or forced, when it was chosen.
        check_os(ctx, installed, node, op.osparams_secret,
                 force_variant=op.force_variant or op.os_type is None)
        helped = check_installation(ctx, installed, node)
        if helped:
            reserve_memory(ctx, instance, node, filled_beparams(
                ctx.snapshot.cluster, instance)["maxmem"], "installing")
        return ReinstallPlan(instance, installed, node, helped)

    def scripts(self, op: InstanceReinstall, ctx: OpContext, plan: ReinstallPlan) -> Scripts:
        return instance_scripts(ctx, "instance-reinstall", plan.instance, {})

    def needs(self, op: InstanceReinstall, ctx: OpContext, plan: ReinstallPlan) -> list[Need]:
        return [*disk_needs(ctx.current.disks_of(plan.instance),
                            disk_nodes(ctx, plan.instance, plan.node)),
                *system_needs(plan.instance, plan.node)]

    def run(self, op: InstanceReinstall, ctx: OpContext, plan: ReinstallPlan) -> None:
        instance, node = plan.instance, plan.node
        if op.os_type:
            ctx.feedback(f"Changing OS scripts to '{op.os_type}'...")
        spec = open_on(ctx, plan.installed, node, undo=not instance.disks_active)
        ctx.info("Running instance OS create scripts...")
        try:
            install(ctx, plan.installed, node, installing(
                ctx, spec, plan.installed, os_parameters(op.osparams_secret)),
                reinstall=True, helped=Limits() if plan.helped else None)
        except GanetiError as exc:
            raise OpExecError(f"Could not install OS for instance {instance.name} on node "
                              f"{node.name}: {exc.message}") from exc
        # Disks that were open before, by activate-disks, stay so.
        ctx.commit([Put(instance)],
                   forward=[] if instance.disks_active else close_on(ctx, instance, node))


OPERATIONS = (Reinstall(),)
