"""``gnt-plugin list --nodes``: on which nodes plugins differ from the master's."""

from __future__ import annotations

import textwrap
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from ganeti_core.cli.failure import wrong_input
from ganeti_core.cli.formats import TABLE, print_data
from ganeti_core.cli.plugin.names import kind_name
from ganeti_core.cli.table import visible
from ganeti_core.paths import Paths

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Mapping

WIDTH = 96
DIFFERENT = 3
_COMPARED = ("distribution", "version", "api", "state_version", "problem")
Plugin = dict[str, Any]


def list_nodes(options: argparse.Namespace) -> int:
    """Ask the master; 3 when a node lacks a plugin, has another one, or cannot be asked.

    :raises GanetiError: no master here, or options that do not go together
    """
    if options.local or options.no_headers or options.separator:
        raise wrong_input("--nodes goes with neither --local, --no-headers nor --separator")
    from ganeti_core.luxi.client import LuxiClient

    with LuxiClient(Paths.from_environment().master_socket) as client:
        found = client.node_plugins()
    kind = kind_name(options.kind) if options.kind else ""
    master = _by_key(found["master"], kind)
    nodes = [{"name": node["name"], "state": node["state"], "version": node["version"],
              "differs": differences(master, _by_key(node["plugins"], kind))
              if node["state"] == "ok" else []} for node in found["nodes"]]
    if options.format != TABLE:
        print_data(nodes, options.format)
    else:
        print("\n".join(_lines(nodes, len(master))))
    return DIFFERENT if any(node["differs"] or node["state"] != "ok" for node in nodes) else 0


def _by_key(plugins: list[Plugin], kind: str) -> dict[tuple[str, str], Plugin]:
    return {(one["kind"], one["name"]): {**one, "distribution": _origin(one["distribution"])}
            for one in plugins if kind in ("", one["kind"])}


def _origin(distribution: str) -> str:
    """The distribution, or the name of a plugin's file, wherever a node has it."""
    return PurePath(distribution).name if distribution.startswith("/") else distribution


def differences(
    master: Mapping[tuple[str, str], Plugin], node: Mapping[tuple[str, str], Plugin]
) -> list[dict[str, Any]]:
    """What a node has otherwise: ``kind``, ``name``, and both sides, None where one lacks it."""
    return [
        {"kind": key[0], "name": key[1], "node": node.get(key), "master": master.get(key)}
        for key in sorted(master.keys() | node.keys())
        if _shown(node.get(key)) != _shown(master.get(key))]


def _shown(plugin: Plugin | None) -> list[Any] | None:
    return None if plugin is None else [plugin[name] for name in _COMPARED]


def _lines(nodes: list[dict[str, Any]], count: int) -> Iterator[str]:
    """Nodes with the same differences together, those without any first."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for node in nodes:
        groups.setdefault(repr((node["state"], node["differs"])), []).append(node)
    for alike in sorted(groups.values(), key=lambda one: (bool(one[0]["differs"]),
                                                          one[0]["state"] != "ok", -len(one))):
        yield from textwrap.wrap(
            f"{_title(alike[0], len(alike), count)}: {', '.join(one['name'] for one in alike)}",
            WIDTH, subsequent_indent="    ", break_on_hyphens=False)
        for one in alike[0]["differs"]:
            yield from _described(one)


def _title(node: dict[str, Any], number: int, count: int) -> str:
    several = number > 1
    nodes = f"{number} node{'s' if several else ''}"
    if node["state"] == "silent":
        return f"{nodes} {'do' if several else 'does'} not answer"
    if node["state"] == "offline":
        return f"{nodes} {'are' if several else 'is'} offline"
    if node["differs"]:
        return f"{nodes} {'differ' if several else 'differs'} from the master"
    return f"{nodes} {'have' if several else 'has'} the master's {count} plugins"


def _described(one: dict[str, Any]) -> Iterator[str]:
    node, master = one["node"], one["master"]
    words = (f"  {one['kind']}:{one['name']}: {_side(node, master)}; "
             f"on the master: {_side(master, node)}")
    yield from textwrap.wrap(visible(words), WIDTH, subsequent_indent="      ",
                             break_on_hyphens=False)


def _side(plugin: Plugin | None, other: Plugin | None) -> str:
    """One side of a difference: where it comes from, and what else is not alike."""
    if plugin is None:
        return "missing"
    origin = f"{plugin['distribution']} {plugin['version']}".strip() or "there"
    parts = [origin]
    if other is not None:
        parts += [f"{title} {plugin[name]}" for name, title in (
            ("api", "API"), ("state_version", "state version"))
            if plugin[name] != other[name] and plugin[name] is not None]
    return ", ".join(parts) + (f" ({plugin['problem']})" if plugin["problem"] else "")
