"""Kill a process in the middle of a hook, at each of its steps in turn.

The steps are what Python reports of a program that touches the world (`sys.addaudithook`): files
opened for writing, renamed and removed, programs started, sockets used. The hook runs in a forked
child; the child counts its steps and, at the one it was told, kills itself before that step.
"""

from __future__ import annotations

import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

STEPS = ("os.", "shutil.", "subprocess.", "socket.", "fcntl.", "pty.", "signal.")
NO_STEPS = frozenset({"os.listdir", "os.scandir", "os.walk", "os.fwalk", "os.getxattr",
                      "os.listxattr", "socket.__new__", "socket.gethostname"})
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
FAILED = 3
NEVER = -1


def killed_at_each_step(hook: Callable[[], object], most: int) -> Iterator[int]:
    """Run `hook` again and again in a child that is killed one step later each time.

    Yields the step before which it was killed, with the world as the dead child left it; the body
    of the loop puts it right before the next try. The last round runs to its end, to know that
    every step was tried. Of a hook with many steps only `most` are chosen, evenly.
    """
    steps = _run(hook, NEVER)
    yield steps
    for step in _spread(steps, most):
        _run(hook, step)
        yield step


def _spread(steps: int, most: int) -> list[int]:
    if steps <= most:
        return list(range(steps))
    return sorted({index * (steps - 1) // (most - 1) for index in range(most)})


def _run(hook: Callable[[], object], kill_at: int) -> int:
    """Run in a child; return the number of steps that were made.

    :raises AssertionError: the hook failed instead of being killed
    """
    told, tell = os.pipe()
    with warnings.catch_warnings():
        # Forking beside threads is what we want here: the child runs one hook and is gone.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        os.close(told)
        _child(hook, kill_at, tell)
    os.close(tell)
    with os.fdopen(told) as report:
        text = report.read()
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    counted, _, problem = text.partition("\n")
    if code == -signal.SIGKILL and kill_at != NEVER:
        return kill_at
    assert code == 0, f"the hook failed in a process of its own: {problem or code}"
    return int(counted)


def _child(hook: Callable[[], object], kill_at: int, tell: int) -> NoReturn:
    made = 0

    def count(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal made
        if not _is_step(event, arguments):
            return
        if made == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        made += 1

    try:
        sys.addaudithook(count)
        hook()
        os.write(tell, f"{made}\n".encode())
    except BaseException as exc:  # noqa: BLE001  # the child must never return into the test run
        os.write(tell, f"{made}\n{type(exc).__name__}: {exc}".encode())
        os._exit(FAILED)
    os._exit(0)


def _is_step(event: str, arguments: tuple[Any, ...]) -> bool:
    if event == "open":
        return bool(arguments[2] & WRITING) if isinstance(arguments[2], int) else True
    if event == "os.kill" and arguments[0] == os.getpid():
        return False  # the blow itself
    return event.startswith(STEPS) and event not in NO_STEPS
