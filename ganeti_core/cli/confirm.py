"""Asking the user before something that cannot be taken back."""

from __future__ import annotations

import sys

from ganeti_core.cli.failure import EXIT_CONFIRMATION, CommandError


def ask(question: str, way_around: str = "--force") -> bool:
    """Ask on the terminal; without one the answer is no, and `way_around` is named.

    :raises CommandError: the user aborted
    """
    if not sys.stdin.isatty():
        print(f"{question}\nNo terminal to ask on: not done; use {way_around} to go ahead.",
              file=sys.stderr)
        return False
    while True:
        print(f"{question}\ny/[n]/?: ", end="", flush=True)
        match sys.stdin.readline().strip().lower():
            case "y" | "yes":
                return True
            case "n" | "no" | "":
                return False
            case "?":
                print("  y - Go ahead\n  n - Do not go ahead")
            case _:
                print("Please answer y or n.")


def refused(status: int = EXIT_CONFIRMATION) -> CommandError:
    return CommandError("Not confirmed, nothing was done.", status)
