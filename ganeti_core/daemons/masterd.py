"""The master daemon: builds every part once, connects them, serves until it is told to stop."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import threading
import time
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any

from ganeti_core.bootstrap.enrol import enrol_info
from ganeti_core.bootstrap.preflight import cluster_part
from ganeti_core.bootstrap.voting import noted_here, poll, why_not_start
from ganeti_core.cli.confirm import ask
from ganeti_core.config.database import Database
from ganeti_core.config.journal import Journal
from ganeti_core.config.replica import position_of
from ganeti_core.config.replicate import Replicator
from ganeti_core.config.reservations import Reservations
from ganeti_core.config.store import Store, kind_of, load
from ganeti_core.daemons import on_master
from ganeti_core.daemons.measuring import measure, tell_jobs
from ganeti_core.daemons.process import Daemon, add_version, end_process
from ganeti_core.daemons.replication import RpcLink
from ganeti_core.daemons.spreading import Spreader
from ganeti_core.errors import ECODE_STATE, GanetiError, NotMaster, OpPrereqError
from ganeti_core.jobs.engine import JobEngine
from ganeti_core.jobs.files import JobFiles
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.locking import LockManager
from ganeti_core.luxi.doors import doors, make_passable
from ganeti_core.luxi.event_log import EventLog
from ganeti_core.luxi.methods import Master, is_harmless
from ganeti_core.luxi.server import LuxiServer
from ganeti_core.node.local_node import LocalNode
from ganeti_core.node.services.crypto import complete_install
from ganeti_core.node.services.facts import own_version
from ganeti_core.node.world import World
from ganeti_core.operations.caught_up import CaughtUp
from ganeti_core.operations.cluster.master_ip import master_ip_call
from ganeti_core.operations.consoles import Consoles
from ganeti_core.operations.context import Services
from ganeti_core.operations.copy_marks import CopyMarks
from ganeti_core.operations.master_hooks import MasterHooks
from ganeti_core.operations.members import Roster
from ganeti_core.operations.node_drivers import NodeDrivers
from ganeti_core.operations.placement.allocators import Allocators
from ganeti_core.operations.placement.instance_documents import InstanceDocuments
from ganeti_core.operations.placement.node_documents import NodeDocuments
from ganeti_core.operations.subscribers import LOG_FILE as SUBSCRIBERS_LOG
from ganeti_core.operations.subscribers import Subscribers
from ganeti_core.paths import Paths
from ganeti_core.plugin_settings import settings_of
from ganeti_core.plugins import PluginHost
from ganeti_core.query.engine import QueryEngine
from ganeti_core.query.live_rpc import LiveNodes
from ganeti_core.query.sources import LockStatus
from ganeti_core.rpc.access import Epochs
from ganeti_core.rpc.calls import service_call
from ganeti_core.rpc.client import NodeClients, Peer
from ganeti_core.rpc.identity import NodeIdentity
from ganeti_core.rpc.tls import TlsIdentity
from ganeti_core.span_exporters import SpanExporters

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.config.store import Change
    from ganeti_core.errors import StoreBroken

log = logging.getLogger(__name__)

NAME = "ganeti-masterd"
SYNCHRONISE_SECONDS = 5.0
"""How long a starting master waits for candidates to catch up before it serves."""
VOTE_SECONDS = 8.0
"""How long a starting master waits until a majority of the nodes answers."""
VOTE_PAUSE = 0.2
LAST_WORDS_SECONDS = 1.0
"""How long a master that can write no more has to tell its clients why."""
CARE_INTERVAL = 5.0
"""Seconds between two looks at nodes that have missed or are owed something."""
CARE_GRACE = 2.0
CARE, QUERIES = "care", "queries"
"""Whose calls to nodes these are, so that they can be ended."""


@dataclass(frozen=True)
class _Locks:
    """The lock manager as queries see it."""

    manager: LockManager

    def locks(self) -> Iterable[LockStatus]:
        return [LockStatus(lock.name, lock.mode, lock.owners, lock.pending)
                for lock in self.manager.describe()]


class MasterDaemon:
    """All parts of a running master. `paths` are those of its node."""

    def __init__(
        self, paths: Paths, loop: asyncio.AbstractEventLoop, stop: asyncio.Event, *,
        alone: bool = False,
    ) -> None:
        self._paths = paths
        self._loop = loop
        self._stop = stop
        self.journal = Journal(paths.database)
        self.store = Store(self.journal)
        self.host = PluginHost(disabled=frozenset(self.store.snapshot.cluster.disabled_plugins))
        self.host.load()
        self.host.refresh_sources(paths.root, settings_of(self.host, self.store.snapshot))
        self.events = Subscribers(
            paths.log / SUBSCRIBERS_LOG,
            lambda: self.store.snapshot.cluster.disabled_plugins)
        self.store.watch(self._config_changed)
        self.event_log = EventLog(loop)
        self.store.watch(self.event_log.config_changed)
        complete_install(paths)
        self.nodes = NodeClients(TlsIdentity.of(paths), lambda: self.store.snapshot.epoch)
        self._link = RpcLink(self.store, self.nodes, paths)
        self.replicator = Replicator(
            self._link, paths.database,
            position_of(self.journal.meta()), first_mark=self.journal.floor,
            fenced=self._fence, alone=alone)
        self.journal.replicas = self.replicator
        self.locks = LockManager()
        self.live = LiveNodes(
            self.nodes, lambda: settings_of(self.host, self.store.snapshot), owner=QUERIES)
        self.drivers = NodeDrivers(self.live, self.host, self.nodes.losses, self.live.touched)
        self.engine = JobEngine(
            loop, self.store, self.locks,
            lambda node, call: self.nodes.call(Peer.of(node), call, owner=CARE))
        self.job_files = JobFiles(
            paths, self.store, self.engine.jobs, lambda: self.engine.queue.last_id)
        self.marks = CopyMarks(self.store)
        self.engine.watch(self.job_files.job_changed)
        self.engine.watch(lambda number: self.event_log.job_changed(
            self.engine.queue.jobs.get(number)))
        self.figures = measure(
            self.store, self.locks, self.nodes, self.engine, self.replicator.status)
        self._world = world = World(LocalNode(NodeIdentity.load(paths), paths), self.host)
        self.on_master = MasterHooks(
            self.host, paths.root, paths.log, lambda: settings_of(self.host, self.store.snapshot))
        queries = QueryEngine(
            self.host, self.live, self.engine, _Locks(self.locks), self.on_master,
            self.figures.all)
        self.allocators = Allocators(
            world, lambda: settings_of(self.host, self.store.snapshot), self.on_master.note)
        self.spreader = Spreader(
            self.store, self.nodes, self.host, Roster(paths), self._fence, paths)
        self.engine.connect(self._services(paths, queries))
        self.master = self._master(paths, queries)
        self.luxi = LuxiServer(doors(paths), self.master.handle, is_harmless)
        self._stopping = threading.Event()
        self._caring = self._threads()

    def _threads(self) -> list[threading.Thread]:
        """Who cares for what nodes have missed."""
        caught_up = CaughtUp(self.store, self.host, self.locks, self.live, self.marks)
        # Each of its own: a node that hangs holds up only what concerns it.
        return [
            threading.Thread(target=self._care, args=(work,), name=f"care-{name}", daemon=True)
            for name, work in (
                ("copies", self.replicator.poke), ("debts", self.engine.debts.pay_due),
                ("marks", caught_up.look))]

    def _master(self, paths: Paths, queries: QueryEngine) -> Master:
        return Master(
            self.store, self.engine, queries, self.host, self.events,
            lambda known: enrol_info(paths, self.store.snapshot.master, known),
            lambda: cluster_part(self.store.snapshot, self.host),
            lambda node, names: list(self.nodes.call(
                Peer.of(node), service_call("node.collectors", {"names": names}), owner=QUERIES)),
            self._reload, self.drivers, self.on_master.traces,
            lambda node, args: self.nodes.call(
                Peer.of(node), service_call("node.trace", args), owner=QUERIES),
            self.event_log, self.marks,
            Consoles(self.nodes, self.live, self.host, QUERIES).open)

    def _services(self, paths: Paths, queries: QueryEngine) -> Services:
        debts = self.engine.debts
        self.span_exporters = SpanExporters.find()
        spans = self.span_exporters.begin(NAME, self._world.local.identity.name)
        tell_jobs(self.engine, spans, lambda: self.store.snapshot.cluster.uuid)
        return Services(
            store=self.store, nodes=self.nodes, host=self.host, events=self.events,
            reservations=Reservations(lambda: self.store.snapshot),
            submit_jobs=self.engine.submit_from_thread,
            pay_debts=debts.clear, all_debts=debts.all,
            remember_debts=debts.remember, copies=self.replicator.status,
            touched=self.live.touched, locks=self.locks.describe,
            settings=partial(settings_of, self.host), live=self.live, drivers=self.drivers,
            allocators=self.allocators, on_master=self.on_master,
            instance_documents=InstanceDocuments(self.host), node_documents=NodeDocuments(),
            paths=paths, queries=queries, spread=self.spreader.spread, marks=self.marks,
            spans=spans)

    def _reload(self) -> dict[str, str]:
        """Look again for plugins, here and on all nodes; returns which nodes did not, and why."""
        snapshot = self.store.snapshot
        if self._world.reload(settings_of(self.host, snapshot)):
            self.events.renew()
        self.allocators.forget()
        self.on_master.forget()
        call = service_call("node.reload", {"settings": settings_of(self.host, snapshot)})
        answers = self.nodes.fan_out(
            {node.name: (Peer.of(node), call) for node in snapshot.nodes.values()
             if not node.offline}, owner=QUERIES)
        return {name: str(answer) for name, answer in sorted(answers.items())
                if isinstance(answer, GanetiError)}

    def _config_changed(self, snapshot: Snapshot, changes: Sequence[Change]) -> None:
        if not self.events.anybody:
            return
        changed: dict[str, list[str]] = {}
        for change in changes:
            changed.setdefault(kind_of(change), []).append(change.value.uuid)
        self.events.tell("config_changed", serial=snapshot.serial, changed=changed)

    def _fence(self, reason: str) -> None:
        """A newer master was seen: change nothing any more, and end."""
        log.critical("this master was replaced: %s", reason)
        self.store.fence(reason)
        self._loop.call_soon_threadsafe(self._stop.set)

    def check_vote(self) -> str:
        """Why this master may not start; empty when it may.

        Waits a while for a majority: after a power cut all nodes start at once.
        """
        snapshot = self.store.snapshot
        until = time.monotonic() + VOTE_SECONDS
        while True:
            found = poll(snapshot, snapshot.cluster.master_node, self.nodes,
                         noted_here(self._paths))
            problem = why_not_start(found, position_of(self.journal.meta()),
                                    Epochs(self._paths.epoch).highest())
            if not problem or found.majority or time.monotonic() > until:
                return problem
            time.sleep(VOTE_PAUSE)

    async def run(self, ready: Callable[[], None]) -> None:
        """Serve until told to stop; `ready` is called when clients are answered."""
        # Candidates first: else the first commit would have to note each of them as stale.
        await asyncio.to_thread(self.replicator.synchronise, SYNCHRONISE_SECONDS)
        recovered = asyncio.ensure_future(self.engine.recover())
        # It reads the database before anything can be committed, and then takes its time.
        await asyncio.sleep(0)
        make_passable(self._paths)
        await self.luxi.start()
        await recovered
        self.engine.open()
        # Programs on this node ask its own files who the master is.
        self.spreader.start()
        self.job_files.start()
        await asyncio.to_thread(
            self.spreader.spread, only=[self.store.snapshot.cluster.master_node])
        await asyncio.to_thread(self._activate_ip)
        for thread in self._caring:
            thread.start()
        self.events.begin()
        log.info("the master daemon is ready")
        ready()
        await self._stop.wait()
        log.info("the master daemon stops")
        await self.luxi.close()
        self.master.threads.close()
        self._stopping.set()
        await asyncio.to_thread(self.spreader.stop)
        self.replicator.stop_waiting()
        await self.engine.close()
        for owner in (CARE, QUERIES):
            self.nodes.abandon(owner)
        await asyncio.to_thread(self.job_files.stop)
        await asyncio.to_thread(self.allocators.close)
        await asyncio.to_thread(self.on_master.close)
        await asyncio.to_thread(self.events.close)
        for thread in self._caring:
            await asyncio.to_thread(thread.join, CARE_GRACE)
        await asyncio.to_thread(self.journal.close)
        self.replicator.close()
        self._link.close()
        self.nodes.close()
        await asyncio.to_thread(self.span_exporters.end)

    def _care(self, work: Callable[[], None]) -> None:
        """See now and then to something that nodes have missed."""
        while True:
            try:
                work()
            except Exception:  # wall: the loop outlives whatever one look met
                log.exception("caring for the nodes")
            if self._stopping.wait(CARE_INTERVAL):
                return

    def _activate_ip(self) -> None:
        snapshot = self.store.snapshot
        try:
            self.nodes.call(Peer.of(snapshot.master), master_ip_call(snapshot.cluster, "start"))
        except GanetiError as exc:
            log.warning("the master IP is not there: %s", exc.message)


def check_role(paths: Paths) -> None:
    """:raises NotMaster: the database here is a copy"""
    with closing(Database(paths.database)) as database:
        snapshot = load(database)
    if snapshot.cluster.master_node != NodeIdentity.load(paths).uuid:
        raise NotMaster(
            f"this is not the master node, {snapshot.master.name} is: if that one is lost, run "
            "gnt-cluster master-failover here")


def _end_soon(_error: StoreBroken) -> None:
    """End as by a crash: what the disk holds is known only to a fresh start that reads it again.

    An orderly end would wait for jobs that cannot write their ends.
    """
    threading.Timer(LAST_WORDS_SECONDS, os._exit, (1,)).start()


async def _serve(paths: Paths, process: Daemon, *, no_voting: bool) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    check_role(paths)
    own_version()  # before another one is installed
    daemon = MasterDaemon(paths, loop, stop, alone=no_voting)
    daemon.journal.on_broken = _end_soon
    if not no_voting and (problem := await asyncio.to_thread(daemon.check_vote)):
        raise OpPrereqError(problem, ECODE_STATE)
    living: list[asyncio.Task[None]] = []

    def ready() -> None:
        process.ready()
        living.append(loop.create_task(process.supervisor.keep_alive()))

    await daemon.run(ready)
    for task in living:
        task.cancel()


def make_parser() -> argparse.ArgumentParser:
    """Describe the options of the program."""
    parser = argparse.ArgumentParser(prog=NAME, description="The master daemon of the cluster.")
    parser.add_argument("-f", "--foreground", action="store_true", help="stay in the foreground")
    parser.add_argument("-d", "--debug", action="count", default=0, help="log more")
    parser.add_argument("--no-voting", action="store_true",
                        help="do not ask the nodes whether there is a newer master (dangerous)")
    parser.add_argument("--yes-do-it", action="store_true", help="do not ask for confirmation")
    add_version(parser)
    return parser


def main(argv: list[str] | None = None) -> int:
    """Entry point of ``ganeti-masterd``."""
    options = make_parser().parse_args(argv)
    paths = Paths.from_environment()
    if options.no_voting and not options.yes_do_it and not ask(
            "The master daemon will start without asking the nodes whether there is a newer "
            "master. If there is one, both will act. Continue?", "--yes-do-it"):
        return 1
    # Not by the interpreter's end, which waits for threads, such as those of a call that hangs.
    return end_process(run_daemon(paths, options))


def run_daemon(paths: Paths, options: Any) -> int:
    """Run in the fore- or background; return the exit status."""
    return on_master.run(NAME, paths, options, lambda process: asyncio.run(
        _serve(paths, process, no_voting=options.no_voting)))
