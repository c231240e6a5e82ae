"""The node services that are no hooks: one function each, listed in `SERVICE_FUNCTIONS`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ganeti_core.node.services import (
    cluster_files,
    crypto,
    facts,
    master_ip,
    recovery,
    replica,
    scripts,
    simple,
    survey,
    verify,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from ganeti_core.node.state import NodeState

ServiceFunction = "Callable[[NodeState, dict[str, Any], float], Any]"

SERVICE_FUNCTIONS: dict[str, Callable[[NodeState, dict[str, Any], float], Any]] = {
    "node.ping": simple.ping,
    "node.epoch": simple.epoch,
    "node.delay": simple.delay,
    "call.outcome": simple.outcome,
    "node.facts": facts.facts,
    "node.survey": survey.survey,
    "node.verify": verify.verify,
    "node.ssconf": cluster_files.write_ssconf,
    "node.leave": cluster_files.leave,
    "node.scripts": scripts.run_scripts,
    "node.recover": recovery.recover,
    "node.stop_master": replica.stop_master,
    "node.crypto": crypto.renew,
    "node.master_ip": master_ip.master_ip,
    "replica.position": replica.position,
    "replica.append": replica.append,
    "replica.copy": replica.copy,
    "replica.mark": replica.mark,
    "replica.promise": replica.promise,
}
"""(state, plain arguments, deadline on the monotonic clock) -> plain result"""
