"""The reference part of the manual pages, written from the tables of commands.

``docs/build.py`` puts it into the pages, below the marker line; what stands above it is written by
hand.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from ganeti_core.cli.options import COMMON
from ganeti_core.opcodes.unavailable import MARK

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ganeti_core.cli.options import OptionSpec
    from ganeti_core.cli.session import Command
    from ganeti_core.cli.tools import Entry, Tool

MARKER = "<!-- Below this line the page is written by `python docs/build.py`. -->"

_BRACKETS = str.maketrans("", "", "<>")
"""Angle brackets are left out: they would begin an HTML element."""


def _option(spec: OptionSpec, entry: Entry | None = None) -> str:
    option = spec.make()
    metavar = (option.metavar or (option.dest or "").upper()).translate(_BRACKETS)
    names = ", ".join(f"`{name}`" for name in spec.names)
    value = f" *{metavar}*" if option.takes_value() else ""
    return f"- {names}{value}: {entry.marked_help(option) if entry else option.help}"


def _command(tool: Tool, name: str, command: Command) -> Iterator[str]:
    yield f"### {name}"
    yield ""
    yield f"`{tool.program} {name} {command.usage}".rstrip() + "`"
    yield ""
    entry = tool.commands[name]
    yield entry.marked_summary.rstrip(".") + "."
    aliases = [f"`{alias}`" for alias, target in tool.aliases.items() if target == name]
    if aliases:
        yield ""
        yield f"Also called {', '.join(aliases)}."
    if command.options:
        yield ""
        yield from (_option(spec, entry) for spec in command.options)
    yield ""


def page(tool: Tool) -> str:
    """All commands and options, as plain text for a terminal."""
    return reference(tool).removeprefix(MARKER).strip().replace("`", "")


def reference(tool: Tool) -> str:
    """Write the part of a page that lists commands and options."""
    lines = [MARKER, "", "## Commands", ""]
    for name, entry in sorted(tool.commands.items()):
        lines += _command(tool, name, import_module(entry.module).COMMANDS[name])
    if tool.refused:
        lines += [f"## Commands of Ganeti's that are {MARK}", "", *(
            f"- `{name}`: {why}" for name, why in sorted(tool.refused.items())), ""]
    lines += ["## Options of every command", "", *map(_option, COMMON), ""]
    return "\n".join(lines)
