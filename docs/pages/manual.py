"""Manual pages: above the marker a page is written by hand, below it from the program's options."""

from __future__ import annotations

import argparse
from importlib import import_module
from typing import TYPE_CHECKING

from ganeti_core.cli import confd as confd_command
from ganeti_core.cli import mon_collector
from ganeti_core.cli.manual import MARKER, reference
from ganeti_core.cli.plugin import commands as plugin
from ganeti_core.cli.tools import TOOLS
from ganeti_core.daemons import confd, masterd, mond, noded, rapi
from ganeti_core.daemons.vcluster import commands as vcluster
from ganeti_core.daemons.watcher import command as watcher
from ganeti_core.rapi import token_command as rapi_tokens
from ganeti_core.rapi import user_command as rapi_users
from ganeti_plugins.disk_drbd import fence
from ganeti_plugins.iallocator_hail.tools import options as placement
from ganeti_plugins.iallocator_hail.tools.program import Tool

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ganeti_plugins.iallocator_hail.tools.getopt import Option

PLACEMENT = ("hail", "harep", "hbal", "hcheck", "hinfo", "hroller", "hscan", "hspace", "hsqueeze")
SOCKET = "/var/run/ganeti/socket/ganeti-query"
WIDE = 10_000
"""Columns of a usage line, so that it is one."""


def pages(folder: Path) -> dict[str, str]:
    """Text by file name; what was written by hand is kept as it is in `folder`."""
    written = {
        **{tool.program: reference(tool) for tool in TOOLS.values()},
        "gnt-plugin": _described(plugin.make_parser()),
        "gnt-confd": _described(confd_command.make_parser()),
        "gnt-vcluster": _described(vcluster.make_parser()),
        "ganeti-masterd": _described(masterd.make_parser()),
        "ganeti-confd": _described(confd.make_parser()),
        "mon-collector": _described(mon_collector.make_parser()),
        "ganeti-mond": _described(mond.make_parser()),
        "ganeti-watcher": _described(watcher.make_parser()),
        "ganeti-noded": _described(noded.make_parser(), noded.make_enrol_parser()),
        "ganeti-drbd-helper": _described(fence.make_parser()),
        "ganeti-rapi": _described(rapi.make_parser()),
        "gnt-rapi-token": _described(rapi_tokens.make_parser()),
        "gnt-rapi-user": _described(rapi_users.make_parser()),
        **{name: _placement(name) for name in PLACEMENT},
    }
    return {f"{name}.md": _by_hand(folder / f"{name}.md") + text for name, text in written.items()}


def _by_hand(page: Path) -> str:
    return page.read_text().partition(MARKER)[0] if page.exists() else f"# {page.stem}\n\n"


def _described(*parsers: argparse.ArgumentParser) -> str:
    lines = [MARKER]
    for parser in parsers:
        if commands := commands_of(parser):
            lines += ["", "## Commands"]
            for name, one in commands.items():
                lines += ["", f"### {name}", "", *_parser(one)]
        else:
            lines += ["", f"## {parser.prog}", "", *_parser(parser)]
    return "\n".join(lines) + "\n"


def commands_of(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """The parsers of a program's commands, by name."""
    # argparse tells these nowhere but in its private names.
    return {name: one for action in parser._actions
            if isinstance(action, argparse._SubParsersAction)
            for name, one in action.choices.items()}


def _parser(parser: argparse.ArgumentParser) -> Iterator[str]:
    parser.formatter_class = lambda prog: argparse.HelpFormatter(prog, width=WIDE)
    yield f"`{parser.format_usage().partition(' ')[2].strip().replace('[-h] ', '')}`"
    yield ""
    text = parser.description or ""
    yield f"{text[:1].upper()}{text[1:].rstrip('.')}."
    yield ""
    for action in parser._actions:
        if not isinstance(action, argparse._HelpAction):
            yield _action(action)


def _action(action: argparse.Action) -> str:
    metavar = action.metavar if isinstance(action.metavar, str) else action.dest.upper()
    names = ", ".join(f"`{name}`" for name in action.option_strings)
    value = f"*{metavar}*" if action.nargs != 0 else ""
    told = f": {action.help}" if action.help else ""
    return f"- {' '.join(filter(None, (names, value)))}{told}"


def _placement(name: str) -> str:
    module = import_module(f"ganeti_plugins.iallocator_hail.tools.{name}")
    tool = next(value for value in vars(module).values() if isinstance(value, Tool))
    words = " [ARGUMENT...]" if tool.arguments[2] else ""
    return "\n".join([
        MARKER, "", "## Options", "", f"`{name} [OPTION...]{words}`", "",
        *map(_option, tool.table()), ""])


def _option(option: Option) -> str:
    names = ", ".join(f"`{name}`" for name in (
        *((f"-{option.short}",) if option.short else ()), f"--{option.long}"))
    value = f" *{option.value}*" if option.value else ""
    # The socket depends on the environment, which is not the reader's.
    return f"- {names}{value}: {option.help.replace(placement.DEFAULT_SOCKET, SOCKET)}"
