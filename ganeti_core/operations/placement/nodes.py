"""Which nodes can take an instance, and the locks that keep them able to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganeti_core.errors import ECODE_INVAL, ECODE_NORES, ECODE_STATE, OpPrereqError
from ganeti_core.locking import AnyOf, Level, Want

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.model import Node
    from ganeti_core.opcodes.instance import InstanceCreate
    from ganeti_core.operations.context import OpContext


def candidates(op: InstanceCreate, snapshot: Snapshot) -> AnyOf | None:
    """Return the nodes to choose from, if only free ones are wanted; they are held meanwhile."""
    if op.pnode or not op.opportunistic_locking:
        return None
    usable = frozenset(node.uuid for node in snapshot.nodes.values()
                       if node.vm_capable and not node.offline and not node.drained)
    return AnyOf(Level.NODE, usable, count=1, exclusive=False)


def kept(nodes: Iterable[str]) -> list[Want]:
    """Return locks that keep nodes (uuids) from being removed, drained or put into other groups."""
    return [Want(Level.NODE, uuid, exclusive=False) for uuid in dict.fromkeys(nodes)]


def still_usable(ctx: OpContext, chosen: Iterable[Node]) -> tuple[Node, ...]:
    """Return nodes that were chosen before they were locked, as they are now.

    :raises OpPrereqError: one can take no instance any more: another is to be chosen
        (`ECODE_NORES`)
    """
    nodes = []
    for node in chosen:
        now = ctx.current.nodes.get(node.uuid)
        if now is None:
            raise OpPrereqError(f"Node '{node.name}' has been removed", ECODE_NORES)
        if problem := unusable(now):
            raise OpPrereqError(problem, ECODE_NORES)
        nodes.append(now)
    return tuple(nodes)


def unusable(node: Node) -> str:
    """Return why a node can take no instance; empty when it can."""
    if node.offline:
        return f"Can't use offline node '{node.name}'"
    if node.drained:
        return f"Can't use drained node '{node.name}'"
    return "" if node.vm_capable else f"Can't use non-vm_capable node '{node.name}'"


def check_target(target: Node) -> None:
    """Check that a node can take instances at all.

    :raises OpPrereqError: it cannot (`ECODE_STATE`)
    """
    if problem := unusable(target):
        raise OpPrereqError(problem, ECODE_STATE)


def check_apart(nodes: Iterable[Node]) -> None:
    """Check that each copy of the disks lies on a node of its own.

    :raises OpPrereqError: two would lie on one (`ECODE_INVAL`)
    """
    seen: set[str] = set()
    for node in nodes:
        if node.uuid in seen:
            raise OpPrereqError(f"The secondary node cannot be the primary node: {node.name} is "
                                "given twice", ECODE_INVAL)
        seen.add(node.uuid)
