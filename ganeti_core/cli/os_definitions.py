"""Commands of ``gnt-os``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from ganeti_core.cli import options as opt
from ganeti_core.cli.document import Pairs, print_document
from ganeti_core.cli.failure import EXIT_FAILURE, CommandError
from ganeti_core.cli.formats import FORMAT, print_data, wants_data
from ganeti_core.cli.instance.settings import OS_PARAMS, OS_PRIVATE
from ganeti_core.cli.session import Command
from ganeti_core.cli.typed import hypervisor_parameters
from ganeti_core.cli.waiting import submit
from ganeti_core.model.names import nice_key

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ganeti_core.cli.session import Session

_FIELDS = ["name", "valid", "variants", "hidden", "blacklisted", "api_versions", "parameters",
           "trusted", "node_status"]
_API_WITH_VARIANTS = 15
_API_WITH_PARAMETERS = 20


def _query(session: Session, fields: list[str], names: list[str]) -> list[dict[str, Any]]:
    rows = submit(session, session.opcode("OP_OS_DIAGNOSE", output_fields=fields, names=names))
    return [dict(zip(fields, row, strict=True)) for row in rows]


def usable_systems(session: Session) -> list[str]:
    """Return the names of the OS definitions that can be used, with their variants."""
    return _with_variants(_query(session, ["name", "variants"], []))


def _with_variants(systems: list[dict[str, Any]]) -> list[str]:
    return [name for system in systems for name in
            ([f"{system['name']}+{variant}" for variant in system["variants"]]
             or [system["name"]])]


def _list(session: Session, _arguments: list[str]) -> int:
    as_data = wants_data(session)
    systems = _query(session, ["name", "variants"], [])
    if as_data:
        print_data(systems, session.options.format)
        return 0
    names = _with_variants(systems)
    if not session.options.no_headers:
        # Unlike in other listings the title is as wide as the column.
        print("Name".ljust(max(map(len, ["Name", *names]))))
    for name in names:
        print(name)
    return 0


def _node_line(found: list[Any]) -> str:
    path, valid, problem, variants, parameters, versions, *trusted = found
    line = f"{'valid' if valid else f'invalid - {problem}'} (path: {path})"
    line += (f" [API versions: {', '.join(map(str, versions))}]" if versions
             else " [no API versions declared]")
    newest = max(versions, default=0)
    if newest >= _API_WITH_VARIANTS:
        line += f" [variants: {', '.join(variants)}]" if variants else " [no variants]"
    if newest >= _API_WITH_PARAMETERS:
        line += (f" [parameters: {', '.join(name for name, _ in parameters)}]" if parameters
                 else " [no parameters]")
    return line + (" [trusted]" if not trusted or trusted[0] else " [untrusted]")


def _node_lines(status: dict[str, list[list[Any]]], names: dict[str, str]) -> Iterator[str]:
    """A line per node: first those where the definition can be used."""
    def order(uuid: str) -> tuple[bool, Any]:
        return not _is_usable(status[uuid]), nice_key(names.get(uuid, uuid))

    for uuid in sorted(status, key=order):
        first = status[uuid][:1]
        line = _node_line(first[0]) if first else "OS not found"
        yield f"  Node: {names.get(uuid, uuid)}, status: {line}"
        yield from (f"    [hidden] path: {path}, status: "
                    + ("valid" if valid else f"invalid - {problem}")
                    for path, valid, problem, *_ in status[uuid][1:])


def _is_usable(entries: list[list[Any]]) -> bool:
    return bool(entries) and bool(entries[0][1])


def _node_names(session: Session) -> dict[str, str]:
    answer = session.client.query("node", ["uuid", "name"], None)
    return {uuid: name for (_, uuid), (_, name) in answer["data"]}


def _diagnose(session: Session, _arguments: list[str]) -> int:
    failed = False
    systems = _query(session, _FIELDS, [])
    names = _node_names(session) if systems else {}
    for system in systems:
        usable = [_is_usable(entries) for entries in system["node_status"].values()]
        status = "valid" if all(usable) else "partial valid" if any(usable) else "invalid"
        failed = failed or not all(usable)
        notes = "".join(f" [{note}]" for note in ("hidden", "blacklisted") if system[note])
        print(f"OS: {system['name']} [global status: {status}]{notes}")
        if system["variants"]:
            print(f"  Variants: [{', '.join(system['variants'])}]")
        for line in _node_lines(system["node_status"], names):
            print(line)
        print()
    return EXIT_FAILURE if failed else 0


def _items(title: str, values: list[str]) -> list[str]:
    return [f"  - {title}:", *(f"    - {value}" for value in values)]


def _described(system: dict[str, Any]) -> list[str]:
    lines = [f"{system['name']}:",
             *(f"  - {key}: {system[key]}" for key in ("valid", "hidden", "blacklisted"))]
    if system["valid"]:
        lines += [*_items("API versions", sorted(system["api_versions"])),
                  *_items("variants", system["variants"]),
                  *_items("parameters",
                          [f"{key}: {text}" for key, text in system["parameters"]])]
    return [*lines, f"  - trusted: {system['trusted']}"]


def _settings(session: Session, name: str) -> Pairs | None:
    """What the cluster keeps for a name, usually that of a variant; None: nothing."""
    info = session.client.query_cluster_info()
    if name not in info["os_hvp"] and name not in info["osparams"]:
        return None
    return [(name, [("OS-specific hypervisor parameters", info["os_hvp"].get(name, {})),
                    ("OS parameters", info["osparams"].get(name, {}))])]


def _info(session: Session, arguments: list[str]) -> int:
    systems = {system["name"]: system for system in _query(session, _FIELDS[:-1], [])}
    for name, system in systems.items():
        if not arguments or name in arguments:
            print("\n".join(_described(system)) + "\n")
    variants = {f"{system['name']}+{variant}" for system in systems.values()
                for variant in system["variants"]}
    status = 0
    for name in dict.fromkeys(arguments):
        if name in systems:
            continue
        settings = _settings(session, name)
        if settings is not None:
            print_document(settings)
        else:
            print(f"{name}: ")
        print(flush=True)
        if settings is None and name not in variants:
            print(f"There is no OS definition '{name}'", file=sys.stderr)
            status = EXIT_FAILURE
    return status


def _listed(name: str, add: bool | None) -> list[list[str]] | None:
    """A change of one of the lists of OS definitions; None leaves it alone."""
    return None if add is None else [["add" if add else "remove", name]]


def _modify(session: Session, arguments: list[str]) -> int:
    (name,) = arguments
    options = session.options
    changes: dict[str, Any] = {
        "os_hvp": {name: {hypervisor: hypervisor_parameters(session, parameters or {}, hypervisor)
                          for hypervisor, parameters in options.hvparams}}
        if options.hvparams else None,
        "osparams": {name: options.osparams} if options.osparams else None,
        "osparams_private_cluster":
            {name: options.osparams_private} if options.osparams_private else None,
        "hidden_os": _listed(name, options.hidden),
        "blacklisted_os": _listed(name, options.blacklisted),
    }
    if all(change is None for change in changes.values()):
        raise CommandError(
            "At least one of OS parameters or hypervisor parameters must be passed")
    submit(session, session.opcode("OP_CLUSTER_SET_PARAMS", **changes))
    return 0


COMMANDS = {
    "list": Command(_list, options=(opt.NO_HEADERS, opt.PRIORITY, FORMAT)),
    "diagnose": Command(_diagnose, options=(opt.PRIORITY,)),
    "info": Command(_info, most=None, options=(opt.PRIORITY,)),
    "modify": Command(_modify, least=1, most=1, options=(
        opt.HYPERVISOR_DEFAULTS, OS_PARAMS, OS_PRIVATE, opt.DRY_RUN, opt.PRIORITY,
        opt.value("--hidden", dest="hidden", type="bool", metavar="yes|no",
                  help="Whether listings leave the OS definition out"),
        opt.value("--blacklisted", dest="blacklisted", type="bool", metavar="yes|no",
                  help="Whether new instances may not have it"),
        *opt.SUBMITTING)),
}
