"""``OP_CLUSTER_VERIFY_DISKS``, ``OP_GROUP_VERIFY_DISKS``, ``OP_CLUSTER_REPAIR_DISK_SIZES``."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ganeti_core.config.store import Put
from ganeti_core.errors import GanetiError
from ganeti_core.locking import ALL, Level, LockRequest, Want
from ganeti_core.model.params import filled_ndparams
from ganeti_core.opcodes.cluster import ClusterRepairDiskSizes, ClusterVerifyDisks
from ganeti_core.opcodes.group import GroupVerifyDisks
from ganeti_core.operations.base import Operation, request
from ganeti_core.operations.cluster.verify_instance import why_not_asked
from ganeti_core.operations.expand import submitted
from ganeti_core.operations.left_behind import ask_copies, asked_where_written, fallen_behind
from ganeti_core.operations.specs import disks_of
from ganeti_core.plugin_api.data import DiskStatus
from ganeti_core.query.live import NODE_FACTS, DiskQuestion

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.model import Disk, Instance, NodeGroup
    from ganeti_core.operations.context import OpContext
    from ganeti_core.plugin_api.data import DiskSpec

    States = Mapping[tuple[str, str], DiskStatus | GanetiError]

Found = tuple[dict[str, str], list[str], dict[str, list[list[str]]]]
"""Nodes that could not be asked and why; instances to activate; disks that are missing."""


class Verify(Operation[ClusterVerifyDisks, tuple[str, ...]]):
    """Expand into one job per node group."""

    opcode = ClusterVerifyDisks

    def plan(self, op: ClusterVerifyDisks, ctx: OpContext) -> tuple[str, ...]:
        if op.group_name:
            return (ctx.snapshot.group(op.group_name).name,)
        return tuple(sorted(group.name for group in ctx.snapshot.groups.values()))

    def run(
        self, op: ClusterVerifyDisks, ctx: OpContext, plan: tuple[str, ...]
    ) -> dict[str, Any]:
        return submitted(ctx, op, [[GroupVerifyDisks(group_name=name)] for name in plan])


class VerifyGroup(Operation[GroupVerifyDisks, "NodeGroup"]):
    """Look whether the disks of a group's instances are there, and open where they should be."""

    opcode = GroupVerifyDisks

    def locks(self, op: GroupVerifyDisks, snapshot: Snapshot) -> LockRequest:
        # A job that works on an instance of another group for hours is not waited for.
        group = snapshot.group(op.group_name)
        return request(op, *(Want(Level.INSTANCE, instance.name, exclusive=False)
                             for instance in _active_in(snapshot, group)))

    def plan(self, op: GroupVerifyDisks, ctx: OpContext) -> NodeGroup:
        return ctx.snapshot.group(op.group_name)

    def run(self, op: GroupVerifyDisks, ctx: OpContext, plan: NodeGroup) -> Found:
        instances = _active_in(ctx.snapshot, plan)
        every = [disk for one in instances for disk in disks_of(ctx, one)]
        states = ask_copies(ctx, _questions(ctx, instances), every)
        fallen_behind(ctx, states, every)
        problems: dict[str, str] = {}
        closed: list[str] = []
        missing: dict[str, list[list[str]]] = {}
        for instance in instances:
            node = ctx.snapshot.nodes[instance.primary_node]
            for disk in disks_of(ctx, instance):
                state = states.get((node.uuid, disk.uuid))
                if state is None:
                    continue
                if unasked := why_not_asked(state):
                    problems[node.name] = unasked
                elif isinstance(state, GanetiError):
                    continue
                elif not state.exists:
                    name = state.path or next(
                        (str(part) for part in reversed(disk.logical_id)), disk.uuid)
                    missing.setdefault(instance.name, []).append([node.name, name])
                elif not state.is_open and instance.name not in closed:
                    closed.append(instance.name)
        problems |= (silent := _silent_with_copies(ctx, every))
        closed += _with_closed_copies(ctx, instances, states, closed, problems, silent)
        return problems, closed, missing


def _silent_with_copies(ctx: OpContext, disks: Iterable[DiskSpec]) -> dict[str, str]:
    """The nodes with copies that nobody writes to there, and do not answer; by name, and why.

    Nobody asks them about a disk whose first node sees nothing wrong.
    """
    holders = {ref.uuid for disk in disks for ref in disk.nodes[1:]}
    nodes = [node for node in ctx.snapshot.nodes.values()
             if node.uuid in holders and not node.offline]
    for node in nodes:
        ctx.services.touched(node.uuid)
    answers = ctx.services.live.gather(nodes, frozenset({NODE_FACTS})) if nodes else {}
    return {node.name: answer.message for node in nodes
            if isinstance(answer := answers.get(node.uuid), GanetiError)}


def _with_closed_copies(
    ctx: OpContext, instances: Sequence[Instance], states: States, known: Collection[str],
    problems: dict[str, str], silent: Collection[str],
) -> list[str]:
    """Name the instances of which a copy does not follow because it is not open on its node.

    So it is on a node that was booted: nothing opens it there by itself.

    :param known: instances that are named already
    :param problems: gets the nodes that do not say how a copy is, and why
    :param silent: names of nodes that are not asked
    """
    questions: list[DiskQuestion] = []
    owners: dict[tuple[str, str], str] = {}
    for instance in instances:
        for disk in disks_of(ctx, instance) if instance.name not in known else ():
            state = states.get((instance.primary_node, disk.uuid))
            if not isinstance(state, DiskStatus) or not state.degraded or (
                    state.sync_percent is not None):
                continue
            for ref in disk.nodes[1:]:
                node = ctx.snapshot.nodes[ref.uuid]
                if not (node.offline or node.name in silent):
                    questions.append(DiskQuestion(node, disk))
                    owners[node.uuid, disk.uuid] = instance.name
    found = ctx.services.live.disk_states(questions) if questions else {}
    problems |= {ctx.snapshot.nodes[node].name: state.message
                 for (node, _), state in found.items() if isinstance(state, GanetiError)}
    return sorted({owners[where] for where, state in found.items()
                   if isinstance(state, DiskStatus) and state.exists and not state.is_open})


def _active_in(snapshot: Snapshot, group: NodeGroup) -> list[Instance]:
    """The instances of a group whose disks should be open, by name."""
    return sorted((instance for instance in snapshot.instances.values() if instance.disks_active
                   and snapshot.nodes[instance.primary_node].group == group.uuid),
                  key=lambda instance: instance.name)


def _questions(ctx: OpContext, instances: Iterable[Instance]) -> list[DiskQuestion]:
    questions = asked_where_written(ctx.current, ctx.host, instances)
    for node in {question.node.uuid for question in questions}:
        ctx.services.touched(node)
    return questions


class RepairSizes(Operation[ClusterRepairDiskSizes, tuple["Instance", ...]]):
    """Correct recorded sizes of disks that are larger or smaller in fact, and their spindles.

    Answers (instance, disk, ``size``, MiB) or (instance, disk, ``spindles``, number) each.
    """

    opcode = ClusterRepairDiskSizes

    def locks(self, op: ClusterRepairDiskSizes, snapshot: Snapshot) -> LockRequest:
        if not op.instances:
            return request(op, Want(Level.INSTANCE, ALL))
        return request(op, *(Want(Level.INSTANCE, snapshot.instance(name).name)
                             for name in op.instances))

    def plan(self, op: ClusterRepairDiskSizes, ctx: OpContext) -> tuple[Instance, ...]:
        named = [ctx.snapshot.instance(name) for name in op.instances]
        every = named or sorted(ctx.snapshot.instances.values(), key=lambda i: i.name)
        return tuple(instance for instance in every if not instance.forthcoming)

    def run(
        self, op: ClusterRepairDiskSizes, ctx: OpContext, plan: tuple[Instance, ...]
    ) -> list[tuple[str, int, str, int]]:
        states = ctx.services.live.disk_states(_questions(ctx, plan))
        changed: list[tuple[str, int, str, int]] = []
        puts: list[Put] = []
        for instance in plan:
            for index, disk in enumerate(ctx.snapshot.disks_of(instance)):
                state = states.get((instance.primary_node, disk.uuid))
                what = f"Disk {index} of instance {instance.name}"
                if isinstance(state, GanetiError) or state is None or why_not_asked(state):
                    ctx.warn(f"{what} could not be asked for its size, ignoring")
                elif not state.exists:
                    ctx.warn(f"{what} is not there, ignoring")
                elif differing := _differing(ctx, disk, state, (what, instance.primary_node)):
                    puts.append(Put(replace(disk, **differing)))
                    changed += [(instance.name, index, *one) for one in differing.items()]
        ctx.commit(puts, changed)
        return changed


def _differing(
    ctx: OpContext, disk: Disk, state: DiskStatus, where: tuple[str, str]
) -> dict[str, Any]:
    """Return what is recorded otherwise of a disk than it is, and log it.

    :param where: the disk for messages, and its node (uuid)
    """
    what, node = where[0], ctx.snapshot.nodes[where[1]]
    found: dict[str, Any] = {"size": state.size} if state.size != disk.size else {}
    exclusive = filled_ndparams(
        ctx.snapshot.cluster, ctx.snapshot.groups.get(node.group), node)["exclusive_storage"]
    if exclusive and state.spindles is None:
        ctx.warn(f"{what} did not return valid spindles information, ignoring")
    elif exclusive and state.spindles is not None and state.spindles != disk.spindles:
        found["spindles"] = state.spindles
    for name, value in found.items():
        ctx.info(f"{what} has mismatched {name}, correcting: recorded {getattr(disk, name)}, "
                 f"actual {value}")
    return found


OPERATIONS = (Verify(), VerifyGroup(), RepairSizes())
