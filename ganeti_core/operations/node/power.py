"""``OP_OOB_COMMAND``: switch the power of nodes, or ask how they are, past the nodes themselves."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from ganeti_core.config.store import Edit
from ganeti_core.errors import (
    ECODE_INVAL,
    ECODE_STATE,
    GanetiError,
    JobCanceled,
    OpPrereqError,
)
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.locking import ALL, Level, LockRequest, Want
from ganeti_core.model.names import nice_key
from ganeti_core.model.params import filled_ndparams
from ganeti_core.opcodes.other import OobCommand
from ganeti_core.operations.base import Operation, request
from ganeti_core.rpc.calls import service_call

if TYPE_CHECKING:
    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.model import Node
    from ganeti_core.operations.context import OpContext

NORMAL, NO_DATA, UNAVAILABLE = 0, 2, 3
"""How a value is there, as in answers of queries."""
_NOT_THE_MASTER = ("power-off", "power-cycle")
_POWERED_AFTER = {"power-on": True, "power-off": False}
_HEALTH = ("OK", "WARNING", "CRITICAL", "UNKNOWN")
STEP = 0.2


@dataclass(frozen=True)
class PowerPlan:
    """The nodes, in the order in which they are switched, and the program of each, if it has one.
    """

    nodes: tuple[tuple[Node, str], ...]


class Command(Operation[OobCommand, PowerPlan]):
    """The program runs on the master: the node meant need not answer."""

    opcode = OobCommand

    def locks(self, op: OobCommand, snapshot: Snapshot) -> LockRequest:
        if not op.node_names:
            return request(op, Want(Level.NODE, ALL))
        return request(op, *(Want(Level.NODE, snapshot.node(name).uuid)
                             for name in op.node_names))

    def plan(self, op: OobCommand, ctx: OpContext) -> PowerPlan:
        if op.power_delay < 0 or op.timeout <= 0:
            raise OpPrereqError(
                f"The delay ({op.power_delay:g} s) must not be below 0, and the timeout"
                f" ({op.timeout} s) must be above it", ECODE_INVAL)
        master = ctx.snapshot.master
        nodes = [ctx.snapshot.node(name) for name in op.node_names] or [
            node for node in ctx.snapshot.nodes.values()
            if node.uuid != master.uuid or op.command not in _NOT_THE_MASTER]
        if op.command in _NOT_THE_MASTER and master in nodes:
            raise OpPrereqError(
                f"Operating on the master node {master.name} is not allowed for {op.command}; "
                f"{_by_hand(ctx, op, master)}", ECODE_INVAL)
        for node in nodes:
            if op.command == "power-off" and not node.offline and not op.ignore_status:
                raise OpPrereqError(f"Cannot power off node {node.name} because it is not marked "
                                    "offline", ECODE_STATE)
        nodes = sorted({node.uuid: node for node in nodes}.values(),
                       key=lambda node: nice_key(node.name))
        return PowerPlan(tuple((node, power_program(ctx.snapshot, node)) for node in nodes))

    def run(self, op: OobCommand, ctx: OpContext, plan: PowerPlan) -> list[list[Any]]:
        result = []
        for at, (node, program) in enumerate(plan.nodes):
            status, payload = _on(op, ctx, node, program)
            result.append([[NORMAL, node.name], [status, payload]])
            if status == NORMAL and op.command == "power-on" and at + 1 < len(plan.nodes):
                _pause(ctx, op.power_delay)
        return result


def power_program(snapshot: Snapshot, node: Node) -> str:
    """The program that switches a node's power; empty where there is none."""
    return str(filled_ndparams(
        snapshot.cluster, snapshot.groups.get(node.group), node)["oob_program"])


def _by_hand(ctx: OpContext, op: OobCommand, master: Node) -> str:
    program = power_program(ctx.snapshot, master)
    if not program:
        return "it does not support out-of-band operations"
    return (f"run '{program} {op.command} {master.name}' if you want to operate on the master "
            "regardless")


def _on(op: OobCommand, ctx: OpContext, node: Node, program: str) -> tuple[int, Any]:
    """Do it to one node; how the answer is there, and the answer."""
    if not program:
        return UNAVAILABLE, None
    try:
        payload = ctx.call(ctx.snapshot.master, service_call(
            "node.power", {"program": program, "command": op.command, "node": node.name},
            subject=node.uuid, timeout=float(op.timeout)))
    except JobCanceled:
        raise
    except GanetiError as exc:
        ctx.warn(f"Out-of-band RPC failed on node '{node.name}': {exc}")
        return NO_DATA, None
    if problem := _problem(op.command, payload):
        ctx.warn(f"Payload returned by node '{node.name}' is not valid: {problem}")
        return NO_DATA, None
    if op.command == "health":
        for item, status in payload:
            if status in ("WARNING", "CRITICAL"):
                ctx.warn(f"Item '{item}' on node '{node.name}' has status '{status}'")
    if op.command == "power-status" and payload["powered"] is not node.powered:
        ctx.warn(f"Recorded power state ({node.powered}) of node '{node.name}' does not match "
                 f"actual power state ({payload['powered']})")
    powered = _POWERED_AFTER.get(op.command)
    if powered is not None and powered is not node.powered:
        # At once: it is a fact, whatever becomes of the other nodes.
        ctx.services.store.commit([Edit(node, {"powered": powered})])
        ctx.saga.changed_config = True
    return NORMAL, payload


def _problem(command: str, payload: Any) -> str:
    """What is wrong with what a program said; empty where nothing is."""
    match command, payload:
        case "health", [*items]:
            wrong = [item for item in items if not _is_health(item)]
            return "" if items and not wrong else (
                f"pairs of an item and {' | '.join(_HEALTH)} are expected, not {wrong or items}")
        case "power-status", {"powered": bool()}:
            return ""
        case "health" | "power-status", _:
            return f"command '{command}' is expected to return a " + (
                "list" if command == "health" else "dict with 'powered'") + f", not {payload!r}"
        case _, None:
            return ""
        case _:
            return f"{command} is expected to not return payload but got {payload!r}"


def _is_health(item: Any) -> bool:
    match item:
        case [str(), str(status)]:
            return status in _HEALTH
        case _:
            return False


def _pause(ctx: OpContext, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        ctx.check_cancelled()
        time.sleep(min(left, STEP))


OPERATIONS = (Command(),)
