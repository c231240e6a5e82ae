"""Services of a few lines: is the node there, which epoch, what became of a call, a test delay,
reports of collectors, a new look for plugins, a restart of the node's daemons."""

from __future__ import annotations

import time
from dataclasses import field
from typing import TYPE_CHECKING, Any

from ganeti_core.errors import OpExecError
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.node.services.arguments import decode

if TYPE_CHECKING:
    from ganeti_core.node.state import NodeState


def ping(state: NodeState, _args: dict[str, Any], _deadline: float) -> dict[str, Any]:
    """Return ``{"uuid", "name", "time"}``."""
    identity = state.world.local.identity
    return {"uuid": identity.uuid, "name": identity.name, "time": time.time()}


def epoch(state: NodeState, _args: dict[str, Any], _deadline: float) -> dict[str, Any]:
    """Return ``{"epoch": n}``, the highest master epoch that this node has seen."""
    return {"epoch": state.epochs.highest()}


def restart(state: NodeState, _args: dict[str, Any], _deadline: float) -> None:
    """Begin to restart the daemons of this node, this one among them; they run on for a moment.

    :raises OpExecError: that cannot be begun
    """
    try:
        state.restart_daemons()
    except OSError as exc:
        raise OpExecError(f"the daemons cannot be restarted: {exc}") from exc


@dataclass(frozen=True)
class OutcomeArgs:
    """Of ``call.outcome``."""

    call_id: str


def outcome(state: NodeState, args: dict[str, Any], _deadline: float) -> dict[str, Any]:
    """Return ``{"state": "unknown" | "running" | "done" | "failed"}`` with result or error."""
    return state.outcomes.tell(decode(OutcomeArgs, args).call_id)


@dataclass(frozen=True)
class FeedbackArgs:
    """Of ``call.feedback``; `after`: how many lines the asker has already."""

    call_id: str
    after: int


def feedback(state: NodeState, args: dict[str, Any], _deadline: float) -> dict[str, Any]:
    """Return ``{"lines": [...]}``: what the hook of a call under way has told its job since."""
    asked = decode(FeedbackArgs, args)
    return {"lines": state.telling.since(asked.call_id, max(0, asked.after))}


@dataclass(frozen=True)
class ReloadArgs:
    """Of ``node.reload``; `settings`: as of hook calls, they say where sources look."""

    settings: dict[str, Any]


def reload(state: NodeState, args: dict[str, Any], _deadline: float) -> None:
    """Look again for plugins; hooks under way end with what they began with."""
    if state.world.reload(decode(ReloadArgs, args).settings):
        state.dispatcher.workers.renew()
    state.collecting.settings_changed()


@dataclass(frozen=True)
class TraceArgs:
    """Of ``node.trace``; `after`: the serial of the last answer, None to begin."""

    kind: str
    name: str
    after: int | None = None


def trace(state: NodeState, args: dict[str, Any], _deadline: float) -> dict[str, Any]:
    """Return the calls of a plugin's hooks since the last question; see `Traces.watch`."""
    asked = decode(TraceArgs, args)
    return state.dispatcher.traces.since(f"{asked.kind} {asked.name}", asked.after)


@dataclass(frozen=True)
class DelayArgs:
    """Of ``node.delay``; `duration` in seconds."""

    duration: float


def delay(state: NodeState, args: dict[str, Any], deadline: float) -> None:
    """Wait, for tests of jobs; ends early when the node leaves its cluster."""
    duration = decode(DelayArgs, args).duration
    if state.leave.wait(min(duration, max(0.0, deadline - time.monotonic()))):
        raise OpExecError("the node daemon is ending")


@dataclass(frozen=True)
class CollectorsArgs:
    """Of ``node.collectors``; no names are all."""

    names: list[str] = field(default_factory=list)


def collectors(state: NodeState, args: dict[str, Any], _deadline: float) -> list[dict[str, Any]]:
    """Return a row per collector.

    ``name``, ``category``, ``kind``, ``interval`` (seconds), ``active``, ``report`` (the last one,
    in the form of Ganeti's monitoring daemon; None before the first) and ``error``: why the last
    call failed.
    """
    return state.collecting.reports(decode(CollectorsArgs, args).names)
