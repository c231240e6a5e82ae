"""``OP_OS_DIAGNOSE``: which OS definitions the nodes have, and how they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ganeti_core.errors import ECODE_INVAL, GanetiError, OpPrereqError
from ganeti_core.opcodes.other import OsDiagnose
from ganeti_core.operations.base import Operation
from ganeti_core.plugin_api import codec
from ganeti_core.plugin_api.os import OS_DEFINITIONS
from ganeti_core.query.live import NodeLive, os_info
from ganeti_core.rpc.calls import service_call

if TYPE_CHECKING:
    from collections.abc import Callable

    from ganeti_core.operations.context import OpContext
    from ganeti_core.plugin_api.data import OsInfo

_FIELDS = ("name", "valid", "variants", "hidden", "blacklisted", "api_versions", "parameters",
           "node_status", "os_hvp", "osparams", "trusted")


class Diagnose(Operation[OsDiagnose, None]):
    """Ask every node for its OS definitions."""

    opcode = OsDiagnose

    def plan(self, op: OsDiagnose, ctx: OpContext) -> None:
        unknown = [name for name in op.output_fields if name not in _FIELDS]
        if unknown:
            raise OpPrereqError(f"Unknown output fields selected: {','.join(unknown)}", ECODE_INVAL)

    def run(self, op: OsDiagnose, ctx: OpContext, plan: None) -> list[list[Any]]:
        found = diagnose(ctx)
        names = [name for name in sorted(found) if not op.names or name in op.names]
        return [[_value(ctx, name, found[name], field) for field in op.output_fields]
                for name in names]


def diagnose(ctx: OpContext) -> dict[str, dict[str, OsInfo]]:
    """Every OS definition by name, as each node has it by uuid.

    Each node is asked twice: which there are, then all of them in one round trip.
    """
    nodes = [node for node in ctx.snapshot.nodes.values() if node.vm_capable and not node.offline]
    facts = ctx.fan_out(
        nodes, lambda _node: service_call("node.facts", {"settings": codec.encode(ctx.settings)}))
    found: dict[str, dict[str, OsInfo]] = {}
    for node in nodes:
        told = facts[node.uuid]
        if isinstance(told, GanetiError):
            ctx.warn(f"Node {node.name} cannot be asked: {told}")
            continue
        names = told["kinds"].get(OS_DEFINITIONS.name, {})
        live = ctx.services.live.gather([node], frozenset(os_info(name) for name in names))
        answer = live[node.uuid]
        if not isinstance(answer, NodeLive):
            continue
        for name in names:
            info = answer.os_info(name)
            if info is not None:
                found.setdefault(name, {})[node.uuid] = info
    return found


def _value(ctx: OpContext, name: str, nodes: dict[str, OsInfo], field: str) -> Any:
    infos = list(nodes.values())
    cluster = ctx.snapshot.cluster
    values: dict[str, Callable[[], Any]] = {
        "name": lambda: name,
        "valid": lambda: all(not info.problem for info in infos),
        "variants": lambda: _common([info.variants for info in infos]),
        "hidden": lambda: name in cluster.hidden_os,
        "blacklisted": lambda: name in cluster.blacklisted_os,
        "api_versions": lambda: sorted(_common([info.api_versions for info in infos])),
        "parameters": lambda: sorted(map(list, _common([info.parameters for info in infos]))),
        "node_status": lambda: {
            uuid: [[info.path, not info.problem, info.problem, list(info.variants),
                    [list(pair) for pair in info.parameters], list(info.api_versions),
                    info.trusted]]
            for uuid, info in nodes.items()},
        "os_hvp": lambda: cluster.os_hvp.get(name, {}),
        "osparams": lambda: cluster.osparams.get(name, {}),
        "trusted": lambda: all(info.trusted for info in infos),
    }
    return values[field]()


def _common(lists: list[tuple[Any, ...]]) -> list[Any]:
    """What all nodes have, in the order of the first."""
    return [value for value in lists[0] if all(value in other for other in lists)] if lists else []


OPERATIONS = (Diagnose(),)
