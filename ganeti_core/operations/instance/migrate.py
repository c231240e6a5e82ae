"""``OP_INSTANCE_MIGRATE``: move a running guest to another node without stopping it.

The guest runs on the target only when the master orders so, which it does as soon as the source has
sent all of it. After a failure, a cancellation or a crash both nodes are *asked* what they have of
the guest (`Ends`): if it can run on the target the move is finished forward, otherwise it is taken
back.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ganeti_core.config.store import Put
from ganeti_core.errors import (
    ECODE_INVAL,
    ECODE_STATE,
    GanetiError,
    HypervisorError,
    OpPrereqError,
)
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.model.params import filled_beparams, filled_hvparams
from ganeti_core.opcodes.instance import InstanceFailover, InstanceMigrate
from ganeti_core.operations.base import Operation
from ganeti_core.operations.disk_work import share_disks
from ganeti_core.operations.disks import moved_disks
from ganeti_core.operations.driver_needs import disk_needs, guest_needs
from ganeti_core.operations.instance.copies import check_copies
from ganeti_core.operations.instance.failover import Failover, FailoverPlan, failover_needs
from ganeti_core.operations.instance.migration_ends import (
    Ends,
    Has,
    Outcome,
    receiver_of,
    where_is,
)
from ganeti_core.operations.instance.migration_mending import is_cut, mend, mend_if_cut
from ganeti_core.operations.instance.migration_transfer import await_transfer, named_failure
from ganeti_core.operations.instance.running import (
    leave,
    open_on,
    primary_of,
    running_on,
)
from ganeti_core.operations.instance.runtime_memory import set_runtime_memory
from ganeti_core.operations.instance.scripts import instance_scripts, moving
from ganeti_core.operations.instance.versions import check_versions
from ganeti_core.operations.placement.move import Move, move_locks, take_target
from ganeti_core.operations.scripts import Scripts, texts
from ganeti_core.operations.specs import disks_of, spec_of, with_disks
from ganeti_core.plugin_api.hypervisor import BALLOON, HYPERVISORS, LIVE_MIGRATION
from ganeti_core.rpc.calls import hook_answer
from ganeti_core.specs.disks import node_ref

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.locking import LockRequest
    from ganeti_core.model import Instance, Node
    from ganeti_core.operations.context import OpContext
    from ganeti_core.operations.node_drivers import Need
    from ganeti_core.plugin_api.data import (
        InstanceSpec,
        MigrationOffer,
        MigrationTarget,
        RunningInstance,
    )
    from ganeti_core.rpc.calls import Call

_HINT = "; let the disks synchronize first"


@dataclass(frozen=True)
class MigratePlan:
    """From where to where; `failover`: why it is a failover instead, or nothing.

    `smaller`: the memory that the guest has, and with which it fits on the target, MiB; None: it
    fits as it is. `cleanup`: nothing is to be moved; what each node has of the guest (by uuid).
    `target` is then another node that has something of it, or the source.
    """

    instance: Instance
    source: Node
    target: Node
    live: bool
    failover: str = ""
    smaller: tuple[int, int] | None = None
    cleanup: Mapping[str, Has] | None = None


def _as_failover(plan: MigratePlan) -> FailoverPlan:
    return FailoverPlan(
        plan.instance, plan.source, plan.target, plan.instance.admin_state == "up")


class Migrate(Operation[InstanceMigrate, MigratePlan]):
    """Move a running instance."""

    opcode = InstanceMigrate
    of_forthcoming = True

    def locks(self, op: InstanceMigrate, snapshot: Snapshot) -> LockRequest:
        return move_locks(op, snapshot)

    def plan(self, op: InstanceMigrate, ctx: OpContext) -> MigratePlan:
        instance = ctx.snapshot.instance(op.instance_name)
        source = primary_of(ctx, instance)
        if instance.forthcoming and not op.cleanup:
            target = take_target(op, ctx, Move(instance, 0, "moving")).node
            return MigratePlan(instance, source, target, live=False,
                               failover=f"Instance {instance.name} is forthcoming")
        about = ctx.host.describe(HYPERVISORS, instance.hypervisor)
        can = LIVE_MIGRATION in about.capabilities
        reason = about.lacking.get(LIVE_MIGRATION)
        cannot = OpPrereqError(f"Hypervisor {instance.hypervisor} cannot migrate"
                               + (f": {reason}" if reason else ""), ECODE_INVAL)
        if op.cleanup:
            if not can:
                raise cannot
            return _plan_cleanup(ctx, instance, source)
        guest = running_on(ctx, instance, source)
        failover = _failover_instead(op, ctx, instance, guest)
        if not can and not failover:
            raise cannot
        move = _move_of(op, ctx, instance, None if failover else guest)
        taken = take_target(op, ctx, move)
        target = taken.node
        check_copies(ctx, instance, target, hint=_HINT)
        if not failover:
            check_versions(
                ctx, instance.hypervisor, source, target,
                running=_offer_of(ctx, instance, source).version, ignore=op.ignore_hvversions)
        smaller = (move.memory, taken.memory) if taken.memory < move.memory else None
        return MigratePlan(
            instance, source, target, _is_live(op, ctx, instance), failover, smaller)

    def scripts(self, op: InstanceMigrate, ctx: OpContext, plan: MigratePlan) -> Scripts:
        own = {**moving(ctx, plan.instance, plan.target), **texts(
            migrate_live=plan.live, migrate_cleanup=op.cleanup,
            allow_runtime_changes=op.allow_runtime_changes)}
        nodes = [plan.source, plan.target] if plan.source is not plan.target else [plan.source]
        return instance_scripts(ctx, "instance-migrate", plan.instance, own, nodes=(nodes, nodes))

    def needs(self, op: InstanceMigrate, ctx: OpContext, plan: MigratePlan) -> list[Need]:
        if plan.cleanup is not None:
            return []
        instance = plan.instance
        if plan.failover:
            return failover_needs(ctx, _as_failover(plan))
        return [*guest_needs(ctx, instance, plan.target, plan.source),
                *disk_needs(ctx.current.disks_of(instance), [plan.target], plan.source)]

    def run(self, op: InstanceMigrate, ctx: OpContext, plan: MigratePlan) -> None:
        if plan.cleanup is not None:
            _clean_up(ctx, plan, plan.cleanup)
        elif plan.failover:
            ctx.info(f"{plan.failover}, using failover")
            Failover().run(
                InstanceFailover(instance_name=plan.instance.name), ctx, _as_failover(plan))
        else:
            _move(ctx, plan)

    def recover(self, op: InstanceMigrate, ctx: OpContext) -> bool:
        """Ask both nodes for the guest; finish the move if it runs, or can run, on the target."""
        receiver = receiver_of(ctx.saga.entries)
        instance = ctx.current.find("instance", op.instance_name)
        if receiver is None or instance is None or receiver == instance.primary_node:
            return False
        ends = _ends(ctx, instance, ctx.current.nodes[instance.primary_node],
                     ctx.current.nodes[receiver])
        outcome = ends.settle()
        if outcome != "stayed":
            _finish(ctx, ends, outcome)
        return outcome != "stayed"

    def resume(self, op: InstanceMigrate, ctx: OpContext) -> None:
        # Only a failover has something to do after its commit: to start the guest.
        Failover().resume(InstanceFailover(instance_name=op.instance_name), ctx)


def _move_of(
    op: InstanceMigrate, ctx: OpContext, instance: Instance, guest: RunningInstance | None
) -> Move:
    """What moves; without `guest` it fails over."""
    beparams = filled_beparams(ctx.snapshot.cluster, instance)
    if guest is None:
        return Move(instance, beparams["maxmem"] if instance.admin_state == "up" else 0,
                    "migrating")
    described = ctx.host.describe(HYPERVISORS, instance.hypervisor)
    if not op.allow_runtime_changes or BALLOON not in described.capabilities:
        return Move(instance, guest.memory, "migrating")
    return Move(instance, guest.memory, "migrating", min(guest.memory, beparams["minmem"]))


def _is_live(op: InstanceMigrate, ctx: OpContext, instance: Instance) -> bool:
    """Whether the guest runs while it is sent; the hypervisor's parameter says it by default.

    :raises OpPrereqError: it is said twice
    """
    if op.live is not None and op.mode is not None:
        raise OpPrereqError(
            "Only one of the 'live' and 'mode' parameters are accepted", ECODE_INVAL)
    if op.live is not None:
        return op.live
    defaults = ctx.host.defaults(HYPERVISORS, instance.hypervisor)
    hvparams = filled_hvparams(defaults, ctx.snapshot.cluster, instance)
    return (op.mode or hvparams.get("migration_mode")) != "non-live"


def _failover_instead(
    op: InstanceMigrate, ctx: OpContext, instance: Instance, guest: RunningInstance | None
) -> str:
    """Why the instance must fail over instead of being migrated; empty if it need not.

    :raises OpPrereqError: it must, and that is not allowed
    """
    if filled_beparams(ctx.snapshot.cluster, instance)["always_failover"]:
        return "Instance is configured to always fail over"
    if guest is not None and not guest.is_over:
        return ""
    if not op.allow_failover:
        raise OpPrereqError(f"Cannot migrate instance {instance.name}: it is not running, please "
                            "use failover instead", ECODE_STATE)
    return "Not running"


def _ends(ctx: OpContext, instance: Instance, source: Node, target: Node) -> Ends:
    spec = with_disks(spec_of(ctx, instance), disks_of(ctx, instance))
    return Ends(ctx, instance, spec, source, target)


def _offer_of(ctx: OpContext, instance: Instance, source: Node) -> MigrationOffer:
    """The guest as it runs.

    :raises OpPrereqError: it cannot be sent as it runs
    """
    spec = with_disks(spec_of(ctx, instance), disks_of(ctx, instance))
    try:
        offer: MigrationOffer = ctx.hook(
            source, HYPERVISORS, instance.hypervisor, "migration_offer", instance=spec)
    except HypervisorError as exc:
        raise OpPrereqError(
            f"Cannot migrate instance {instance.name}: {exc.message}", ECODE_STATE) from exc
    return offer


def _move(ctx: OpContext, plan: MigratePlan) -> None:
    instance, source, target = plan.instance, plan.source, plan.target
    ctx.feedback(f"Migrating instance {instance.name}")
    ctx.feedback("* checking disk consistency between source and target")
    if plan.smaller:
        ctx.feedback(f"* setting instance memory to {plan.smaller[1]}")
        set_runtime_memory(ctx, instance, source, plan.smaller)
    spec = _open_on_target(ctx, plan)
    ends = Ends(ctx, instance, spec, source, target)
    ctx.feedback(f"* preparing {target.name} to accept the instance")
    offer = _offer_of(ctx, instance, source)  # as it is by now
    where: MigrationTarget = hook_answer(
        HYPERVISORS, instance.hypervisor, "migration_prepare", ctx.act(
            target, _prepare_call(ctx, spec, target, offer), ends.finish_call("target", False),
            f"end the receiver of {instance.name}"))
    ctx.feedback(f"* migrating instance to {target.name}")
    ctx.saga.record(source.uuid, ends.abort_call(), f"stop the transfer of {instance.name}")
    with named_failure(instance):
        ctx.hook(source, HYPERVISORS, instance.hypervisor, "migrate_out",
                 subject=instance.uuid, instance=spec, target=where, live=plan.live)
        ctx.feedback("* starting memory transfer")
        await_transfer(ctx, instance, source, target)
        # Nothing is written before the target runs it: the guest stands still.
        ctx.call(target, ends.finish_call("target", True))
    ctx.feedback("* memory transfer complete")
    _finish(ctx, ends, "moved")
    mend_if_cut(ends)
    ctx.feedback("* done")


def _plan_cleanup(ctx: OpContext, instance: Instance, source: Node) -> MigratePlan:
    nodes = [node for node in ctx.snapshot.nodes.values() if node.vm_capable and not node.offline]
    found = where_is(ctx, instance, nodes)
    # The first gets the guest, if it is to move: one that runs it.
    others = sorted(found.keys() - {source.uuid}, key=lambda uuid: found[uuid] != "runs")
    target = ctx.snapshot.nodes[others[0]] if others else source
    return MigratePlan(instance, source, target, live=True, cleanup=found)


def _clean_up(ctx: OpContext, plan: MigratePlan, found: Mapping[str, Has]) -> None:
    """Put in order what a migration has left; each other node that has a part of it is an end."""
    instance, source, has = plan.instance, plan.source, found.get(plan.source.uuid, "none")
    if plan.target is source and has != "sent":
        state = "runs" if has == "runs" else "does not run"
        ctx.feedback(f"There is nothing to clean up: {instance.name} {state} on its primary node "
                     f"{source.name}, and no other node has anything of it")
        return
    for uuid in sorted(found, key=lambda uuid: found[uuid] != "runs"):
        # A half that was sent, and the one that the guest has on its primary node.
        split = _ends(ctx, instance, ctx.snapshot.nodes[uuid], source)
        if uuid != source.uuid and found[uuid] == "sent" and is_cut(split):
            mend(split)
            return
        ends = _ends(ctx, instance, source, ctx.snapshot.nodes[uuid])
        if uuid == source.uuid:
            continue
        ctx.feedback(f"* {ends.target.name} has a part of {instance.name}: {found[uuid]}")
        outcome = ends.settle()
        if outcome != "stayed":
            ctx.feedback(f"* {instance.name} is on {ends.target.name}: updating the configuration")
            _finish(ctx, ends, outcome)
            return
    if plan.target is source:
        ctx.call(source, _ends(ctx, instance, source, source).finish_call("source", False))
    ctx.feedback(f"* {instance.name} is on its primary node {source.name}")
    for debt in ctx.settle():
        ctx.warn(f"{debt.note}: {debt.why}; it is remembered and done as soon as possible")


def _open_on_target(ctx: OpContext, plan: MigratePlan) -> InstanceSpec:
    """Open the disks on the target too, not exclusively; closing them there is the undo."""
    instance, target = plan.instance, plan.target
    disks = disks_of(ctx, instance)
    if disks:
        ctx.feedback(f"* opening instance disks on node {target.name} in shared mode")
    opened = share_disks(ctx, plan.source, target, instance.uuid, disks)
    return with_disks(spec_of(ctx, instance), opened)


def _prepare_call(
    ctx: OpContext, spec: InstanceSpec, target: Node, offer: MigrationOffer
) -> Call:
    return ctx.hook_call(HYPERVISORS, spec.hypervisor, "migration_prepare", subject=spec.uuid,
                         instance=spec, node=node_ref(target), offer=offer)


def _finish(ctx: OpContext, ends: Ends, outcome: Outcome) -> None:
    """The pivot: the configuration follows the guest; both ends are tidied forward."""
    instance, source, target = ends.instance, ends.source, ends.target
    moved = replace(
        instance, primary_node=target.uuid,
        secondary_nodes=(source.uuid,) if instance.secondary_nodes else ())
    owed = [(target, ends.finish_call("target", True), f"let {instance.name} run")]
    ctx.commit([Put(moved), *moved_disks(ctx, moved)], forward=[
        *(owed if outcome == "owed" else ()),
        (source, ends.finish_call("source", True), f"end the old process of {instance.name}"),
        *leave(ctx, instance, source)])
    _end_sharing(ctx, moved, target)
    ctx.services.events.tell(
        "instance_moved", name=instance.name, uuid=instance.uuid, source=source.name,
        target=target.name, how="migrate")


def _end_sharing(ctx: OpContext, moved: Instance, target: Node) -> None:
    """Let only the target write to disks that have copies; the next opening does it as well."""
    if not moved.secondary_nodes:
        return
    try:
        open_on(ctx, moved, target, undo=False)
    except GanetiError as exc:
        ctx.warn(f"The disks of {moved.name} can still be written from two nodes: {exc}; run "
                 f"gnt-instance activate-disks {moved.name}")


OPERATIONS = (Migrate(),)
