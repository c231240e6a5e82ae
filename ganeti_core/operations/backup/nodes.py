"""Where exports lie: asking nodes for them, and removing them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ganeti_core.errors import GanetiError
from ganeti_core.locking import Level, Want
from ganeti_core.rpc.calls import service_call

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ganeti_core.model import Node
    from ganeti_core.operations.context import OpContext
    from ganeti_core.operations.disk_work import Owed
    from ganeti_core.rpc.calls import Call


def export_lock(name: str, *, exclusive: bool) -> Want:
    """The lock of the exports of an instance, which need not exist: that of its name."""
    return Want(Level.INSTANCE, name, exclusive=exclusive)


def export_call(service: str, subject: str, **args: Any) -> Call:
    """A call of one of the services of exports."""
    return service_call(f"export.{service}", args, subject=subject)


def stored_on(ctx: OpContext, nodes: Iterable[Node]) -> dict[str, list[str] | GanetiError]:
    """The names of the exports of each node, by its uuid; why a node does not say."""
    answers = ctx.fan_out([node for node in nodes if not node.offline],
                          lambda _node: service_call("export.list"))
    return {uuid: answer if isinstance(answer, GanetiError) else list(answer["exports"])
            for uuid, answer in answers.items()}


def subject_of(name: str) -> str:
    """What a call that makes, ends or removes an export is about: one that is owed is in the way of
    a new one of this name, whichever instance has it by then, and of nothing else."""
    return f"exports of {name}"


def removals(ctx: OpContext, name: str, nodes: Iterable[Node]) -> list[Owed]:
    """The calls that remove an export wherever one of these nodes has it."""
    found = stored_on(ctx, nodes)
    return [(ctx.current.nodes[uuid], export_call("remove", subject_of(name), name=name),
             f"remove the export of {name}")
            for uuid, names in found.items()
            if not isinstance(names, GanetiError) and name in names]
