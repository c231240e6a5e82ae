"""How much of Ganeti's interface there is, counted from what runs.

What Ganeti has lies in `tests/data`; what is done is asked of the registry of operations, of the
parsers of commands, of the query engine and of the sources of the operations.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import ganeti_core.operations
import ganeti_plugins
from ganeti_core.cli.options import COMMON
from ganeti_core.cli.tools import TOOLS
from ganeti_core.errors import RequestError
from ganeti_core.luxi.methods import METHOD_NAMES
from ganeti_core.model.ganeti_settings import GANETI_SETTINGS
from ganeti_core.opcodes.base import parameters
from ganeti_core.opcodes.registry import OPCODES
from ganeti_core.opcodes.unavailable import OPCODES as REFUSED
from ganeti_core.opcodes.unavailable import PARAMETERS
from ganeti_core.opcodes.verification import CODES
from ganeti_core.operations.registry import available
from ganeti_core.plugin_settings import filled_settings
from ganeti_core.plugins import PluginHost
from ganeti_core.query.engine import QueryEngine

DATA = Path(__file__).parents[1] / "data"
FLOORS = DATA / "coverage" / "floors.json"


@dataclass(frozen=True)
class Count:
    """One kind of things: their names as Ganeti has them, and which of them are done."""

    kind: str
    wanted: frozenset[str]
    done: frozenset[str]

    @property
    def missing(self) -> list[str]:
        return sorted(self.wanted - self.done)


def _recorded(path: str) -> dict[str, Any]:
    return cast("dict[str, Any]", json.loads((DATA / path).read_text()))


def opcodes() -> Count:
    """Done: an operation runs it."""
    return Count("opcodes", frozenset(_recorded("opcodes/ganeti-3.0.json")), available())


def opcode_parameters() -> Count:
    """Done: the opcode runs, has the parameter, and does not refuse it."""
    wanted = {f"{op_id}.{name}" for op_id, names in _recorded("opcodes/ganeti-3.0.json").items()
              for name in names}
    done = {f"{op_id}.{name}" for op_id in available() for name in parameters(OPCODES[op_id])
            if name not in PARAMETERS.get(op_id, ())}
    return Count("parameters", frozenset(wanted), frozenset(done))


def subcommands() -> Count:
    """Done: the program has it, and it is not about an opcode that is refused."""
    wanted = {f"{program} {name}" for program, tool in _recorded("cli/interface.json").items()
              for name in tool["commands"]}
    done = {f"{program} {name}" for program, tool in TOOLS.items()
            for name, entry in tool.commands.items() if entry.op_id not in REFUSED}
    return Count("subcommands", frozenset(wanted), frozenset(done))


def options() -> Count:
    """Done: the command has it under all its names, and does not refuse it."""
    wanted = {f"{program} {name} {names}" for program, tool in
              _recorded("cli/interface.json").items()
              for name, command in tool["commands"].items() for names, _, _ in command["options"]}
    return Count("options", frozenset(wanted), frozenset(_options()))


def _options() -> Iterator[str]:
    known = _recorded("cli/interface.json")
    for program, tool in TOOLS.items():
        for name, entry in tool.commands.items():
            command = import_module(entry.module).COMMANDS[name]
            there = {one for spec in (*command.options, *COMMON) if not entry.refuses(spec.make())
                     for one in spec.names}
            theirs = known.get(program, {}).get("commands", {}).get(name, {"options": []})
            for names, _, _ in theirs["options"]:
                if entry.op_id not in REFUSED and there.issuperset(names.split("/")):
                    yield f"{program} {name} {names}"


def query_fields() -> Count:
    """Done: the query engine, with the plugins of this installation, has it with the same type."""
    engine = QueryEngine(_host(), cast("Any", None), cast("Any", None), cast("Any", None))
    wanted, done = set(), set()
    for what, fields in _recorded("coverage/ganeti-3.0.json")["query_fields"].items():
        wanted |= {f"{what}.{name}" for name in fields}
        try:
            ours = engine.fields(what)["fields"]
        except RequestError:
            continue
        done |= {f"{what}.{one['name']}" for one in ours
                 if fields.get(one["name"]) == one["kind"]}
    return Count("query fields", frozenset(wanted), frozenset(done))


@cache
def _host() -> PluginHost:
    """The plugins of this installation."""
    host = PluginHost()
    host.load()
    return host


def verify_codes() -> Count:
    """Done: an operation or a driver names it, or it is of a setting that a driver declares."""
    declared = filled_settings(_host(), {})
    found = {setting.unusable for setting in GANETI_SETTINGS if setting.name in declared}
    found |= {node.value for package in (ganeti_core.operations, ganeti_plugins)
              for file in Path(package.__path__[0]).rglob("*.py")
              for node in ast.walk(ast.parse(file.read_text()))
              if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return Count("verify codes", frozenset(_recorded("cli/verify_codes.json")),
                 frozenset(found & CODES.keys()))


def luxi_methods() -> Count:
    """Done: the server has a handler for it."""
    return Count("LUXI methods", frozenset(_recorded("coverage/ganeti-3.0.json")["luxi_methods"]),
                 METHOD_NAMES)


KINDS: tuple[Callable[[], Count], ...] = (
    opcodes, opcode_parameters, subcommands, options, query_fields, verify_codes, luxi_methods)


def floors(file: Path = FLOORS) -> dict[str, int]:
    """By kind, how many are done at least."""
    return cast("dict[str, int]", json.loads(file.read_text()))
