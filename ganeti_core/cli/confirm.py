"""Asking the user before something that cannot be taken back."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ganeti_core.cli.failure import EXIT_CONFIRMATION, CommandError

if TYPE_CHECKING:
    from collections.abc import Sequence


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


def choose(
    title: str, choices: Sequence[str], question: str, way_around: str
) -> str | None:
    """Let the user choose one by its number on the terminal; None when the user does not want to.

    :raises CommandError: there is no terminal to ask on; it names `way_around`
    """
    print(title)
    for number, choice in enumerate(choices):
        print(f"{number:3}: {choice}")
    if not sys.stdin.isatty():
        raise CommandError(f"No terminal to ask on: not done; use {way_around} instead.")
    while True:
        print(question, end=" ", flush=True)
        answer = sys.stdin.readline().strip().lower()
        if answer in ("", "x"):
            return None
        if answer.isdecimal() and int(answer) < len(choices):
            return choices[int(answer)]
        print("Please answer with one of the numbers, or x.")


def refused(status: int = EXIT_CONFIRMATION) -> CommandError:
    return CommandError("Not confirmed, nothing was done.", status)
