"""``OP_INSTANCE_REPLACE_DISKS``: make the copies of an instance's disks anew, here or elsewhere.

The old copy stays until the new one holds everything, unless it is to be released early or is on a
node that is gone. The pivot is the commit that names the new node; from then on the old copy is
owed to be removed. Before it, going back means to remove the new copy and to follow with the old
one again.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ganeti_core.config.reservations import Resources
from ganeti_core.config.store import Put
from ganeti_core.errors import ECODE_INVAL, ECODE_STATE, GanetiError, OpPrereqError
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.locking import Level, LockRequest, Want
from ganeti_core.opcodes.instance import InstanceReplaceDisks
from ganeti_core.operations.base import Operation, request
from ganeti_core.operations.disk_work import (
    carry_out,
    close_calls,
    make_disks,
    open_disks,
    owed_calls,
    plan_verb,
    remove_calls,
)
from ganeti_core.operations.disks import with_partner
from ganeti_core.operations.driver_needs import disk_needs
from ganeti_core.operations.instance.running import primary_of
from ganeti_core.operations.instance.scripts import instance_scripts
from ganeti_core.operations.instance.syncing import has_copies, wait_for_sync
from ganeti_core.operations.instance_policy import check_move_policy
from ganeti_core.operations.placement.choose import choose_nodes, default_allocator
from ganeti_core.operations.placement.disk_space import reserve_space
from ganeti_core.operations.placement.nodes import check_target, kept, still_usable
from ganeti_core.operations.placement.request import relocate_request
from ganeti_core.operations.scripts import Scripts, texts
from ganeti_core.operations.specs import disk_spec_of
from ganeti_core.plugin_api.disk import DISK_TEMPLATES
from ganeti_core.query.live import DiskQuestion
from ganeti_core.specs.storages import space_needed

if TYPE_CHECKING:
    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.model import Disk, Instance, Node
    from ganeti_core.operations.context import OpContext
    from ganeti_core.operations.disk_work import Owed
    from ganeti_core.operations.node_drivers import Need
    from ganeti_core.plugin_api.data import DiskSpec

_NEW, _AUTO, _ON_PRIMARY = "replace_new_secondary", "replace_auto", "replace_on_primary"


@dataclass(frozen=True)
class ReplacePlan:
    """Whose copies, from which node to which; equal for a copy that is made anew where it was.

    :param disks: those whose copies are replaced, as they are, by their index
    :param on_primary: it is the copies on the primary node that are made anew, and `old` and `new`
        are where they are filled from
    """

    instance: Instance
    primary: Node
    old: Node
    new: Node
    disks: dict[int, Disk]
    on_primary: bool = False

    @property
    def moves(self) -> bool:
        return self.old.uuid != self.new.uuid


class Replace(Operation[InstanceReplaceDisks, ReplacePlan]):
    """Replace copies of an instance's disks."""

    opcode = InstanceReplaceDisks
    of_forthcoming = True

    def locks(self, op: InstanceReplaceDisks, snapshot: Snapshot) -> LockRequest:
        instance = snapshot.instance(op.instance_name)
        wanted = [Want(Level.INSTANCE, instance.name)]
        if op.mode != _NEW or op.remote_node:
            asked = [snapshot.node(op.remote_node).uuid] if op.remote_node else []
            wanted += kept([instance.primary_node, *instance.secondary_nodes, *asked])
        return request(op, *wanted)  # else an allocator chooses first, see `_chosen_node`

    def plan(self, op: InstanceReplaceDisks, ctx: OpContext) -> ReplacePlan:
        instance = ctx.snapshot.instance(op.instance_name)
        if not instance.secondary_nodes or not has_copies(ctx, instance):
            raise OpPrereqError(
                "Can only run replace disks for instances whose disks have copies on another "
                f"node; those of {instance.name} are of the template {instance.disk_template}",
                ECODE_INVAL)
        primary = primary_of(ctx, instance)
        old = ctx.snapshot.nodes[instance.secondary_nodes[0]]
        _check_mode(op, instance)
        new = self._new_node(op, ctx, instance, old)
        disks, on_primary = _chosen(op, ctx, instance, (primary, old))
        plan = ReplacePlan(instance, primary, old, new, disks, on_primary)
        if on_primary:
            _check_renewable(ctx, plan)
        if plan.moves:
            check_move_policy(ctx, instance, new, ignore=op.ignore_ipolicy)
            reserve_space(ctx, instance.name, (new,), space_needed(ctx.on_master, (
                disk_spec_of(ctx, disk, index, instance.name) for index, disk in disks.items())))
        if not instance.forthcoming:
            _check_source(ctx, plan, old if on_primary else primary)
        return plan

    def _new_node(
        self, op: InstanceReplaceDisks, ctx: OpContext, instance: Instance, old: Node
    ) -> Node:
        if op.mode != _NEW:
            if old.offline:
                raise OpPrereqError(
                    f"Node '{old.name}' is offline: replace it by another node (-n or -I)",
                    ECODE_STATE)
            return old
        if op.remote_node is not None:
            new = ctx.snapshot.node(op.remote_node)
        else:
            new = _chosen_node(op, ctx, instance, old)
            ctx.info(f"Selected new secondary for instance '{instance.name}': {new.name}")
        if new.uuid == instance.primary_node:
            raise OpPrereqError("The specified node is the primary node of the instance",
                                ECODE_INVAL)
        if new.uuid == old.uuid:
            raise OpPrereqError("The specified node is already the secondary node of the instance",
                                ECODE_INVAL)
        check_target(new)
        return new

    def scripts(self, op: InstanceReplaceDisks, ctx: OpContext, plan: ReplacePlan) -> Scripts:
        own = texts(mode=op.mode, new_secondary=plan.new.name if plan.moves else "",
                    old_secondary=plan.old.name)
        nodes = [plan.primary, *([plan.new] if plan.moves else [])]
        return instance_scripts(ctx, "mirrors-replace", plan.instance, own, nodes=(nodes, nodes))

    def needs(self, op: InstanceReplaceDisks, ctx: OpContext, plan: ReplacePlan) -> list[Need]:
        return [*disk_needs(plan.disks.values(), [plan.primary]),
                *disk_needs(plan.disks.values(), [plan.new], plan.primary)]

    def run(self, op: InstanceReplaceDisks, ctx: OpContext, plan: ReplacePlan) -> None:
        if not plan.disks:
            ctx.feedback("No disks need replacement")
            ctx.commit([])
            return
        instance = plan.instance
        ctx.feedback(f"Replacing disk(s) {', '.join(map(str, plan.disks))} for instance "
                     f"'{instance.name}'")
        after = {index: with_partner(ctx, disk, plan.old, plan.new)
                 for index, disk in plan.disks.items()}
        if instance.forthcoming:
            ctx.feedback("Instance forthcoming, not touching disks")
            ctx.commit([Put(replace(instance, secondary_nodes=(plan.new.uuid,))),
                        *map(Put, after.values())])
            return
        before = [disk_spec_of(ctx, disk, at, instance.name) for at, disk in plan.disks.items()]
        if plan.on_primary:
            _renew(ctx, plan, before, early=op.early_release)
            return
        specs = [disk_spec_of(ctx, disk, at, instance.name) for at, disk in after.items()]
        _detach(ctx, plan, before)
        ctx.feedback(f"* making the copies on node {plan.new.name}")
        make_disks(ctx, (plan.new,), instance.uuid, specs)
        # Going back, those that were open follow the old copies again.
        open_disks(ctx, (plan.primary, plan.new), instance.uuid, specs,
                   undo=not instance.disks_active)
        # Copies that are closed after the commit are filled before it.
        early = op.early_release and instance.disks_active
        if not early:
            wait_for_sync(ctx, instance, specs)
        self._commit(ctx, plan, after, before)
        if early:
            wait_for_sync(ctx, ctx.current.instances[instance.uuid])

    def _commit(
        self, ctx: OpContext, plan: ReplacePlan, after: dict[int, Disk], before: list[DiskSpec]
    ) -> None:
        forward: list[Owed] = []
        if plan.moves:
            forward += remove_calls(ctx, (plan.old,), plan.instance.uuid, before)
        if not plan.instance.disks_active:
            specs = [disk_spec_of(ctx, disk, at, plan.instance.name)
                     for at, disk in after.items()]
            forward += close_calls(ctx, (plan.primary, plan.new), plan.instance.uuid, specs)
        moved = replace(plan.instance, secondary_nodes=(plan.new.uuid,))
        ctx.commit([*([Put(moved)] if plan.moves else []),
                    *(Put(disk) for disk in after.values())], forward=forward)


def _chosen_node(
    op: InstanceReplaceDisks, ctx: OpContext, instance: Instance, old: Node
) -> Node:
    """Let an allocator choose, and keep the nodes as they are from then on."""
    allocator = default_allocator(ctx, op.iallocator)
    space = space_needed(ctx.on_master, (
        disk_spec_of(ctx, disk, index, instance.name)
        for index, disk in enumerate(ctx.snapshot.disks_of(instance)))).storages
    # The next job that chooses sees what is set aside.
    with ctx.services.reservations.turn():
        [name, *_] = choose_nodes(ctx, allocator, relocate_request(ctx, instance, [old.name]))
        chosen = ctx.current.node(name)
        ctx.services.reservations.hold_resources(
            instance.name, {chosen.uuid: Resources(disk=space)}, ctx.owner)
    ctx.lock_more(*kept([instance.primary_node, old.uuid, chosen.uuid]))
    (new,) = still_usable(ctx, [chosen])
    return new


def _check_mode(op: InstanceReplaceDisks, instance: Instance) -> None:
    if op.mode == _NEW:
        if op.remote_node is not None and op.iallocator is not None:
            raise OpPrereqError("Give either the iallocator or the new secondary, not both",
                                ECODE_INVAL)
        if op.disks and len(set(op.disks)) != len(instance.disks):
            raise OpPrereqError("All disks go to a new secondary node, not some", ECODE_INVAL)
    elif op.remote_node is not None or op.iallocator is not None:
        raise OpPrereqError("The iallocator and new node options can only be used when changing "
                            "the secondary node", ECODE_INVAL)
    elif op.mode == _AUTO and op.disks:
        raise OpPrereqError("Cannot specify disks with the automatic mode: it finds them",
                            ECODE_INVAL)


def _chosen(
    op: InstanceReplaceDisks, ctx: OpContext, instance: Instance, nodes: tuple[Node, Node]
) -> tuple[dict[int, Disk], bool]:
    """The disks to replace, by index, and whether it is those on the primary node.

    :param nodes: the primary and the secondary one
    """
    have = dict(enumerate(ctx.snapshot.disks_of(instance)))
    if instance.forthcoming and op.mode != _NEW:
        return {}, False  # there are none yet that could be broken
    if op.mode == _AUTO:
        specs = [disk_spec_of(ctx, disk, at, instance.name) for at, disk in have.items()]
        on_primary, on_secondary = (_broken(ctx, node, specs) for node in nodes)
        if on_primary and on_secondary:
            raise OpPrereqError(f"There are broken disks on both nodes of {instance.name}: what "
                                "is left must be saved by hand", ECODE_STATE)
        return {at: have[at] for at in on_primary or on_secondary}, bool(on_primary)
    wrong = [at for at in op.disks if not isinstance(at, int) or at not in have]
    if wrong:
        raise OpPrereqError(f"Invalid disk index {wrong[0]}: {instance.name} has disks 0 to "
                            f"{len(have) - 1}", ECODE_INVAL)
    return {at: disk for at, disk in have.items() if not op.disks or at in op.disks}, (
        op.mode == _ON_PRIMARY)


def _broken(ctx: OpContext, node: Node, disks: list[DiskSpec]) -> list[int]:
    states = ctx.services.live.disk_states([DiskQuestion(node, disk) for disk in disks])
    return [disk.index for disk in disks if _is_broken(states[node.uuid, disk.uuid])]


def _is_broken(status: object) -> bool:
    if isinstance(status, GanetiError):
        raise status
    return not getattr(status, "exists", False) or getattr(status, "local", "") == "faulty"


def _check_source(ctx: OpContext, plan: ReplacePlan, node: Node) -> None:
    """:raises OpPrereqError: the copy that remains is not whole: nothing can be made from it"""
    specs = [disk_spec_of(ctx, disk, at, plan.instance.name) for at, disk in plan.disks.items()]
    states = ctx.services.live.disk_states([DiskQuestion(node, spec) for spec in specs])
    for spec in specs:
        status = states[node.uuid, spec.uuid]
        problem = (str(status) if isinstance(status, GanetiError) else
                   "it is missing" if not status.exists else
                   "" if status.local == "ok" else f"its data are {status.local}")
        if problem:
            raise OpPrereqError(
                f"Please run activate-disks on instance {plan.instance.name} first: disk "
                f"{spec.index} on its node {node.name} cannot be copied: {problem}", ECODE_STATE)


def _check_renewable(ctx: OpContext, plan: ReplacePlan) -> None:
    """:raises OpPrereqError: copies on a primary node cannot be made anew by their template"""
    for template in {disk.template for disk in plan.disks.values()}:
        if "renew" not in ctx.host.offers(DISK_TEMPLATES, template):
            raise OpPrereqError(
                f"The disk template {template} cannot make copies on the primary node anew: fail "
                f"{plan.instance.name} over, then replace those on its secondary node",
                ECODE_INVAL)


def _renew(ctx: OpContext, plan: ReplacePlan, disks: list[DiskSpec], *, early: bool) -> None:
    """Make the copies on the primary node anew, from those on the secondary one.

    What was there is gone at once, so there is no undo: after a failure the same again goes on.
    Whole ones that are closed are opened first: only then can their driver compare them with the
    others, which may lack what was written last.
    """
    instance, pair = plan.instance, (plan.primary, plan.old)
    if not instance.disks_active:
        broken = _broken(ctx, plan.primary, disks)
        whole = [disk for disk in disks if disk.index not in broken]
        open_disks(ctx, pair, instance.uuid, whole, undo=True)
        wait_for_sync(ctx, instance, whole)
    for disk in disks:
        ctx.feedback(f"* making the copy of disk {disk.index} on node {plan.primary.name} anew")
        ctx.hook(plan.primary, DISK_TEMPLATES, disk.template, "renew", subject=instance.uuid,
                 disk=disk.on(plan.primary.uuid))
    open_disks(ctx, pair, instance.uuid, disks)
    if not (early and instance.disks_active):
        wait_for_sync(ctx, instance, disks)
    owed = [] if instance.disks_active else close_calls(ctx, pair, instance.uuid, disks)
    ctx.commit([], forward=owed)
    if early and instance.disks_active:
        wait_for_sync(ctx, instance, disks)


def _detach(ctx: OpContext, plan: ReplacePlan, before: list[DiskSpec]) -> None:
    """Let the old copies go; following with them again is the undo."""
    if plan.old.offline:
        ctx.warn(f"Node {plan.old.name} is offline: what is there is removed when it is back")
        return
    subject, pair = plan.instance.uuid, (plan.primary, plan.old)
    back = [*([] if plan.moves else plan_verb(ctx, "create", before, (plan.old,))),
            *(plan_verb(ctx, "open", before, pair) if plan.instance.disks_active else [])]
    ctx.saga.record_all([(node.uuid, call, note) for node, call, note
                         in reversed(owed_calls(ctx, subject, back))])
    verbs = [plan_verb(ctx, "close", before, (plan.old,))]
    if not plan.moves:
        verbs.append(plan_verb(ctx, "remove", before, (plan.old,)))
    for steps in verbs:
        carry_out(ctx, subject, steps, undo=False)


OPERATIONS = (Replace(),)
