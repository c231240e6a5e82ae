"""Services of a few lines: is the node there, which epoch, what became of a call, a test delay."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ganeti_core.errors import OpExecError
from ganeti_core.node.services.arguments import decode

if TYPE_CHECKING:
    from ganeti_core.node.state import NodeState


def ping(state: NodeState, _args: dict[str, Any], _deadline: float) -> dict[str, Any]:
    """Answer ``{"uuid", "name", "time"}``."""
    identity = state.world.place.identity
    return {"uuid": identity.uuid, "name": identity.name, "time": time.time()}


def epoch(state: NodeState, _args: dict[str, Any], _deadline: float) -> dict[str, Any]:
    """Answer ``{"epoch": n}``, the highest master epoch that this node has seen."""
    return {"epoch": state.epochs.highest()}


@dataclass(frozen=True)
class OutcomeArgs:
    """Of ``call.outcome``."""

    call_id: str


def outcome(state: NodeState, args: dict[str, Any], _deadline: float) -> dict[str, Any]:
    """Answer ``{"state": "unknown" | "running" | "done" | "failed"}`` with result or error."""
    return state.outcomes.tell(decode(OutcomeArgs, args).call_id)


@dataclass(frozen=True)
class DelayArgs:
    """Of ``node.delay``; `duration` in seconds."""

    duration: float


def delay(state: NodeState, args: dict[str, Any], deadline: float) -> None:
    """Wait, for tests of jobs; ends early when the node leaves its cluster."""
    duration = decode(DelayArgs, args).duration
    if state.leave.wait(min(duration, max(0.0, deadline - time.monotonic()))):
        raise OpExecError("the node daemon is ending")
