"""Entry points of the ``gnt-*`` programs.

A program's table (`tools.py`) names its commands; only the module of the command that runs is
imported, so that a command starts in the time that its own work needs.
"""

from __future__ import annotations

import io
import sys
import textwrap
from importlib import import_module
from typing import TYPE_CHECKING

from ganeti_core import __version__
from ganeti_core.cli.failure import EXIT_FAILURE, describe, exit_status
from ganeti_core.cli.output import flush_or_forget
from ganeti_core.cli.tools import COMPATIBLE_RELEASE, TOOLS, Tool
from ganeti_core.cli.whereabouts import explained
from ganeti_core.errors import GanetiError
from ganeti_core.paths import Paths

if TYPE_CHECKING:
    from ganeti_core.cli.session import Command


def usage_text(tool: Tool) -> str:
    """List the commands of `tool` with what they do."""
    width = max(map(len, tool.commands))
    lines = [f"Usage: {tool.program} {{command}} [options...] [argument...]",
             f"{tool.program} <command> --help to see details, or man {tool.program}",
             "", "Commands:"]
    for name, entry in sorted(tool.commands.items()):
        first, *rest = textwrap.wrap(entry.summary, 79 - 4 - width, break_on_hyphens=False)
        lines.append(f" {name:<{width}} - {first}")
        lines.extend(f" {'':<{width}}   {line}" for line in rest)
    return "\n".join([*lines, ""])


def run_tool(program: str, argv: list[str], paths: Paths) -> int:
    """Run a program with the arguments `argv` and give its exit status."""
    tool = TOOLS[program]
    name = tool.aliases.get(argv[0], argv[0]) if argv else ""
    if name in ("--version", "-V"):
        print(f"{program} (ganeti-core {__version__}) {COMPATIBLE_RELEASE}")
        return 0
    if name not in tool.commands:
        print(usage_text(tool), flush=True)
        if name in ("--help", "-h"):
            return 0
        if name:
            print(f"{program}: error: there is no command '{name}'", file=sys.stderr)
        return EXIT_FAILURE
    entry = tool.commands[name]
    command: Command = import_module(entry.module).COMMANDS[name]
    try:
        return _run_command(tool, name, command, argv[1:], paths)
    except GanetiError as exc:
        sys.stdout.flush()
        exc = explained(exc, paths)
        print(describe(exc), file=sys.stderr)
        return exit_status(exc)


def _run_command(tool: Tool, name: str, command: Command, argv: list[str], paths: Paths) -> int:
    from ganeti_core.cli.parsing import check_arguments, parse
    from ganeti_core.cli.session import Session
    from ganeti_core.luxi.client import LuxiClient

    summary = tool.commands[name].summary
    options, arguments = parse(tool.program, name, command, summary, argv)
    problem = check_arguments(name, command, arguments)
    if problem:
        print(problem, file=sys.stderr)
        return EXIT_FAILURE
    with LuxiClient(paths.master_socket) as client:
        return command.run(Session(paths, tool.program, name, options, client), arguments)


def _main(program: str) -> int:
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A terminal of few characters shows the others as escapes; it does not end the command.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        status = run_tool(program, sys.argv[1:], Paths.from_environment())
        sys.stdout.flush()
    except KeyboardInterrupt:
        print("Aborted. Note that if the operation created any jobs, they might have been"
              " submitted and will continue to run in the background.", file=sys.stderr)
        return EXIT_FAILURE
    except BrokenPipeError:
        flush_or_forget()
        return EXIT_FAILURE
    except OSError as exc:
        flush_or_forget()
        where = f"{exc.filename}: " if exc.filename else ""
        print(f"{program}: {where}{exc.strerror or exc}", file=sys.stderr)
        return EXIT_FAILURE
    return status


def cluster() -> int:
    return _main("gnt-cluster")


def node() -> int:
    return _main("gnt-node")


def instance() -> int:
    return _main("gnt-instance")


def job() -> int:
    return _main("gnt-job")


def os() -> int:
    return _main("gnt-os")


def debug() -> int:
    return _main("gnt-debug")


def filter() -> int:
    return _main("gnt-filter")


def group() -> int:
    return _main("gnt-group")
