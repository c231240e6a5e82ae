"""Standard input, output and errors of a command, where one is closed or nobody takes it."""

from __future__ import annotations

import os
import sys


def open_closed() -> None:
    """Let standard streams that this process was started without lead nowhere.

    Python has none then: what asks a stream fails, errors are printed to the output, and the next
    file or socket that is opened gets its number, into which child processes would write.
    """
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        if getattr(sys, name) is None:
            descriptor = os.open(os.devnull, os.O_RDWR)
            if descriptor == number:
                os.set_inheritable(descriptor, True)
            setattr(sys, name, os.fdopen(descriptor, mode))


def flush_or_forget() -> None:
    """Write what is left to standard output; if that fails, drop it.

    Python flushes once more on exit, and would print a traceback of its own.
    """
    try:
        sys.stdout.flush()
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
