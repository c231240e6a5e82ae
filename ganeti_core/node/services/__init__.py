"""The node services that are no hooks: one function each, listed in `SERVICE_FUNCTIONS`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ganeti_core.node.services import (
    cluster_files,
    consoles,
    copies,
    crypto,
    disks,
    exports,
    facts,
    helpers,
    hosts_file,
    installed,
    master_ip,
    members,
    power,
    recovery,
    replica,
    restricted,
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
    "node.trace": simple.trace,
    "call.outcome": simple.outcome,
    "call.feedback": simple.feedback,
    "node.facts": facts.facts,
    "node.installed": installed.installed,
    "node.restart": simple.restart,
    "node.members": members.exchange,
    "node.collectors": simple.collectors,
    "node.survey": survey.survey,
    "node.verify": verify.verify,
    "node.ssconf": cluster_files.write_ssconf,
    "node.leave": cluster_files.leave,
    "node.scripts": scripts.run_scripts,
    "node.recover": recovery.recover,
    "node.stop_master": replica.stop_master,
    "node.start_master": replica.start_master,
    "node.crypto": crypto.renew,
    "node.reload": simple.reload,
    "node.restricted": restricted.restricted,
    "node.power": power.power,
    "node.master_ip": master_ip.master_ip,
    "node.hosts_file": hosts_file.name_host,
    "console.open": consoles.open_console,
    "disk.left_behind": copies.left_behind,
    "disk.give": disks.give,
    "disk.end": disks.end,
    "export.list": exports.exports,
    "export.config": exports.config,
    "export.sizes": exports.sizes,
    "export.begin": exports.begin,
    "export.receive": exports.receive,
    "export.finish": exports.finish,
    "export.abort": exports.abort,
    "export.remove": exports.remove,
    "export.give": exports.give,
    "export.end": exports.end,
    "helper.check": helpers.check,
    "helper.image": helpers.image,
    "helper.forget": helpers.forget,
    "replica.position": replica.position,
    "replica.append": replica.append,
    "replica.copy": replica.copy,
    "replica.mark": replica.mark,
    "replica.promise": replica.promise,
}
"""(state, plain arguments, deadline on the monotonic clock) -> plain result"""
