"""Processes that outlive the hook that began them, and are found again after any accident.

A pid file can be missing, stale or half written; the environment of a process cannot. So a kept
process, and whatever it starts, carries a mark in its environment: the driver's folder on this node
(`HookContext.state`), a name, and what shall be known of it later. What clears its environment
hides itself.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field, replace
from typing import Any, Literal

from ganeti_core.lazy_dataclass import dataclass

from .context import HookContext
from .run import DEFAULT_PATH, CommandFailed, run_command
from .scopes import own_scope

MARK = "GANETI_KEPT"
_MARKED = f"{MARK}=".encode()
_CHUNK = 1 << 16
POLL = 0.01
"""Seconds between two looks at processes that are to change."""
EXEC_PATIENCE = 1.0
"""Seconds that a process may be without an environment because it is becoming another program."""

Whom = Literal["all", "first", "others"]
_PARTS: dict[Whom, slice] = {
    "all": slice(None), "first": slice(0, 1), "others": slice(1, None)}
_ENTER = 'exec "$@" >>"$0" 2>&1'


@dataclass(frozen=True)
class Kept:
    """A process that was begun, with those that it started, the first one first.

    `facts`: what `begin` was told. `stopped`: the first one is halted, as `pause` does it.
    """

    name: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    pids: tuple[int, ...] = ()
    stopped: bool = False


def mark(ctx: HookContext, name: str, facts: Mapping[str, Any] | None = None) -> dict[str, str]:
    """The environment by which `kept` will know a process, for programs that become daemons.

    :param facts: what is to be known of it, as JSON has it
    """
    return {"PATH": os.environ.get("PATH", DEFAULT_PATH),
            MARK: json.dumps([str(ctx.state), name, dict(facts or {})])}


def begin(
    ctx: HookContext, name: str, words: Sequence[str | os.PathLike[str]], *,
    facts: Mapping[str, Any] | None = None, env: Mapping[str, str] | None = None,
) -> None:
    """Start a program in a session of its own; what it prints goes to ``NAME.log`` in `ctx.logs`.

    Where systemd is the init system, it has a scope of its own (`scopes.own_scope`). Whether it is
    still there a moment later, `kept` says. The log is appended to and never rotated: what writes
    much for months should write to files of its own. A signal that the caller ignores is ignored by
    the program and all that it starts; hooks run with the usual handling of all.

    :param env: added to the environment, which is otherwise `mark`: ``PATH`` and the mark itself,
        and nothing of the daemon's

    :raises CommandFailed: nothing could be started
    """
    command = ["setsid", "--fork", "sh", "-c", _ENTER, ctx.logs / f"{name}.log", *words]
    environment = {**mark(ctx, name, facts), **(env or {})}
    if scope := own_scope(name):
        with contextlib.suppress(CommandFailed):
            run_command([*scope, *command], timeout=10, env=environment, cwd=ctx.state)
            return
    run_command(command, timeout=10, env=environment, cwd=ctx.state)


def kept(ctx: HookContext) -> dict[str, Kept]:
    """Find the processes of this driver on this node, by name."""
    found: dict[str, Kept] = {}
    for one in _found(ctx):
        known = found.get(one.name) or Kept(one.name, one.facts, stopped=one.stopped)
        found[one.name] = replace(known, pids=(*known.pids, one.pid))
    return found


def send(ctx: HookContext, name: str, number: int, to: Whom = "all") -> bool:
    """Send a signal to a process and those that it started, or only to a part of them.

    :param to: ``all``, the ``first`` process alone, or the ``others``, which it started
    :returns: whether there is such a process
    """
    one = kept(ctx).get(name, Kept(name))
    for pid in one.pids[_PARTS[to]]:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue  # it has just ended
    return bool(one.pids)


def pause(ctx: HookContext, name: str) -> None:
    """Halt a process, and those that it started, until they get SIGCONT; nothing happens when
    there is none."""
    while running := [one for one in _found(ctx) if one.name == name and not one.stopped]:
        pids = {one.pid for one in running}
        for one in running:
            # Parents first: one that has just forked may wait, deaf to signals, until its child
            # has become another program, which a child that is halted never does.
            if one.parent not in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(one.pid, signal.SIGSTOP)
        time.sleep(POLL)


def end(ctx: HookContext, name: str, patience: float = 0.0) -> None:
    """End a process: SIGTERM, after `patience` seconds SIGKILL; back when nothing of it is left."""
    until = time.monotonic() + patience
    patient = patience > 0 and send(ctx, name, signal.SIGTERM)
    if patient:
        send(ctx, name, signal.SIGCONT)  # one that is halted would not hear
    while send(ctx, name, 0 if patient else signal.SIGKILL):
        time.sleep(POLL)
        patient = patient and time.monotonic() < until


@dataclass(frozen=True)
class _Found:
    """A process with a mark; `started`: by another kept one, not by `begin`."""

    started: bool
    pid: int
    parent: int
    stopped: bool
    folder: str
    name: str
    facts: dict[str, Any]


def _found(ctx: HookContext) -> list[_Found]:
    """The processes of this driver, of each name the first one first."""
    return sorted((one for one in _marked() if one.folder == str(ctx.state)),
                  key=lambda one: (one.started, one.pid))


def _marked() -> Iterator[_Found]:
    """Look at all processes of the host, which a hook may do often: `os` alone is quick enough."""
    seen: set[str] = set()
    # One that forks and ends while we look would hide its child: look until nothing new is there.
    while new := {entry for entry in os.listdir("/proc") if entry.isdigit()} - seen:
        yield from filter(None, map(_look, new))
        seen |= new


def _look(pid: str) -> _Found | None:
    """What is told of a process; None when it has no mark."""
    try:
        environment = _environment(pid)
        if _MARKED not in environment:
            return None
        marks = [word for word in environment.split(b"\0") if word.startswith(_MARKED)]
        if not marks:
            return None
        stat = _content(pid, "stat").decode(errors="replace")
        state, parent, _, session = stat.rpartition(")")[2].split()[:4]
        folder, name, facts = json.loads(marks[0].partition(b"=")[2])
    except (OSError, ValueError):
        return None  # it ended, is not ours to see, or says something of its own
    return _Found(pid != session, int(pid), int(parent), state == "T", folder, name, facts)


def _environment(pid: str) -> bytes:
    """Read the environment; of one that is just becoming another program, that of the other one.

    :raises OSError: it ended, it is the kernel's, or not ours to see
    """
    until = time.monotonic() + EXEC_PATIENCE
    while not (found := _content(pid, "environ")):
        # Neither environment nor arguments, but a program: it is between two of them.
        os.readlink(f"/proc/{pid}/exe")
        if _content(pid, "cmdline") or time.monotonic() > until:
            return _content(pid, "environ")
        time.sleep(POLL / 10)
    return found


def _content(pid: str, name: str) -> bytes:
    descriptor = os.open(f"/proc/{pid}/{name}", os.O_RDONLY | os.O_CLOEXEC)
    try:
        content = b""
        while more := os.read(descriptor, _CHUNK):
            content += more
        return content
    finally:
        os.close(descriptor)
