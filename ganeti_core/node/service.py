"""What a node answers: checks who may ask, acts once per call id, one at a time per object."""

from __future__ import annotations

import logging
import time
from dataclasses import field, replace
from typing import TYPE_CHECKING, Any

from ganeti_core.errors import GanetiError, NotSupported, RpcError
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.node.hooks import HookRequest
from ganeti_core.node.running import RunningCall
from ganeti_core.node.services import SERVICE_FUNCTIONS
from ganeti_core.node.subjects import Subjects
from ganeti_core.rpc.access import Role, check_access, open_to_all_nodes, role_of
from ganeti_core.rpc.calls import HOOK, SERVICES
from ganeti_core.rpc.outcomes import internal_failure
from ganeti_core.rpc.wire import Envelope, failure, is_failure, success
from ganeti_core.spans import span, within

if TYPE_CHECKING:
    from collections.abc import Callable

    from ganeti_core.node.state import NodeState
    from ganeti_core.rpc.access import Caller
    from ganeti_core.rpc.server import Request
    from ganeti_core.spans import Export

log = logging.getLogger(__name__)


@dataclass
class NodeService:
    """The handler of a node's `RpcServer`.

    :param strangers: answers callers without certificate; None refuses them
    :param spans: takes what is done here for callers who tell tracing systems of it
    """

    state: NodeState
    strangers: Callable[[Caller, str, dict[str, Any]], Any] | None = None
    spans: Export | None = None
    _subjects: Subjects = field(default_factory=Subjects)

    def __call__(self, caller: Caller, request: Request) -> Envelope:
        """Return one request; never raises."""
        began = time.monotonic()
        try:
            envelope = self._answer(caller, request)
        except Exception as exc:
            if not isinstance(exc, GanetiError):
                log.exception("%s failed", request.service)
            envelope = internal_failure(exc)
        if is_failure(envelope):
            log.warning("%s for %s after %.3f s: %s", _title(request), caller.address,
                        time.monotonic() - began, envelope["error"][1])
        return envelope

    def _answer(self, caller: Caller, request: Request) -> Envelope:
        role = role_of(caller, self.state.members)
        if role is Role.ANONYMOUS and self.strangers is not None:
            return success(self.strangers(caller, request.service, request.args))
        check_access(role, request.service)
        if not open_to_all_nodes(request.service):
            self.state.gate.wait()
            # What this node has learned meanwhile may concern this very caller.
            check_access(role_of(caller, self.state.members), request.service)
        if role is Role.NODE:
            request = _without_settings(request)
        with within(request.trace, self.spans), span(
                _title(request), "server",
                ganeti__node=self.state.world.local.identity.name) as opened:
            envelope = self._done(caller, request)
            if opened is not None and is_failure(envelope):
                opened.error = str(envelope["error"][1])
            return envelope

    def _done(self, caller: Caller, request: Request) -> Envelope:
        if (known := SERVICES.get(request.service)) is not None and known.names_caller:
            owner = self.state.members.known().owner(caller.fingerprint)
            request = replace(request, args={**request.args, "caller": owner})
        call = RunningCall(
            f"{_title(request)} (call {request.call_id or 'without id'})",
            time.monotonic() + request.timeout, request.abandoned)
        act, changes = self._plan(request, call)
        if not changes:
            return act()
        self.state.epochs.admit(request.epoch)
        log.info("%s, epoch %d", call.title, request.epoch)
        if not request.call_id:
            return self._alone(request, call, act)
        return self.state.outcomes.run_once(
            request.call_id, request.timeout, lambda: self._alone(request, call, act))

    def _plan(
        self, request: Request, call: RunningCall
    ) -> tuple[Callable[[], Envelope], bool]:
        """Find what answers the request, and whether it changes the node.

        The contract decides that, not the caller.
        """
        if request.service == HOOK:
            hook = HookRequest.from_args(request.args)
            where = hook.where()
            return lambda: self._run(hook, call, request.call_id), where.changes
        if request.service not in SERVICES:
            raise NotSupported(f"this node knows no service {request.service}")
        function = SERVICE_FUNCTIONS[request.service]
        return (lambda: success(function(self.state, request.args, call.deadline)),
                SERVICES[request.service].changes)

    def _run(self, hook: HookRequest, call: RunningCall, call_id: str) -> Envelope:
        with self.state.telling.of(call_id) as told:
            return self.state.dispatcher.run(hook, call, told)

    def _alone(
        self, request: Request, call: RunningCall, act: Callable[[], Envelope]
    ) -> Envelope:
        """Act while no other call changes the same object.

        Half the call's time may go into waiting: the rest must do for the work, since what is
        killed halfway has to be undone.
        """
        try:
            with self._subjects.hold(request.subject, call, request.timeout / 2):
                if call.abandoned():
                    # Its undo may have been here already.
                    raise RpcError(f"{call.title} was not begun: its caller is gone")
                return act()
        except GanetiError as exc:
            return failure(exc)
        except Exception as exc:  # wall: what failed unforeseen is still the call's outcome
            log.exception("%s failed", call.title)
            return internal_failure(exc)


def _without_settings(request: Request) -> Request:
    """The request without what only the master knows: settings say which folders are searched."""
    return replace(request, args={
        name: value for name, value in request.args.items() if name != "settings"})


def _title(request: Request) -> str:
    if request.service != HOOK:
        return request.service
    return "{} {}: {}".format(
        *(str(request.args.get(key)) for key in ("kind", "driver", "hook")))
