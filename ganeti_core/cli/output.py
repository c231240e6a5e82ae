"""What is done with standard output when nobody can take it."""

from __future__ import annotations

import os
import sys


def flush_or_forget() -> None:
    """Write what is left; if that fails, drop it.

    Python flushes once more on exit, and would print a traceback of its own.
    """
    try:
        sys.stdout.flush()
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
