"""Memory of nodes: set aside for guests that are about to run, and how much is free."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganeti_core.config.reservations import Resources
from ganeti_core.errors import ECODE_ENVIRON, ECODE_NORES, OpPrereqError
from ganeti_core.query.live import NodeLive, host_facts, running

if TYPE_CHECKING:
    from ganeti_core.model import Instance, Node
    from ganeti_core.operations.context import OpContext
    from ganeti_core.query.live import Question


def reserve_memory(
    ctx: OpContext, instance: Instance, node: Node, wanted: int, doing: str, *,
    least: int | None = None,
) -> int:
    """Set memory aside on a node for a guest that is about to run there, if there is as much.

    Return how much, MiB.

    :param wanted: MiB that the guest will really use
    :param doing: for the message: ``starting``
    :param least: MiB that would do, where it may get less than `wanted`
    :raises OpPrereqError: there is not as much (`ECODE_NORES`), or the node does not answer
    """
    least = wanted if least is None else least
    ctx.services.reservations.hold_resources(
        instance.name, {node.uuid: Resources(memory=wanted)}, ctx.owner)
    free = check_memory(ctx, instance, node, least, doing)
    if free >= wanted:
        return wanted
    ctx.services.reservations.hold_resources(
        instance.name, {node.uuid: Resources(memory=free)}, ctx.owner)
    return free


def check_memory(
    ctx: OpContext, instance: Instance, node: Node, wanted: int, doing: str
) -> int:
    """Check that a node has memory for a guest, and set nothing aside; return what is free, MiB.

    :raises OpPrereqError: it has not (`ECODE_NORES`), or does not answer
    """
    free, held = free_memory(ctx, instance, node)
    if free < wanted:
        beside = f"; {held} MiB more are set aside for other jobs" if held else ""
        raise OpPrereqError(
            f"Not enough memory on node {node.name} for {doing} instance {instance.name}: "
            f"needed {wanted} MiB, available {max(0, free)} MiB{beside}", ECODE_NORES)
    return free


def free_memory(ctx: OpContext, instance: Instance, node: Node) -> tuple[int, int]:
    """Return what an instance may use on a node, and what is set aside there for others, MiB.

    What its guest uses there now is part of the first.

    :raises OpPrereqError: the node does not answer (`ECODE_ENVIRON`)
    """
    # In this order: a guest that starts meanwhile is counted twice, rather than not at all.
    reserved = ctx.services.reservations.reserved_before(ctx.owner)
    hypervisors = {*ctx.current.cluster.enabled_hypervisors, instance.hypervisor}
    guests = _asked(ctx, node, frozenset(map(running, hypervisors))).guests
    host = _asked(ctx, node, frozenset(map(host_facts, hypervisors))).host
    if host is None:
        raise OpPrereqError(f"Node '{node.name}' does not say how much memory it has: no enabled "
                            "hypervisor works there", ECODE_ENVIRON)
    used = {name: guest.memory for name, guest in guests.items()}
    held = reserved.memory(node.uuid, used)
    return host.memory_free + used.get(instance.name, 0) - held, held


def _asked(ctx: OpContext, node: Node, questions: frozenset[Question]) -> NodeLive:
    """Ask now: what the node said a moment ago may have been before another guest began.

    :raises OpPrereqError: the node does not answer (`ECODE_ENVIRON`)
    """
    ctx.services.touched(node.uuid)
    with ctx.waiting.on(f"memory of node {node.name}"):
        answer = ctx.services.live.gather([node], questions)[node.uuid]
    if isinstance(answer, NodeLive):
        return answer
    raise OpPrereqError(str(answer), ECODE_ENVIRON) from answer
