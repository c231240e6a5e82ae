"""``OP_INSTANCE_MIGRATE``: move a running guest to another node without stopping it.

The transfer's end is not ours to undo: once the hypervisor has handed the guest over, it runs on
the target. So after a failure or a crash the nodes are *asked* where it runs (`recover`): on the
target means that the move is finished forward, otherwise it is taken back.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ganeti_core.config.store import Put
from ganeti_core.errors import (
    ECODE_INVAL,
    ECODE_STATE,
    GanetiError,
    OpExecError,
    OpPrereqError,
)
from ganeti_core.model.params import filled_beparams
from ganeti_core.opcodes.instance import InstanceFailover, InstanceMigrate
from ganeti_core.operations.base import Operation
from ganeti_core.operations.disks import moved_disks, open_disks
from ganeti_core.operations.instance.failover import Failover, FailoverPlan
from ganeti_core.operations.instance.running import (
    close_on,
    lock_instance,
    primary_of,
    running_on,
)
from ganeti_core.operations.instance.scripts import instance_scripts, moving
from ganeti_core.operations.instance.target import check_target, choose_target
from ganeti_core.operations.scripts import Scripts, texts
from ganeti_core.operations.specs import disks_of, node_ref, spec_of, with_disks
from ganeti_core.plugin_api import codec
from ganeti_core.plugin_api.hypervisor import HYPERVISORS, LIVE_MIGRATION

if TYPE_CHECKING:
    from collections.abc import Callable

    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.locking import LockRequest
    from ganeti_core.model import Instance, Node
    from ganeti_core.operations.context import OpContext
    from ganeti_core.plugin_api.data import InstanceSpec, MigrationTarget
    from ganeti_core.rpc.calls import Call

POLL = 0.1
"""Seconds between two looks at a transfer."""
REPORT = 10.0
"""Seconds between two lines of progress."""


@dataclass(frozen=True)
class MigratePlan:
    """From where to where; `failover` instead when the guest does not run and that is allowed."""

    instance: Instance
    source: Node
    target: Node
    live: bool
    failover: bool = False


class Migrate(Operation[InstanceMigrate, MigratePlan]):
    """Move a running instance."""

    opcode = InstanceMigrate

    def locks(self, op: InstanceMigrate, snapshot: Snapshot) -> LockRequest:
        return lock_instance(op, snapshot, op.instance_name)

    def plan(self, op: InstanceMigrate, ctx: OpContext) -> MigratePlan:
        instance = ctx.snapshot.instance(op.instance_name)
        if op.cleanup:
            raise OpPrereqError(
                "There is nothing to clean up: failed migrations are recovered at once, or as soon "
                "as their node is back", ECODE_INVAL)
        source = primary_of(ctx, instance)
        capabilities = ctx.host.describe(HYPERVISORS, instance.hypervisor).capabilities
        if LIVE_MIGRATION not in capabilities:
            raise OpPrereqError(f"Hypervisor {instance.hypervisor} cannot migrate", ECODE_INVAL)
        runs = running_on(ctx, instance, source) is not None
        always_failover = filled_beparams(ctx.snapshot.cluster, instance)["always_failover"]
        failover = not runs or always_failover
        if failover and not op.allow_failover:
            reason = "always_failover is set" if runs else "it is not running"
            raise OpPrereqError(f"Cannot migrate instance {instance.name}: {reason}, please use "
                                "failover instead", ECODE_STATE)
        target = choose_target(ctx, instance, op.target_node, op.iallocator)
        check_target(ctx, instance, target, starts=True)
        live = op.live if op.live is not None else op.mode != "non-live"
        return MigratePlan(instance, source, target, live, failover)

    def scripts(self, op: InstanceMigrate, ctx: OpContext, plan: MigratePlan) -> Scripts:
        own = {**moving(ctx, plan.instance, plan.target), **texts(
            migrate_live=plan.live, migrate_cleanup=op.cleanup,
            allow_runtime_changes=op.allow_runtime_changes)}
        nodes = [plan.source, plan.target]
        return instance_scripts(ctx, "instance-migrate", plan.instance, own, nodes=(nodes, nodes))

    def run(self, op: InstanceMigrate, ctx: OpContext, plan: MigratePlan) -> None:
        if plan.failover:
            ctx.info("Not running, using failover")
            Failover().run(InstanceFailover(instance_name=plan.instance.name), ctx, FailoverPlan(
                plan.instance, plan.source, plan.target, plan.instance.admin_state == "up"))
            return
        instance, target = plan.instance, plan.target
        ctx.feedback(f"Migrating instance {instance.name}")
        ctx.feedback("* checking disk consistency between source and target")
        spec = _open_on_target(ctx, plan)
        ctx.feedback(f"* preparing {target.name} to accept the instance")
        where: MigrationTarget = _decode_target(ctx.act(
            target, _prepare_call(ctx, spec, target), _finish_call(ctx, spec, on_source=False),
            f"end the receiver of {instance.name}"))
        ctx.feedback(f"* migrating instance to {target.name}")
        ctx.saga.record(plan.source.uuid, _finish_call(ctx, spec, on_source=True),
                        f"keep {instance.name} running")
        ctx.saga.record(plan.source.uuid, _abort_call(ctx, instance),
                        f"stop the transfer of {instance.name}")
        ctx.hook(plan.source, HYPERVISORS, instance.hypervisor, "migrate_out",
                 subject=instance.uuid, instance=spec, target=where, live=plan.live)
        ctx.feedback("* starting memory transfer")
        _await_transfer(ctx, plan)
        ctx.feedback("* memory transfer complete")
        finish(ctx, plan, spec)
        ctx.feedback("* done")

    def recover(self, op: InstanceMigrate, ctx: OpContext) -> bool:
        """Ask where the guest runs; finish the move if it runs on the target."""
        receivers = [e.node for e in ctx.saga.entries if e.note.startswith("end the receiver")]
        instance = ctx.current.find("instance", op.instance_name)
        if not receivers or instance is None or receivers[0] == instance.primary_node:
            return False
        target = ctx.current.nodes[receivers[0]]
        source = ctx.current.nodes[instance.primary_node]
        if not _handed_over(ctx, instance, source, target):
            return False
        plan = MigratePlan(instance, source, target, live=True)
        spec = with_disks(spec_of(ctx, instance), disks_of(ctx, instance))
        finish(ctx, plan, spec)
        return True


def _handed_over(ctx: OpContext, instance: Instance, source: Node, target: Node) -> bool:
    """Whether the guest has left the source for the target.

    Where one end is silent, the answer is the one that can never let it run twice.
    """
    on_target = _asked(lambda: running_on(ctx, instance, target) is not None)
    status = _asked(lambda: ctx.hook(
        source, HYPERVISORS, instance.hypervisor, "migration_status", name=instance.name))
    if status is None:
        return bool(on_target)
    if on_target is None:
        return bool(status.state == "completed")
    # A message says that the transfer was given up while the guest changed sides: then only the
    # target knows. Without one, a receiver may be a moment from running.
    sure = status.state == "completed" and not status.message
    return sure or (on_target and status.state != "active")


def _asked(question: Callable[[], Any]) -> Any | None:
    """The answer, or None from a node that cannot tell."""
    try:
        return question()
    except GanetiError:
        return None


def _open_on_target(ctx: OpContext, plan: MigratePlan) -> InstanceSpec:
    """Open the disks on the target too, not exclusively; closing them there is the undo."""
    instance, target = plan.instance, plan.target
    disks = disks_of(ctx, instance)
    if disks:
        ctx.feedback(f"* opening instance disks on node {target.name} in shared mode")
        ctx.saga.record_all([(node.uuid, call, note)
                             for node, call, note in close_on(ctx, instance, target)])
    opened = open_disks(ctx, target, instance.uuid, disks, exclusive=False)
    return with_disks(spec_of(ctx, instance), opened)


def _prepare_call(ctx: OpContext, spec: InstanceSpec, target: Node) -> Call:
    return ctx.hook_call(HYPERVISORS, spec.hypervisor, "migration_prepare", subject=spec.uuid,
                         instance=spec, node=node_ref(target))


def _finish_call(
    ctx: OpContext, spec: InstanceSpec, *, on_source: bool, success: bool = False
) -> Call:
    return ctx.hook_call(HYPERVISORS, spec.hypervisor, "migration_finish", subject=spec.uuid,
                         instance=spec, source=on_source, success=success)


def _abort_call(ctx: OpContext, instance: Instance) -> Call:
    return ctx.hook_call(HYPERVISORS, instance.hypervisor, "migration_abort",
                         subject=instance.uuid, name=instance.name)


def _decode_target(data: object) -> MigrationTarget:
    decoded: MigrationTarget = codec.decode_result(
        HYPERVISORS.hooks()["migration_prepare"], data)
    return decoded


def _await_transfer(ctx: OpContext, plan: MigratePlan) -> None:
    """Wait until the guest is handed over.

    :raises OpExecError: the transfer failed; the guest runs on the source
    """
    next_report = time.monotonic() + REPORT
    while True:
        status = ctx.hook(plan.source, HYPERVISORS, plan.instance.hypervisor, "migration_status",
                          name=plan.instance.name)
        if status.state == "completed":
            return
        if status.state != "active":
            raise OpExecError(f"Could not migrate instance {plan.instance.name}: "
                              f"{status.message or 'transfer ' + status.state}")
        if time.monotonic() > next_report and status.total_ram:
            ctx.feedback(f"* memory transfer progress: "
                         f"{100 * status.transferred_ram / status.total_ram:.2f} %")
            next_report = time.monotonic() + REPORT
        ctx.check_cancelled()
        time.sleep(POLL)


def finish(ctx: OpContext, plan: MigratePlan, spec: InstanceSpec) -> None:
    """The pivot: the configuration follows the guest; both ends are tidied forward."""
    instance, source, target = plan.instance, plan.source, plan.target
    moved = replace(
        instance, primary_node=target.uuid,
        secondary_nodes=(source.uuid,) if instance.secondary_nodes else ())
    ctx.commit([Put(moved), *moved_disks(ctx, moved)], forward=[
        (target, _finish_call(ctx, spec, on_source=False, success=True),
         f"take over {instance.name}"),
        (source, _finish_call(ctx, spec, on_source=True, success=True),
         f"end the old process of {instance.name}"),
        *close_on(ctx, instance, source)])
    ctx.services.events.tell(
        "instance_moved", name=instance.name, uuid=instance.uuid, source=source.name,
        target=target.name, how="migrate")


OPERATIONS = (Migrate(),)
