"""Commands of ``gnt-storage``: the ExtStorage providers that nodes have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ganeti_core.cli import options as opt
from ganeti_core.cli.failure import CommandError
from ganeti_core.cli.session import Command
from ganeti_core.cli.waiting import submit
from ganeti_core.model.names import nice_key

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ganeti_core.cli.session import Session


def _query(session: Session, fields: list[str]) -> list[dict[str, Any]]:
    rows = submit(session, session.opcode("OP_EXT_STORAGE_DIAGNOSE", output_fields=fields,
                                          names=[]))
    return [dict(zip(fields, row, strict=True)) for row in rows]


def _on_node(entries: list[list[Any]]) -> tuple[bool, str]:
    """Return whether a node can use a provider, and how it is there."""
    if not entries:
        return False, "ExtStorage provider not found"
    path, valid, problem, parameters = entries[0]
    text = f"{'valid' if valid else f'invalid - {problem}'} (path: {path})"
    names = ", ".join(name for name, _ in parameters)
    return bool(valid), text + (f" [parameters: {names}]" if parameters else " [no parameters]")


def _provider_lines(provider: dict[str, Any], names: dict[str, str]) -> Iterator[str]:
    """Nodes and groups that can use it come first."""
    yield f"Provider: {provider['name']}"
    yield "---"
    nodes = {names.get(uuid, uuid): _on_node(entries)
             for uuid, entries in provider["node_status"].items()}
    for name in sorted(nodes, key=lambda name: (not nodes[name][0], nice_key(name))):
        yield f"  Node: {name}, status: {nodes[name][1]}"
    yield "  --"
    groups = provider["nodegroup_status"]
    for name in sorted(groups, key=lambda name: (not groups[name], nice_key(name))):
        yield f"  For nodegroup: {name} --> {'valid' if groups[name] else 'invalid'}"
    yield ""


def _diagnose(session: Session, _arguments: list[str]) -> int:
    providers = _query(session, ["name", "node_status", "nodegroup_status"])
    if not providers:
        raise CommandError("Can't get the list of ExtStorage providers")
    answer = session.client.query("node", ["uuid", "name"], None)
    names = {uuid: name for (_, uuid), (_, name) in answer["data"]}
    for provider in providers:
        print("\n".join(_provider_lines(provider, names)))
    return 0


def _described(provider: dict[str, Any]) -> Iterator[str]:
    yield f"{provider['name']}:"
    groups = [name for name, valid in provider["nodegroup_status"].items() if valid]
    if groups:
        yield "  - Valid for nodegroups:"
        yield from (f"      {name}" for name in sorted(groups, key=nice_key))
        yield "  - Supported parameters:"
        yield from (f"      {name}: {text}" for name, text in provider["parameters"])
    else:
        yield "  - Invalid for all nodegroups"
    yield ""


def _info(session: Session, arguments: list[str]) -> int:
    providers = {one["name"]: one for one in
                 _query(session, ["name", "nodegroup_status", "parameters"])}
    if not providers:
        raise CommandError("Can't get the ExtStorage providers list")
    for name, provider in providers.items():
        if not arguments or name in arguments:
            print("\n".join(_described(provider)))
    for name in dict.fromkeys(arguments):
        if name not in providers:
            print(f"{name}: Not Found\n")
    return 0


COMMANDS = {
    "diagnose": Command(_diagnose, options=(opt.PRIORITY,)),
    "info": Command(_info, most=None, options=(opt.PRIORITY,)),
}
