"""``OP_OS_DIAGNOSE``: which OS definitions the nodes have, and how they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ganeti_core.errors import ECODE_INVAL, GanetiError, OpPrereqError
from ganeti_core.opcodes.other import OsDiagnose
from ganeti_core.operations.base import Operation
from ganeti_core.plugin_api import codec
from ganeti_core.plugin_api.os import OS_DEFINITIONS
from ganeti_core.query.live import NodeLive, os_info
from ganeti_core.rpc.calls import service_call

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ganeti_core.model import Node
    from ganeti_core.operations.cluster.settings_context import SettingsContext
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
        return [[_value(ctx, name, nodes, op.output_fields, field) for field in op.output_fields]
                for name, nodes in sorted(found.items())
                if (not op.names or name in op.names)
                and _is_shown(ctx, name, nodes, op.output_fields)]


Found = Mapping[str, "OsInfo | None"]
"""One definition as each node has it, by the node's uuid; None where it lacks it."""


def definitions_on(ctx: SettingsContext, nodes: Sequence[Node]) -> dict[str, list[str]]:
    """The names of the OS definitions per node, by its uuid; a node that is silent is left out."""
    facts = ctx.fan_out(
        nodes, lambda _node: service_call("node.facts", {"settings": codec.encode(ctx.settings)}))
    names: dict[str, list[str]] = {}
    for node in nodes:
        told = facts[node.uuid]
        if isinstance(told, GanetiError):
            ctx.warn(f"Node {node.name} cannot be asked: {told}")
        else:
            names[node.uuid] = list(told["kinds"].get(OS_DEFINITIONS.name, {}))
    return names


def diagnose(ctx: OpContext) -> dict[str, Found]:
    """Every OS definition by name. A node that is silent makes none of them invalid.

    Each node is asked twice: which there are, then all of them in one round trip. Nodes that have
    the same ones, mostly all, are asked at once: one whose hook hangs does not add to the others.
    """
    nodes = {node.uuid: node for node in ctx.snapshot.nodes.values()
             if node.vm_capable and not node.offline}
    names = definitions_on(ctx, list(nodes.values()))
    answers: dict[str, NodeLive] = {}
    alike: dict[frozenset[str], list[Node]] = {}
    for uuid, on_node in names.items():
        alike.setdefault(frozenset(on_node), []).append(nodes[uuid])
    for definitions, group in alike.items():
        found = ctx.services.live.gather(group, frozenset(map(os_info, definitions)))
        answers |= {uuid: live for uuid, live in found.items() if isinstance(live, NodeLive)}
    every = {name for uuid in answers for name in names[uuid]}
    return {name: {uuid: live.os_info(name) for uuid, live in answers.items()} for name in every}


def _is_shown(ctx: OpContext, name: str, nodes: Found, fields: Sequence[str]) -> bool:
    """Leave out what cannot or must not be used, unless just that is asked for."""
    cluster = ctx.snapshot.cluster
    return (("hidden" in fields or name not in cluster.hidden_os)
            and ("blacklisted" in fields or name not in cluster.blacklisted_os)
            and ("valid" in fields or _is_valid(nodes))
            and _variants(ctx, name, nodes, fields) is not None)


def _is_valid(nodes: Found) -> bool:
    return all(info is not None and not info.problem for info in nodes.values())


def _variants(
    ctx: OpContext, name: str, nodes: Found, fields: Sequence[str]
) -> list[str] | None:
    """The variants that every node has and that may be shown; None where none is left of some."""
    every = _common([info.variants if info else () for info in nodes.values()])
    cluster = ctx.snapshot.cluster
    unwanted = {*(() if "hidden" in fields else cluster.hidden_os),
                *(() if "blacklisted" in fields else cluster.blacklisted_os)}
    shown = [variant for variant in every if f"{name}+{variant}" not in unwanted]
    return None if every and not shown else shown


def _value(ctx: OpContext, name: str, nodes: Found, fields: Sequence[str], field: str) -> Any:
    infos = [info for info in nodes.values() if info is not None]
    cluster = ctx.snapshot.cluster
    names = (name, *(f"{name}+{variant}" for info in infos for variant in info.variants))
    values: dict[str, Callable[[], Any]] = {
        "name": lambda: name,
        "valid": lambda: _is_valid(nodes),
        "variants": lambda: _variants(ctx, name, nodes, fields) or [],
        "hidden": lambda: name in cluster.hidden_os,
        "blacklisted": lambda: name in cluster.blacklisted_os,
        "api_versions": lambda: sorted(_common([info.api_versions for info in infos])),
        "parameters": lambda: sorted(map(list, _common([info.parameters for info in infos]))),
        "node_status": lambda: {uuid: _status(info) for uuid, info in nodes.items()},
        "os_hvp": lambda: {one: cluster.os_hvp[one] for one in names if one in cluster.os_hvp},
        "osparams": lambda: {one: cluster.osparams[one] for one in names
                             if one in cluster.osparams},
        "trusted": lambda: all(info.trusted for info in infos),
    }
    return values[field]()


def _status(info: OsInfo | None) -> list[list[Any]]:
    """One entry for the definition that is used; none where there is none."""
    if info is None:
        return []
    return [[info.path, not info.problem, info.problem, list(info.variants),
             [list(pair) for pair in info.parameters], list(info.api_versions), info.trusted]]


def _common(lists: list[tuple[Any, ...]]) -> list[Any]:
    """What all nodes have, in the order of the first."""
    return [value for value in lists[0] if all(value in other for other in lists)] if lists else []


OPERATIONS = (Diagnose(),)
