"""The plugins of all nodes beside the master's, for those who look for differences."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ganeti_core.plugin_api.all_kinds import KINDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ganeti_core.model import Node
    from ganeti_core.operations.node_drivers import NodeDrivers
    from ganeti_core.plugin_api.kinds import Kind
    from ganeti_core.plugins import PluginHost

Document = dict[str, Any]


def plugins_of_nodes(
    drivers: NodeDrivers, host: PluginHost, nodes: Iterable[Node]
) -> Document:
    """Ask all nodes now; return the master's plugins, and by node its state and plugins.

    ``state`` is ``ok``, ``offline`` or ``silent``. Only kinds that have hooks on nodes are listed.
    """
    asked = sorted(nodes, key=lambda node: node.name)
    found = drivers.ask([node for node in asked if not node.offline])
    return {
        "master": _of_master(host),
        "nodes": [{"name": node.name, **_of_node(node, found.get(node.uuid))} for node in asked]}


def runs_on_nodes(kind: Kind[Any]) -> bool:
    return any(kind.hook_where(hook).place == "node" for hook in kind.hooks())


def _of_master(host: PluginHost) -> list[Document]:
    rows = []
    for row in host.status():
        kind = KINDS.get(row.kind)
        if kind is not None and runs_on_nodes(kind):
            state = (host.describe(kind, row.name).state_version
                     if not row.problem and host.has(kind, row.name) else None)
            rows.append(_plugin(asdict(row), state))
    return rows


def _of_node(node: Node, facts: Mapping[str, Any] | None) -> Document:
    if facts is None:
        return {"state": "offline" if node.offline else "silent", "version": None, "plugins": []}
    kinds = facts["kinds"]
    plugins = [
        _plugin(row, kinds.get(row["kind"], {}).get(row["name"], {}).get("state_version"))
        for row in facts["plugins"] if row["kind"] in KINDS]
    return {"state": "ok", "version": facts["version"], "plugins": plugins}


def _plugin(row: Mapping[str, Any], state: int | None) -> Document:
    return {"kind": row["kind"], "name": row["name"], "distribution": row["distribution"],
            "version": row["version"], "api": row["api"], "state_version": state,
            "problem": row["problem"]}
