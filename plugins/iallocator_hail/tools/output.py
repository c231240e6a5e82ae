"""Writing to the terminal."""

from __future__ import annotations

import sys


def say(text: str = "") -> None:
    """Print a line of results."""
    sys.stdout.write(text + "\n")


def note(text: str = "") -> None:
    """Print a line beside the results, on standard error."""
    sys.stderr.write(text + "\n")
