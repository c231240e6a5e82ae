"""Upgrade a running cluster: look whether it can be done, then restart daemons node by node.

Packages are installed by the administrator, on each node. Where that restarts the daemons, as the
Debian package does, nothing is left to do here but to look. What is under way is noted in the
configuration, so that it can be resumed on whichever node is the master then: every step may be
made again.
"""

from __future__ import annotations

import time
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING, Any

from ganeti_core.bootstrap import local_daemons
from ganeti_core.bootstrap.one_at_a_time import alone
from ganeti_core.bootstrap.renew import master_snapshot
from ganeti_core.bootstrap.upgrade_check import NodeSaid, Survey, Version
from ganeti_core.config.database import SCHEMA_VERSION, Database
from ganeti_core.errors import ECODE_STATE, GanetiError, OpExecError, OpPrereqError
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.luxi.client import LuxiClient, NoMasterError
from ganeti_core.opcodes.base import FINAL_STATUSES
from ganeti_core.pid_file import is_held
from ganeti_core.rpc.calls import service_call
from ganeti_core.rpc.client import NodeClients, Peer
from ganeti_core.rpc.tls import TlsIdentity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.model import Node
    from ganeti_core.paths import Paths

LOCK = "gnt-cluster-upgrade"
STAYS_DRAINED = ("The queue stays drained until gnt-cluster upgrade --resume has ended this "
                 "(gnt-cluster queue undrain lets jobs in meanwhile)")
RESTART_SECONDS = 240.0
"""More than a unit may take to stop and start."""
PAUSE = 0.5


@dataclass(frozen=True)
class Intent:
    """An upgrade that was begun; `drained`: the queue had been drained before."""

    to: str
    drained: bool

    @classmethod
    def pending(cls, paths: Paths) -> Intent | None:
        """Look into the master's own database: the master daemon may be down.

        :raises OpPrereqError: this is not the master
        """
        found = master_snapshot(paths).cluster
        return cls(found.upgrade_to, found.upgrade_keeps_drained) if found.upgrade_to else None

    def save(self, client: LuxiClient) -> None:
        """Write it down, on all master candidates."""
        client.set_upgrade(self.to, keeps_drained=self.drained)


@dataclass(frozen=True)
class Upgrader:
    """Works on the master node; `say` shows a line of progress."""

    paths: Paths
    say: Callable[[str], None]

    def survey(self) -> Survey:
        """Ask all nodes.

        :raises OpPrereqError: this is not the master
        """
        snapshot = master_snapshot(self.paths)
        with self._clients(snapshot) as clients:
            call = service_call("node.installed")
            answers = clients.fan_out({
                node.uuid: (Peer.of(node), call) for node in _online(snapshot)})
        nodes = [_said(node, node.uuid == snapshot.cluster.master_node, answers.get(node.uuid))
                 for node in sorted(snapshot.nodes.values(), key=lambda node: node.name)]
        with closing(Database(self.paths.database)) as database:
            schema = int(database.meta().get("schema", SCHEMA_VERSION))
        try:
            with LuxiClient(self.paths.master_socket) as client:
                return Survey(nodes, schema, len(client.debts()), len(unfinished(client)))
        except NoMasterError:
            return Survey(nodes, schema, master_is_up=False)

    def begin(self, wanted: str) -> bool:
        """Upgrade to `wanted`; every node has it installed already.

        It takes the place of an upgrade to another version that was begun and cannot be ended.

        :returns: whether there was something to do: not where all nodes run `wanted`

        :raises OpPrereqError: something hinders it, or another process upgrades; nothing was done
        :raises OpExecError: a node did not come back; the rest waits for `resume`
        """
        with self._alone():
            pending = Intent.pending(self.paths)
            if pending is not None and pending.to == wanted:
                raise OpPrereqError(f"an upgrade to {pending.to} is under way: gnt-cluster upgrade "
                                    "--resume goes on with it", ECODE_STATE)
            survey = self.survey()
            # What was begun has drained the queue, and has to be ended.
            if pending is None and survey.all_run(wanted):
                return False
            if hindrances := _hindrances(survey, wanted):
                raise OpPrereqError(hindrances, ECODE_STATE)
            intent = Intent(wanted, pending.drained if pending else self.drained())
            with LuxiClient(self.paths.master_socket) as client:
                intent.save(client)
            self._go_on(intent)
            return True

    def resume(self) -> bool:
        """Do what is left to do of an upgrade that was begun; return whether there was one.

        :raises OpPrereqError: another process upgrades
        :raises OpExecError: a node did not come back, or does not answer; it can be resumed
        """
        with self._alone():
            if (pending := Intent.pending(self.paths)) is None:
                return False
            self._go_on(pending)
            # Who was killed while it restarted the remote API has left that down.
            if problem := local_daemons.start_rapi(self.paths):
                self.say(f"{local_daemons.RAPI} does not start: {problem}")
            return True

    def drained(self) -> bool:
        """Whether the queue takes no jobs."""
        with LuxiClient(self.paths.master_socket) as client:
            (drained,) = client.query_config_values(["drain_flag"])
        return bool(drained)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """:raises OpPrereqError: another process upgrades, or this is not the master"""
        master_snapshot(self.paths)
        with alone(self.paths, LOCK, "gnt-cluster upgrade"):
            yield

    def _go_on(self, intent: Intent) -> None:
        try:
            self._work(intent)
        except GanetiError as exc:
            raise OpExecError(f"{exc.message}\n{STAYS_DRAINED}") from exc

    def _work(self, intent: Intent) -> None:
        # It may have been killed while the master daemon was down.
        local_daemons.start(self.paths, local_daemons.MASTERD)
        with LuxiClient(self.paths.master_socket) as client:
            self.say("Draining the queue")
            client.set_drain_flag(True)
            self._await_jobs(client)
        survey = self.survey()
        if hindrances := _hindrances(survey, intent.to):
            raise OpExecError(hindrances)
        for node in survey.to_restart(intent.to):
            self._restart(node.name, intent.to)
        self._restart_master()
        self._finish(intent)

    def _await_jobs(self, client: LuxiClient) -> None:
        told: list[int] = []
        while jobs := unfinished(client):
            if jobs != told:
                numbers = ", ".join(map(str, jobs[:10])) + (", ..." if jobs[10:] else "")
                self.say(f"Waiting for {len(jobs)} jobs: {numbers}")
                told = jobs
            time.sleep(PAUSE)

    def _restart(self, name: str, wanted: str) -> None:
        """:raises OpExecError: the node has not come back with what is wanted"""
        self.say(f"Restarting the daemons of {name}")
        snapshot = master_snapshot(self.paths)
        node = next(one for one in snapshot.nodes.values() if one.name == name)
        with self._clients(snapshot) as clients:
            clients.call(Peer.of(node), service_call("node.restart"))
        until, last = time.monotonic() + RESTART_SECONDS, ""
        while time.monotonic() < until:
            time.sleep(PAUSE)
            with self._clients(snapshot) as clients:
                try:
                    found = clients.call(Peer.of(node), service_call("node.facts"))["version"]
                except GanetiError as exc:
                    last = exc.message
                    continue
            if found == wanted:
                return
            last = f"it runs {found}"
        raise OpExecError(f"{name} has not come back with {wanted}: {last} (its node-daemon.log "
                          "says more)")

    def _restart_master(self) -> None:
        """:raises OpExecError: a daemon did not start; says why"""
        for daemon in (local_daemons.MASTERD, local_daemons.RAPI):
            if is_held(self.paths.daemon_pid(daemon)):
                self.say(f"Restarting {daemon}")
                local_daemons.restart(self.paths, daemon)
        if not is_held(self.paths.daemon_pid(local_daemons.MASTERD)):
            # It has ended while nodes were restarted, and would keep the queue drained.
            self.say(f"Starting {local_daemons.MASTERD}, which has ended meanwhile")
            local_daemons.start(self.paths, local_daemons.MASTERD)

    def _finish(self, intent: Intent) -> None:
        """:raises OpExecError: a node runs something else"""
        others = self.survey().to_restart(intent.to)
        if others:
            raise OpExecError(f"{', '.join(node.name for node in others)} still runs another "
                              f"version than {intent.to}")
        with LuxiClient(self.paths.master_socket) as client:
            if not intent.drained:
                self.say("Undraining the queue")
                client.set_drain_flag(False)
            client.set_upgrade("", keeps_drained=False)

    @contextmanager
    def _clients(self, snapshot: Snapshot) -> Iterator[NodeClients]:
        clients = NodeClients(TlsIdentity.of(self.paths), lambda: snapshot.epoch)
        try:
            yield clients
        finally:
            clients.close()


def _hindrances(survey: Survey, wanted: str) -> str:
    return "; ".join(f"{one.node}: {one.text} ({one.action})"
                     for one in survey.findings(wanted) if one.hinders)


def _online(snapshot: Snapshot) -> list[Node]:
    return [node for node in snapshot.nodes.values() if not node.offline]


def unfinished(client: LuxiClient) -> list[int]:
    return [int(number) for number, status in client.query_jobs(None, ["id", "status"])
            if status not in FINAL_STATUSES]


def _said(node: Node, is_master: bool, answer: Any) -> NodeSaid:
    if node.offline:
        return NodeSaid(node.name, is_master, offline=True)
    if isinstance(answer, GanetiError):
        return NodeSaid(node.name, is_master, problem=answer.message)
    with suppress(KeyError, TypeError, ValueError):
        return NodeSaid(node.name, is_master, False, "", Version.from_dict(answer["running"]),
                        Version.from_dict(answer["installed"]))
    return NodeSaid(node.name, is_master, problem="its answer cannot be understood")
