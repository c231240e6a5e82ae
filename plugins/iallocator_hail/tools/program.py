"""What all programs share: reading the command line, reporting errors, exit codes."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..errors import PlacementError
from .getopt import Option, scan, usage
from .options import APPLY, OPTIONS, STANDARD
from .output import note, say
from .settings import Settings

VERSION = "3.0.2"
"""The release whose behaviour the programs have."""
_GARBAGE_AFTER = 200_000
"""New objects after which the interpreter looks for garbage."""


@dataclass(frozen=True, slots=True)
class Tool:
    """A program: its options in the order of its help, and how many arguments it takes.

    `extra` are options of ours that the help lists after the others.
    """

    name: str
    options: tuple[str, ...]
    run: Callable[[Settings, list[str]], int]
    extra: tuple[str, ...] = ()
    arguments: tuple[str, int, int] = ("none", 0, 0)

    def table(self) -> list[Option]:
        """All options."""
        return [OPTIONS[name] for name in (*self.options, *self.extra, *STANDARD)]


def execute(tool: Tool, argv: Sequence[str] | None = None) -> int:
    """Run a program with a command line; return its exit code.

    2 for a command line that makes no sense, 1 for any other error, which is printed.
    """
    parsed = scan(tool.table(), sys.argv[1:] if argv is None else argv)
    if parsed.errors:
        complaints = "".join(parsed.errors)
        note(f"Command line error: {complaints}\n{_usage(tool)}".rstrip("\n"))
        return 2
    settings = Settings()
    try:
        for option, value in parsed.options:
            APPLY[option.long](settings, value)
    except PlacementError as exc:
        note(f"Error while parsing command line arguments:\n{exc}")
        return 1
    if settings.show:
        return _show(tool, settings.show)
    return _guarded(tool, settings, parsed.words)


def _guarded(tool: Tool, settings: Settings, words: list[str]) -> int:
    import numpy as np

    # What is read stays until the end: looking through it for garbage again and again is in vain.
    thresholds = gc.get_threshold()
    gc.set_threshold(_GARBAGE_AFTER)
    try:
        with np.errstate(all="ignore"):
            return tool.run(settings, words)
    except PlacementError as exc:
        note(f"Error: {exc}")
        return 1
    except BrokenPipeError:
        # Whoever reads us has seen enough; do not complain again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    finally:
        gc.set_threshold(*thresholds)


def no_arguments(words: Sequence[str]) -> None:
    """Refuse arguments.

    :raises PlacementError: there are some.
    """
    if words:
        raise PlacementError("This program doesn't take any arguments.")


def _usage(tool: Tool) -> str:
    header = f"{tool.name} (ganeti) version {VERSION}\nUsage: {tool.name} [OPTION...]"
    return usage(header, tool.table())


def _show(tool: Tool, what: str) -> int:
    if what == "help":
        say(_usage(tool).rstrip("\n"))
    elif what == "version":
        python = ".".join(map(str, sys.version_info[:3]))
        say(f"{tool.name} (ganeti) version {VERSION}")
        say(f"running on Python {python}, {sys.platform}")
    else:
        for option in tool.table():
            names = [f"-{option.short}"] if option.short else []
            say(f"{','.join([*names, '--' + option.long])} {option.completion}")
        kind, least, most = tool.arguments
        if most:
            say(f"{kind} {least} {most}")
    return 0
