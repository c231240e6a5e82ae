"""Let hypervisors find their guests again, and clean up after dead ones."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from ganeti_core.node.hooks import HookRequest
from ganeti_core.node.running import RunningCall
from ganeti_core.node.services.arguments import decode
from ganeti_core.node.services.facts import FactsArgs
from ganeti_core.plugin_api.hypervisor import HYPERVISORS
from ganeti_core.rpc.wire import is_failure

if TYPE_CHECKING:
    from ganeti_core.node.state import NodeState
    from ganeti_core.rpc.wire import Envelope

log = logging.getLogger(__name__)


def recover(state: NodeState, args: dict[str, Any], deadline: float) -> dict[str, Envelope]:
    """Ask every hypervisor of this node to recover; return an envelope per driver.

    A driver's result is what it did, a line each.
    """
    settings = decode(FactsArgs, args).settings or {}
    answers = {}
    for kind, driver, _ in state.world.drivers():
        if kind is HYPERVISORS:
            request = HookRequest(kind.name, driver, "recover", {}, settings)
            answers[driver] = state.dispatcher.run(
                request, RunningCall(request.title, deadline))
            _log(driver, answers[driver])
    return answers


def _log(driver: str, envelope: Envelope) -> None:
    if is_failure(envelope):
        log.error("hypervisor %s could not recover: %s", driver, envelope["error"][1])
        return
    for line in envelope["ok"]:
        log.info("hypervisor %s recovered: %s", driver, line)
