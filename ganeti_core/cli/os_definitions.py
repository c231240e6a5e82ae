"""Commands of ``gnt-os``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ganeti_core.cli import options as opt
from ganeti_core.cli.session import Command
from ganeti_core.cli.waiting import submit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ganeti_core.cli.session import Session

_FIELDS = ["name", "valid", "variants", "hidden", "blacklisted", "api_versions", "parameters",
           "trusted", "node_status"]


def _query(session: Session, fields: list[str], names: list[str]) -> list[dict[str, Any]]:
    rows = submit(session, session.opcode("OP_OS_DIAGNOSE", output_fields=fields, names=names))
    return [dict(zip(fields, row, strict=True)) for row in rows]


def _list(session: Session, _arguments: list[str]) -> int:
    systems = _query(session, ["name", "variants"], [])
    names = [name for system in systems for name in
             ([f"{system['name']}+{variant}" for variant in system["variants"]]
              or [system["name"]])]
    if not session.options.no_headers:
        # Unlike in other listings the title is as wide as the column.
        print("Name".ljust(max(map(len, ["Name", *names]))))
    for name in names:
        print(name)
    return 0


def _node_lines(system: dict[str, Any]) -> Iterator[str]:
    for node, found in system["node_status"].items():
        if not found:
            yield f"  Node: {node}, status: MISSING"
            continue
        first, *hidden = found
        path, valid, problem, variants, parameters, versions, *trusted = first
        line = f"  Node: {node}, status: {'valid' if valid else f'INVALID - {problem}'}" \
               f" (path: {path})"
        if valid:
            line += f" [API versions: {', '.join(map(str, versions))}]"
            if variants:
                line += f" [variants: {', '.join(variants)}]"
            if parameters:
                line += f" [parameters: {', '.join(name for name, _ in parameters)}]"
            if trusted:
                line += " [trusted]" if trusted[0] else " [untrusted]"
        yield line
        yield from (f"    (hidden) path: {path}, status: "
                    + ("valid" if valid else f"INVALID - {problem}")
                    for path, valid, problem, *_ in hidden)


def _diagnose(session: Session, _arguments: list[str]) -> int:
    failed = False
    for system in _query(session, _FIELDS, []):
        found = [entries[0][1] if entries else False
                 for entries in system["node_status"].values()]
        if system["valid"]:
            status = "valid"
        else:
            failed = True
            status = "partial" if any(found) else "invalid"
        notes = "".join(f" [{note}]" for note in ("hidden", "blacklisted") if system[note])
        print(f"OS: {system['name']} [global status: {status}]{notes}")
        if system["variants"]:
            print(f"  Variants: [{', '.join(system['variants'])}]")
        for line in _node_lines(system):
            print(line)
        print()
    return 1 if failed else 0


def _items(title: str, values: list[str]) -> list[str]:
    return [f"  - {title}:", *(f"    - {value}" for value in values)]


def _info(session: Session, arguments: list[str]) -> int:
    systems = {system["name"]: system for system in _query(session, _FIELDS[:-1], arguments)}
    for name in arguments or systems:
        system = systems.get(name)
        if system is None:
            print(f"{name}: \n")
            continue
        lines = [f"{name}:",
                 *(f"  - {key}: {system[key]}" for key in ("valid", "hidden", "blacklisted")),
                 *_items("API versions", sorted(system["api_versions"])),
                 *_items("variants", system["variants"]),
                 *_items("parameters", [f"{key}: {text}" for key, text in system["parameters"]]),
                 f"  - trusted: {system['trusted']}"]
        print("\n".join(lines) + "\n")
    return 0


COMMANDS = {
    "list": Command(_list, options=(opt.NO_HEADERS, opt.PRIORITY)),
    "diagnose": Command(_diagnose, options=(opt.PRIORITY,)),
    "info": Command(_info, most=None, options=(opt.PRIORITY,)),
}
