"""Join the halves of a guest again that was handed over before all of its memory was sent.

Until the rest has followed the guest needs both nodes. Where the connection between them is cut it
stands still as soon as it needs what is missing, and both nodes keep what they have.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ganeti_core.errors import GanetiError, OpExecError
from ganeti_core.plugin_api.hypervisor import HYPERVISORS
from ganeti_core.rpc.calls import hook_answer
from ganeti_core.rpc.client import Peer
from ganeti_core.specs.disks import node_ref

if TYPE_CHECKING:
    from ganeti_core.model import Node
    from ganeti_core.operations.instance.migration_ends import Ends
    from ganeti_core.plugin_api.data import MigrationStatus, MigrationTarget


def is_cut(ends: Ends) -> bool:
    """Whether both nodes have a half of the guest, and no connection between them.

    :raises GanetiError: one of them does not say
    """
    if not _status(ends, ends.source).cut:
        return False
    there = _status(ends, ends.target)
    # The target, which only waits, may notice it later, or never.
    return there.cut or (there.state == "completed" and there.guest == "runs")


def mend_if_cut(ends: Ends) -> None:
    """Do so right after a move, whose end may have been cut; a node that is silent says nothing.

    :raises OpExecError: as `mend`
    """
    try:
        if not is_cut(ends):
            return
    except GanetiError:
        return  # what is owed to it says the rest
    mend(ends)


def mend(ends: Ends) -> None:
    """Let the source send the rest over a new connection, and end its half when that is done.

    :raises OpExecError: they cannot be joined now; both nodes keep what they have
    """
    ctx, instance, source, target = ends.ctx, ends.instance, ends.source, ends.target
    ctx.feedback(f"* the connection between {source.name} and {target.name}, which have a half of "
                 f"{instance.name} each, was cut: joining them again")
    try:
        where: MigrationTarget = _call(ends, target, "migration_reopen", node=node_ref(target))
        _call(ends, source, "migration_resume", target=where)
        ctx.services.nodes.call(Peer.of(source), ends.finish_call("source", True))
    except GanetiError as exc:
        raise OpExecError(
            f"The halves of {instance.name} cannot be joined: {exc.message}. {target.name} has the "
            f"guest, {source.name} the rest of its memory; gnt-instance migrate --cleanup tries "
            "again. Whoever ends one of them, or reboots the instance (--type=hard), loses what "
            "the guest has not written to its disks") from exc
    # That it could not be ended before is not owed any more.
    ctx.services.pay_debts(source.uuid, frozenset((instance.uuid, instance.name)))
    ctx.feedback(f"* all memory of {instance.name} is on {target.name}")


def _status(ends: Ends, node: Node) -> MigrationStatus:
    found: MigrationStatus = ends.ctx.hook(
        node, HYPERVISORS, ends.instance.hypervisor, "migration_status", instance=ends.spec)
    return found


def _call(ends: Ends, on: Node, hook: str, /, **arguments: Any) -> Any:
    """Call a hook, although the node may owe the end of its half: that is what this is for."""
    hypervisor = ends.instance.hypervisor
    call = ends.ctx.hook_call(HYPERVISORS, hypervisor, hook, subject=ends.instance.uuid,
                              instance=ends.spec, **arguments)
    return hook_answer(HYPERVISORS, hypervisor, hook,
                       ends.ctx.services.nodes.call(Peer.of(on), call))
