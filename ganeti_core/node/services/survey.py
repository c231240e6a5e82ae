"""Many read-only hooks in one round trip: what a listing or `verify` wants to know of a node."""

from __future__ import annotations

import os
import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganeti_core.errors import ECODE_INVAL, GanetiError, OpExecError, OpPrereqError, PluginError
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.node.hooks import HookRequest
from ganeti_core.node.running import RunningCall
from ganeti_core.node.services.arguments import decode
from ganeti_core.rpc.wire import Envelope, failure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ganeti_core.node.state import NodeState

LANES = 8
"""Plugins that are asked at one time."""
PROMPT_SECONDS = 0.1
"""After which one more plugin is asked beside those that have not answered: each takes a worker
process, and to fork one costs more than most answers."""
CROWDED_SECONDS = 2.0
"""The same where processors are what they wait for: all would take longer then, until each is given
up for a plugin that hangs."""
STAT = Path("/proc/stat")
Lane = list[int]
"""Which hooks of a survey are one plugin's, in order."""


@dataclass(frozen=True)
class SurveyArgs:
    """Of ``node.survey``: each of `hooks` has kind, driver, hook, arguments, perhaps settings.

    `settings` hold for those without their own.
    """

    hooks: list[dict[str, Any]]
    settings: dict[str, Any] = field(default_factory=dict)


def survey(state: NodeState, args: dict[str, Any], deadline: float) -> list[Envelope]:
    """Return one envelope (``{"ok": ...}`` or ``{"error": ...}``) per hook, in order.

    Plugins that are slow are asked side by side, so that one which hangs delays no other's answers,
    but few at a time where they wait for a processor. Hooks of one plugin are asked one after
    another, and no more of them after one that used all of its time.
    """
    wanted = decode(SurveyArgs, args)
    lanes: dict[tuple[str, str], Lane] = {}
    hooks = [{"arguments": {}, "settings": wanted.settings, **hook} for hook in wanted.hooks]
    for at, hook in enumerate(hooks):
        lanes.setdefault((str(hook.get("kind")), str(hook.get("driver"))), []).append(at)
    answers: dict[int, Envelope] = {}

    def walk(lane: Lane) -> None:
        hung = ""
        for at in lane:
            answers[at], hangs = _ask(state, hooks[at], deadline, hung)
            hung = hung or hangs

    if len(lanes) == 1:
        walk(list(range(len(hooks))))
    elif lanes:
        walk_all(lanes.values(), walk)
    return [answers[at] for at in range(len(hooks))]


def walk_all(lanes: Iterable[Lane], walk: Callable[[Lane], None]) -> None:
    """Walk one lane after the other, and more and more at one time while that takes long."""
    left = deque(lanes)

    def walk_on() -> None:
        while left:
            try:
                lane = left.popleft()
            except IndexError:
                return  # another thread has just taken the last one
            walk(lane)

    with ThreadPoolExecutor(LANES, "survey") as threads:
        walkers = [threads.submit(walk_on)]
        while _are_slow(walkers) and left and len(walkers) < LANES:
            walkers.append(threads.submit(walk_on))
        for walker in walkers:
            walker.result()


def _are_slow(walkers: list[Future[None]]) -> bool:
    """Whether they have not ended after a time, so that one more may be of use."""
    until = time.monotonic() + CROWDED_SECONDS
    while wait(walkers, PROMPT_SECONDS).not_done:
        if not is_crowded() or time.monotonic() > until:
            return True
    return False


def is_crowded() -> bool:
    """Whether more threads of this host want to run than it has processors."""
    for line in STAT.read_text().splitlines():
        name, _, value = line.partition(" ")
        if name == "procs_running":
            return int(value) > (os.cpu_count() or 1)
    return False


def _ask(
    state: NodeState, args: dict[str, Any], deadline: float, hung: str
) -> tuple[Envelope, str]:
    """Ask a hook, unless one of its plugin `hung` before; returns its name too where it hangs."""
    try:
        request = HookRequest.from_args(args)
        if request.where().changes:
            raise OpPrereqError(f"{request.title} changes the node: no survey", ECODE_INVAL)
        if hung:
            raise PluginError.in_hook(request.title, f"not asked, for its hook {hung} hung")
        call = RunningCall(request.title, deadline)
        if not call.left:
            raise OpExecError(f"{request.title} was not asked: those before it took too long")
    except GanetiError as exc:
        return failure(exc), ""
    envelope = state.dispatcher.run(request, call)
    return envelope, request.hook if state.dispatcher.hangs(request) else ""
