"""``OP_INSTANCE_STARTUP``, ``_SHUTDOWN`` and ``_REBOOT``."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ganeti_core.config.store import Put
from ganeti_core.errors import ECODE_STATE, OpPrereqError
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.model.params import fill, filled_beparams, filled_hvparams
from ganeti_core.opcodes.instance import InstanceReboot, InstanceShutdown, InstanceStartup
from ganeti_core.operations.base import Operation
from ganeti_core.operations.driver_needs import disk_needs, guest_needs
from ganeti_core.operations.instance.modify_parameters import check_own_hvparams
from ganeti_core.operations.instance.running import (
    as_asked,
    close_on,
    disk_nodes,
    lock_instance,
    open_on,
    primary_of,
    running_on,
    start_call,
    stop_call,
)
from ganeti_core.operations.instance.scripts import instance_scripts
from ganeti_core.operations.networking import check_links
from ganeti_core.operations.parameters import check_memory_bounds, checked_beparams
from ganeti_core.operations.placement.memory import reserve_memory
from ganeti_core.operations.placement.retry import retry_for_resources
from ganeti_core.operations.scripts import Scripts, texts
from ganeti_core.plugin_api.hypervisor import HYPERVISORS

if TYPE_CHECKING:
    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.locking import LockRequest
    from ganeti_core.model import Instance, Node
    from ganeti_core.operations.context import OpContext
    from ganeti_core.operations.node_drivers import Need


@dataclass(frozen=True)
class PowerPlan:
    """The instance, its primary node, and whether the guest runs there now.

    `is_left`: what is there is only the rest of a guest that was shut down by its user, or has
    crashed. `is_stuck`: it is there, and may be able to go on.
    """

    instance: Instance
    node: Node
    runs: bool
    is_left: bool = False
    is_stuck: bool = False


def _start_needs(ctx: OpContext, plan: PowerPlan) -> list[Need]:
    instance, node = plan.instance, plan.node
    return [*guest_needs(ctx, instance, node), *disk_needs(
        ctx.current.disks_of(instance), disk_nodes(ctx, instance, node))]


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
        check_own_hvparams(ctx, instance.hypervisor, op.hvparams, op.hvparams)
        beparams = {**filled_beparams(ctx.snapshot.cluster, instance),
                    **checked_beparams(op.beparams)}
        check_memory_bounds(beparams)
        node = primary_of(ctx, instance, offline_ok=op.ignore_offline_nodes)
        if node.offline:
            return PowerPlan(instance, node, runs=False)
        guest = running_on(ctx, instance, node)
        is_left = guest is not None and guest.is_over
        runs = guest is not None and not is_left
        if op.hvparams:
            ctx.hook(node, HYPERVISORS, instance.hypervisor, "validate", params=fill(
                filled_hvparams(ctx.host.defaults(HYPERVISORS, instance.hypervisor),
                                ctx.snapshot.cluster, instance), op.hvparams))
        if not runs:
            check_links(ctx, instance, instance.nics, node)
            retry_for_resources(ctx, lambda: reserve_memory(
                ctx, instance, node, beparams["maxmem"], "starting"))
        return PowerPlan(instance, node, runs, is_left,
                         is_stuck=guest is not None and not guest.runs and not is_left)

    def scripts(self, op: InstanceStartup, ctx: OpContext, plan: PowerPlan) -> Scripts:
        return instance_scripts(ctx, "instance-start", plan.instance, texts(force=op.force))

    def needs(self, op: InstanceStartup, ctx: OpContext, plan: PowerPlan) -> list[Need]:
        return [] if plan.runs or plan.node.offline else _start_needs(ctx, plan)

    def run(self, op: InstanceStartup, ctx: OpContext, plan: PowerPlan) -> None:
        instance, node = plan.instance, plan.node
        wanted = instance if op.no_remember else replace(
            instance, admin_state="up", admin_state_source="admin", disks_active=True)
        if node.offline:
            if op.hvparams or op.beparams:
                ctx.warn("Overridden parameters are ignored")
            ctx.warn("Primary node offline, marked instance as started")
            ctx.commit([Put(wanted)])
            return
        # Whatever is remembered: nobody may close the disks of a guest that runs.
        wanted = replace(wanted, disks_active=True)
        if plan.is_left:
            ctx.call(node, stop_call(ctx, instance))
        if plan.is_stuck:
            # Nothing takes this back: a guest that still cannot go on must not be ended.
            ctx.call(node, start_call(ctx, open_on(ctx, instance, node, undo=False)))
        elif not plan.runs:
            opened = open_on(ctx, instance, node, undo=not instance.disks_active)
            spec = as_asked(opened, op.hvparams, checked_beparams(op.beparams))
            ctx.act(node, start_call(ctx, spec, paused=op.startup_paused),
                    stop_call(ctx, instance), f"stop {instance.name}")
        ctx.commit([Put(wanted)])
        ctx.services.events.tell(
            "instance_started", name=instance.name, uuid=instance.uuid, node=node.name)


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
        runs = not node.offline and running_on(
            ctx, instance, node, despite_refusals=True) is not None
        return PowerPlan(instance, node, runs)

    def scripts(self, op: InstanceShutdown, ctx: OpContext, plan: PowerPlan) -> Scripts:
        return instance_scripts(ctx, "instance-stop", plan.instance, texts(timeout=op.timeout))

    def run(self, op: InstanceShutdown, ctx: OpContext, plan: PowerPlan) -> None:
        instance, node = plan.instance, plan.node
        # One that is offline stays so: it must not be started.
        keep = op.no_remember or instance.admin_state == "offline"
        if op.no_remember and op.admin_state_source is not None:
            ctx.warn("Parameter 'admin_state_source' has no effect if used with parameter "
                     "'no_remember'")
        active = instance.disks_active and instance.admin_state == "up"
        wanted = replace(instance, disks_active=active) if keep else replace(
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
        runs = running_on(ctx, instance, node) is not None
        if not runs or op.reboot_type != "soft":
            # It starts anew, with the parameters of now.
            memory = filled_beparams(ctx.snapshot.cluster, instance)["maxmem"]
            retry_for_resources(ctx, lambda: reserve_memory(
                ctx, instance, node, memory, "rebooting"))
        return PowerPlan(instance, node, runs)

    def scripts(self, op: InstanceReboot, ctx: OpContext, plan: PowerPlan) -> Scripts:
        return instance_scripts(ctx, "instance-reboot", plan.instance, texts(
            ignore_secondaries=op.ignore_secondaries, reboot_type=op.reboot_type,
            shutdown_timeout=op.shutdown_timeout))

    def needs(self, op: InstanceReboot, ctx: OpContext, plan: PowerPlan) -> list[Need]:
        return _start_needs(ctx, plan)

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
