"""Entry points of the ``gnt-*`` programs.

A program's table (`tools.py`) names its commands; only the module of the command that runs is
imported, so that a command starts in the time that its own work needs. What only a failure needs is
imported when there is one.
"""

from __future__ import annotations

import gc
import io
import sys
import textwrap
from importlib import import_module
from typing import TYPE_CHECKING

from ganeti_core import __version__
from ganeti_core.cli.tools import COMPATIBLE_RELEASE, TOOLS, Tool
from ganeti_core.errors import GanetiError
from ganeti_core.opcodes.unavailable import MARK
from ganeti_core.paths import Paths
from ganeti_core.std_streams import flush_or_forget, open_closed

if TYPE_CHECKING:
    from ganeti_core.cli.session import Command

_FAILED = 1
"""As `failure.EXIT_FAILURE`, which would import the client of LUXI for a mere ``--help``."""
_GARBAGE_AFTER = 200_000
"""New objects after which the interpreter looks for garbage: a listing is needed to its end."""


def usage_text(tool: Tool) -> str:
    """List the commands of `tool` with what they do."""
    width = max(map(len, tool.commands))
    lines = [f"Usage: {tool.program} {{command}} [options...] [argument...]",
             f"{tool.program} <command> --help to see details, or {tool.program} --man for all",
             "", "Commands:"]
    for name, entry in sorted(tool.commands.items()):
        first, *rest = textwrap.wrap(entry.marked_summary, 79 - 4 - width, break_on_hyphens=False)
        lines.append(f" {name:<{width}} - {first}")
        lines.extend(f" {'':<{width}}   {line}" for line in rest)
    if tool.refused:
        lines += ["", f"Ganeti has more, {MARK}: {', '.join(sorted(tool.refused))}"]
    return "\n".join([*lines, ""])


def run_tool(program: str, argv: list[str], paths: Paths) -> int:
    """Run a program with the arguments `argv` and give its exit status."""
    tool = TOOLS[program]
    name = tool.aliases.get(argv[0], argv[0]) if argv else ""
    if name in ("--version", "-V"):
        print(f"{program} (ganeti-core {__version__}) {COMPATIBLE_RELEASE}")
        return 0
    if name == "--man":
        from ganeti_core.cli.manual import page

        print(page(tool))
        return 0
    if name == "--complete" and len(argv) == 3:
        from ganeti_core.cli.completion.names import names

        print(*names(paths.master_socket, *argv[1:]), sep="\n")
        return 0
    if name in tool.refused:
        print(f"{program}: error: '{name}' is {MARK}: {tool.refused[name]}", file=sys.stderr)
        return _FAILED
    if name not in tool.commands:
        print(usage_text(tool), flush=True)
        if name in ("--help", "-h"):
            return 0
        if name:
            print(f"{program}: error: there is no command '{name}'", file=sys.stderr)
        return _FAILED
    entry = tool.commands[name]
    command: Command = import_module(entry.module).COMMANDS[name]
    try:
        return _run_command(tool, name, command, argv[1:], paths)
    except GanetiError as exc:
        from ganeti_core.cli.failure import describe, exit_status
        from ganeti_core.cli.table import visible_lines
        from ganeti_core.cli.terminal import RED, paint
        from ganeti_core.cli.whereabouts import explained

        sys.stdout.flush()
        exc = explained(exc, paths)
        status = exit_status(exc)
        text = visible_lines(describe(exc))
        print(paint(text, RED if status else "", sys.stderr), file=sys.stderr)
        return status


def _run_command(tool: Tool, name: str, command: Command, argv: list[str], paths: Paths) -> int:
    from ganeti_core.cli.parsing import check_arguments, parse
    from ganeti_core.cli.session import Session
    from ganeti_core.luxi.client import LuxiClient

    options, arguments = parse(tool, name, command, argv)
    problem = check_arguments(name, command, arguments)
    if problem:
        print(problem, file=sys.stderr)
        return _FAILED
    with LuxiClient(paths.master_socket) as client:
        return command.run(Session(paths, tool.program, name, options, client), arguments)


def _main(program: str) -> int:
    gc.set_threshold(_GARBAGE_AFTER)
    open_closed()
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A terminal of few characters shows the others as escapes; it does not end the command.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        status = run_tool(program, sys.argv[1:], Paths.from_environment())
        sys.stdout.flush()
    except KeyboardInterrupt:
        print("Aborted. Note that if the operation created any jobs, they might have been"
              " submitted and will continue to run in the background.", file=sys.stderr)
        return _FAILED
    except BrokenPipeError:
        flush_or_forget()
        return _FAILED
    except OSError as exc:
        flush_or_forget()
        where = f"{exc.filename}: " if exc.filename else ""
        print(f"{program}: {where}{exc.strerror or exc}", file=sys.stderr)
        return _FAILED
    return status


def cluster() -> int:
    return _main("gnt-cluster")


def node() -> int:
    return _main("gnt-node")


def instance() -> int:
    return _main("gnt-instance")


def backup() -> int:
    return _main("gnt-backup")


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


def network() -> int:
    return _main("gnt-network")


def storage() -> int:
    return _main("gnt-storage")
