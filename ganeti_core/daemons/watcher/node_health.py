"""What the watcher does on a node that is marked offline: it ends the guests that still run there.

Who marks a node offline believes it to be dead, and may start its instances elsewhere. Where the
cluster's setting ``maintain_node_health`` is on, such a node sees to it that they run only once. It
learns from the master candidates' confds how it is marked, for nobody tells it.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from ganeti_core.confd.answers import ROLE_OFFLINE
from ganeti_core.confd_client.client import ConfdClient
from ganeti_core.confd_client.messages import NODE_ROLE
from ganeti_core.errors import GanetiError
from ganeti_core.node.forkserver import ForkServer
from ganeti_core.node.hooks import HookRequest
from ganeti_core.node.local_node import LocalNode
from ganeti_core.node.running import RunningCall
from ganeti_core.node.workers import Workers
from ganeti_core.node.world import load_node_host
from ganeti_core.plugin_api import codec
from ganeti_core.plugin_api.data import InstanceSpec
from ganeti_core.plugin_api.hypervisor import HYPERVISORS
from ganeti_core.rpc.wire import unwrap

if TYPE_CHECKING:
    from ganeti_core.paths import Paths
    from ganeti_core.plugins import PluginHost
    from ganeti_core.rpc.identity import NodeIdentity

SECONDS = 60.0
"""For a hypervisor to say what runs, and to end one guest."""

log = logging.getLogger(__name__)


def maintain(paths: Paths, identity: NodeIdentity) -> None:
    """End all guests of this node if it is marked offline, and the cluster wants that."""
    if _ssconf(paths, "maintain_node_health") != ["True"] or not _is_offline(paths, identity):
        return
    local, host = LocalNode(identity, paths), load_node_host()
    forks = ForkServer.fork(local, host)
    workers = Workers(forks, lambda: forks, idle=1)
    try:
        for hypervisor in _ssconf(paths, "hypervisor_list"):
            _end_guests(workers, host, hypervisor)
    finally:
        workers.close()


def _is_offline(paths: Paths, identity: NodeIdentity) -> bool:
    """Ask how this node is marked; where nobody says so, it is not offline."""
    try:
        return bool(ConfdClient.of(paths).value(NODE_ROLE, identity.name) == ROLE_OFFLINE)
    except GanetiError as exc:
        log.warning("whether this node is marked offline is not known: %s", exc.message)
        return False


def _ssconf(paths: Paths, name: str) -> list[str]:
    try:
        return (paths.ssconf / f"ssconf_{name}").read_text().split()
    except OSError:
        return []


def _end_guests(workers: Workers, host: PluginHost, hypervisor: str) -> None:
    try:
        defaults = host.defaults(HYPERVISORS, hypervisor)
        guests = _ask(workers, hypervisor, "running")
    except GanetiError as exc:
        log.error("guests of the hypervisor %s may still run: %s", hypervisor, exc.message)
        return
    for guest in guests:
        log.warning("this node is marked offline: its instance %s is ended", guest["name"])
        spec = InstanceSpec(guest["uuid"], guest["name"], hypervisor, hvparams=defaults)
        try:
            _ask(workers, hypervisor, "stop", instance=spec, force=True, timeout=0.0)
        except GanetiError as exc:
            # The others are ended all the same.
            log.error("the instance %s may still run: %s", guest["name"], exc.message)


def _ask(workers: Workers, hypervisor: str, hook: str, **arguments: Any) -> Any:
    """Run a hook in a process of its own, which is killed at the deadline."""
    request = HookRequest(HYPERVISORS.name, hypervisor, hook, codec.encode(arguments), {})
    call = RunningCall(request.title, time.monotonic() + SECONDS)
    return unwrap(workers.run(request, call, log.info))
