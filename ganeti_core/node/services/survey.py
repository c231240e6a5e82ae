"""Many read-only hooks in one round trip: what a listing or `verify` wants to know of a node."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ganeti_core.errors import ECODE_INVAL, GanetiError, OpExecError, OpPrereqError
from ganeti_core.node.hooks import HookRequest
from ganeti_core.node.running import RunningCall
from ganeti_core.node.services.arguments import decode
from ganeti_core.rpc.wire import Envelope, failure

if TYPE_CHECKING:
    from ganeti_core.node.state import NodeState


@dataclass(frozen=True)
class SurveyArgs:
    """Of ``node.survey``: each of `hooks` has kind, driver, hook, arguments, perhaps settings.

    `settings` hold for those without their own.
    """

    hooks: list[dict[str, Any]]
    settings: dict[str, Any] = field(default_factory=dict)


def survey(state: NodeState, args: dict[str, Any], deadline: float) -> list[Envelope]:
    """Answer one envelope (``{"ok": ...}`` or ``{"error": ...}``) per hook, in order."""
    wanted = decode(SurveyArgs, args)
    return [_ask(state, {"arguments": {}, "settings": wanted.settings, **hook}, deadline)
            for hook in wanted.hooks]


def _ask(state: NodeState, args: dict[str, Any], deadline: float) -> Envelope:
    try:
        request = HookRequest.from_args(args)
        if request.where().changes:
            raise OpPrereqError(f"{request.title} changes the node: no survey", ECODE_INVAL)
        call = RunningCall(request.title, deadline)
        if not call.left:
            raise OpExecError(f"{request.title} was not asked: those before it took too long")
    except GanetiError as exc:
        return failure(exc)
    return state.dispatcher.run(request, call)
