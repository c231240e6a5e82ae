"""``OP_INSTANCE_STARTUP``, ``_SHUTDOWN`` and ``_REBOOT``."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ganeti_core.config.store import Put
from ganeti_core.errors import ECODE_NORES, ECODE_STATE, OpPrereqError
from ganeti_core.model.params import filled_beparams
from ganeti_core.opcodes.instance import InstanceReboot, InstanceShutdown, InstanceStartup
from ganeti_core.operations.base import Operation
from ganeti_core.operations.instance.running import (
    as_asked,
    close_on,
    lock_instance,
    open_on,
    primary_of,
    running_on,
    start_call,
    stop_call,
)
from ganeti_core.operations.instance.scripts import instance_scripts
from ganeti_core.operations.parameters import checked_beparams
from ganeti_core.operations.scripts import Scripts, texts
from ganeti_core.plugin_api.hypervisor import HYPERVISORS

if TYPE_CHECKING:
    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.locking import LockRequest
    from ganeti_core.model import Instance, Node
    from ganeti_core.operations.context import OpContext


@dataclass(frozen=True)
class PowerPlan:
    """The instance, its primary node, and whether the guest runs there now."""

    instance: Instance
    node: Node
    runs: bool


class Startup(Operation[InstanceStartup, PowerPlan]):
    """Start an instance on its primary node."""

    opcode = InstanceStartup

    def locks(self, op: InstanceStartup, snapshot: Snapshot) -> LockRequest:
        return lock_instance(op, snapshot, op.instance_name)

    def plan(self, op: InstanceStartup, ctx: OpContext) -> PowerPlan:
        instance = ctx.snapshot.instance(op.instance_name)
        if instance.admin_state == "offline":
            raise OpPrereqError(
                f"Instance {instance.name} is marked to be offline", ECODE_STATE)
        ctx.host.check_parameters(HYPERVISORS, instance.hypervisor, op.hvparams)
        checked_beparams(op.beparams)
        node = primary_of(ctx, instance, offline_ok=op.ignore_offline_nodes)
        if node.offline:
            return PowerPlan(instance, node, runs=False)
        runs = running_on(ctx, instance, node) is not None
        if not runs:
            _check_memory(ctx, instance, node)
        return PowerPlan(instance, node, runs)

    def scripts(self, op: InstanceStartup, ctx: OpContext, plan: PowerPlan) -> Scripts:
        return instance_scripts(ctx, "instance-start", plan.instance, texts(force=op.force))

    def run(self, op: InstanceStartup, ctx: OpContext, plan: PowerPlan) -> None:
        instance, node = plan.instance, plan.node
        wanted = instance if op.no_remember else replace(
            instance, admin_state="up", admin_state_source="admin", disks_active=True)
        if node.offline:
            ctx.warn("Primary node offline, marked instance as started")
            ctx.commit([Put(wanted)])
            return
        if not plan.runs:
            spec = as_asked(open_on(ctx, instance, node), op.hvparams,
                            checked_beparams(op.beparams))
            ctx.act(node, start_call(ctx, spec, paused=op.startup_paused),
                    stop_call(ctx, instance), f"stop {instance.name}")
        ctx.commit([Put(wanted)])
        ctx.services.events.tell(
            "instance_started", name=instance.name, uuid=instance.uuid, node=node.name)


def _check_memory(ctx: OpContext, instance: Instance, node: Node) -> None:
    facts = ctx.hook(node, HYPERVISORS, instance.hypervisor, "host_facts")
    wanted = filled_beparams(ctx.snapshot.cluster, instance)["minmem"]
    if facts.memory_free < wanted:
        raise OpPrereqError(
            f"Not enough memory on node {node.name} for starting instance {instance.name}: "
            f"needed {wanted} MiB, available {facts.memory_free} MiB", ECODE_NORES)


class Shutdown(Operation[InstanceShutdown, PowerPlan]):
    """Stop an instance: gracefully, then by force after the timeout."""

    opcode = InstanceShutdown

    def locks(self, op: InstanceShutdown, snapshot: Snapshot) -> LockRequest:
        return lock_instance(op, snapshot, op.instance_name)

    def plan(self, op: InstanceShutdown, ctx: OpContext) -> PowerPlan:
        instance = ctx.snapshot.instance(op.instance_name)
        if instance.admin_state == "offline" and not op.force:
            raise OpPrereqError(f"Instance {instance.name} is marked to be offline", ECODE_STATE)
        node = primary_of(ctx, instance, offline_ok=op.ignore_offline_nodes)
        runs = not node.offline and running_on(ctx, instance, node) is not None
        return PowerPlan(instance, node, runs)

    def scripts(self, op: InstanceShutdown, ctx: OpContext, plan: PowerPlan) -> Scripts:
        return instance_scripts(ctx, "instance-stop", plan.instance, texts(timeout=op.timeout))

    def run(self, op: InstanceShutdown, ctx: OpContext, plan: PowerPlan) -> None:
        instance, node = plan.instance, plan.node
        wanted = instance if op.no_remember else replace(
            instance, admin_state="down", admin_state_source=op.admin_state_source or "admin",
            disks_active=False)
        if node.offline:
            ctx.warn("Primary node offline, marked instance as stopped")
            ctx.commit([Put(wanted)])
            return
        # The pivot comes first: a stop cannot be taken back, only finished.
        stop = stop_call(ctx, instance, force=op.force, timeout=float(op.timeout))
        ctx.commit([Put(wanted)], forward=[
            (node, stop, f"stop {instance.name}"), *close_on(ctx, instance, node)])
        ctx.services.events.tell(
            "instance_stopped", name=instance.name, uuid=instance.uuid, node=node.name)


class Reboot(Operation[InstanceReboot, PowerPlan]):
    """Reboot: *soft* resets the guest, *hard* and *full* stop and start it."""

    opcode = InstanceReboot

    def locks(self, op: InstanceReboot, snapshot: Snapshot) -> LockRequest:
        return lock_instance(op, snapshot, op.instance_name)

    def plan(self, op: InstanceReboot, ctx: OpContext) -> PowerPlan:
        instance = ctx.snapshot.instance(op.instance_name)
        if instance.admin_state == "offline":
            raise OpPrereqError(f"Instance {instance.name} is marked to be offline", ECODE_STATE)
        node = primary_of(ctx, instance)
        return PowerPlan(instance, node, running_on(ctx, instance, node) is not None)

    def scripts(self, op: InstanceReboot, ctx: OpContext, plan: PowerPlan) -> Scripts:
        return instance_scripts(ctx, "instance-reboot", plan.instance, texts(
            ignore_secondaries=op.ignore_secondaries, reboot_type=op.reboot_type,
            shutdown_timeout=op.shutdown_timeout))

    def run(self, op: InstanceReboot, ctx: OpContext, plan: PowerPlan) -> None:
        instance, node = plan.instance, plan.node
        if plan.runs and op.reboot_type == "soft":
            spec = open_on(ctx, instance, node, undo=False)
            ctx.hook(node, HYPERVISORS, instance.hypervisor, "reboot", subject=instance.uuid,
                     instance=spec)
        else:
            spec = open_on(ctx, instance, node, undo=False)
            start = start_call(ctx, spec)
            ctx.saga.record(node.uuid, start, f"start {instance.name} again")
            if plan.runs:
                ctx.call(node, stop_call(
                    ctx, instance, force=False, timeout=float(op.shutdown_timeout)))
            else:
                ctx.info(f"Instance {instance.name} was already stopped, starting now")
            ctx.call(node, start)
        ctx.commit([Put(replace(instance, admin_state="up", disks_active=True))])


OPERATIONS = (Startup(), Shutdown(), Reboot())
