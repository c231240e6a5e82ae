"""``OP_INSTANCE_REINSTALL``: put a system on the disks of a stopped instance again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ganeti_core.config.store import Put
from ganeti_core.errors import ECODE_INVAL, GanetiError, OpExecError, OpPrereqError
from ganeti_core.opcodes.instance import InstanceReinstall
from ganeti_core.operations.base import Operation
from ganeti_core.operations.instance.running import close_on, lock_instance, open_on
from ganeti_core.operations.instance.scripts import instance_scripts
from ganeti_core.operations.instance.stopped import (
    check_has_disks,
    check_os,
    stopped_on,
    texts,
)
from ganeti_core.operations.specs import installing
from ganeti_core.plugin_api.os import OS_DEFINITIONS

if TYPE_CHECKING:
    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.locking import LockRequest
    from ganeti_core.model import Instance, Node
    from ganeti_core.operations.context import OpContext
    from ganeti_core.operations.scripts import Scripts


@dataclass(frozen=True)
class ReinstallPlan:
    """The instance as it will be kept, as it is installed this once, and where."""

    instance: Instance
    installed: Instance
    node: Node


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
        installed = replace(
            instance, osparams=instance.osparams | texts(op.osparams),
            osparams_private=instance.osparams_private | texts(op.osparams_private))
        check_os(ctx, installed, node, op.osparams_secret)
        return ReinstallPlan(instance, installed, node)

    def scripts(self, op: InstanceReinstall, ctx: OpContext, plan: ReinstallPlan) -> Scripts:
        return instance_scripts(ctx, "instance-reinstall", plan.instance, {})

    def run(self, op: InstanceReinstall, ctx: OpContext, plan: ReinstallPlan) -> None:
        instance, node = plan.instance, plan.node
        if op.os_type:
            ctx.feedback(f"Changing OS scripts to '{op.os_type}'...")
        spec = open_on(ctx, plan.installed, node)
        ctx.info("Running instance OS create scripts...")
        name, _, variant = instance.os.partition("+")
        try:
            ctx.hook(node, OS_DEFINITIONS, name, "create", subject=instance.uuid, reinstall=True,
                     variant=variant,
                     instance=installing(spec, ctx.snapshot.cluster, plan.installed,
                                         texts(op.osparams_secret)))
        except GanetiError as exc:
            raise OpExecError(f"Could not install OS for instance {instance.name} on node "
                              f"{node.name}: {exc.args[0] if exc.args else exc}") from exc
        ctx.commit([Put(instance)], forward=close_on(ctx, instance, node))


OPERATIONS = (Reinstall(),)
