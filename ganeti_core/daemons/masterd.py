"""The master daemon: builds every part once, connects them, serves until it is told to stop."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import sys
import threading
import time
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ganeti_core.bootstrap.enrol import enrol_info
from ganeti_core.bootstrap.voting import noted_here, poll, why_not_start
from ganeti_core.cli.confirm import ask
from ganeti_core.config.database import Database
from ganeti_core.config.journal import Journal
from ganeti_core.config.replica import position_of
from ganeti_core.config.replicate import Replicator
from ganeti_core.config.reservations import Reservations
from ganeti_core.config.store import Store, load
from ganeti_core.daemons.process import Daemon, set_up_logging
from ganeti_core.daemons.replication import RpcLink
from ganeti_core.daemons.spreading import SsconfKeeper
from ganeti_core.errors import ECODE_STATE, GanetiError, OpPrereqError
from ganeti_core.jobs.engine import JobEngine
from ganeti_core.locking import LockManager
from ganeti_core.luxi.methods import Master
from ganeti_core.luxi.server import LuxiServer
from ganeti_core.node.services.crypto import complete_install
from ganeti_core.node.world import Place, World
from ganeti_core.operations.allocators import Allocators
from ganeti_core.operations.cluster.master_ip import master_ip_call
from ganeti_core.operations.context import Services
from ganeti_core.operations.placement import InstanceDocuments
from ganeti_core.operations.settings import settings_of
from ganeti_core.paths import Paths
from ganeti_core.plugins import Events, PluginHost
from ganeti_core.query.engine import QueryEngine
from ganeti_core.query.live_rpc import LiveNodes
from ganeti_core.query.sources import LockStatus
from ganeti_core.rpc.access import Epochs
from ganeti_core.rpc.certs import TlsIdentity
from ganeti_core.rpc.client import NodeClients, Peer
from ganeti_core.rpc.identity import NodeIdentity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

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
        self.host.refresh_sources(paths.root, settings_of(self.store.snapshot))
        self.events = Events()
        self.events.load()
        complete_install(paths)
        self.nodes = NodeClients(TlsIdentity.of(paths), lambda: self.store.snapshot.epoch)
        self._link = RpcLink(self.store, self.nodes, paths)
        self.replicator = Replicator(
            self._link, paths.database,
            position_of(self.journal.meta()), first_mark=self.journal.floor,
            fenced=self._fence, alone=alone)
        self.journal.replicas = self.replicator
        self.locks = LockManager()
        self.live = LiveNodes(self.nodes, lambda: settings_of(self.store.snapshot))
        self.engine = JobEngine(loop, self.store, self.locks)
        world = World(Place(NodeIdentity.load(paths), paths), self.host)
        queries = QueryEngine(self.host, self.live, self.engine, _Locks(self.locks))
        self.allocators = Allocators(world, lambda: settings_of(self.store.snapshot))
        self.engine.connect(self._services(paths, queries))
        self.luxi = LuxiServer(paths.master_socket, Master(
            self.store, self.engine, queries, self.host,
            lambda known: enrol_info(paths, self.store.snapshot.master, known)).handle)
        self.keeper = SsconfKeeper(self.store, self.nodes, self.host, self._fence)
        self._stopping = threading.Event()
        self._caring = threading.Thread(target=self._care, name="care", daemon=True)

    def _services(self, paths: Paths, queries: QueryEngine) -> Services:
        debts = self.engine.debts

        return Services(
            store=self.store, nodes=self.nodes, host=self.host, events=self.events,
            reservations=Reservations(lambda: self.store.snapshot),
            submit_jobs=self.engine.submit_from_thread, debts_of=debts.of,
            pay_debts=lambda node: debts.pay(node, self.nodes), all_debts=debts.all,
            remember_debts=debts.remember, copies=self.replicator.status,
            touched=self.live.touched, locks=self.locks.describe,
            settings=settings_of, live=self.live, allocators=self.allocators,
            instance_documents=InstanceDocuments(), paths=paths, queries=queries)

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
        await self.luxi.start()
        await recovered
        self.engine.open()
        # Programs on this node ask its own files who the master is.
        await asyncio.to_thread(self.keeper.spread, self.store.snapshot.cluster.master_node)
        await asyncio.to_thread(self._activate_ip)
        self._caring.start()
        log.info("the master daemon is ready")
        ready()
        await self._stop.wait()
        log.info("the master daemon stops")
        await self.luxi.close()
        self._stopping.set()
        self.replicator.stop_waiting()
        await self.engine.close()
        await asyncio.to_thread(self.allocators.close)
        await asyncio.to_thread(self._caring.join)
        await asyncio.to_thread(self.journal.close)
        self.replicator.close()
        self._link.close()
        self.nodes.close()

    def _care(self) -> None:
        """See to what nodes have missed: files, copies, what is owed to them."""
        while True:
            for work in (self.keeper.spread, self.replicator.poke, self._pay_debts):
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
            log.warning("the master IP is not there: %s", exc.args[0] if exc.args else exc)

    def _pay_debts(self) -> None:
        self.engine.debts.pay_all(self.nodes)


def check_role(paths: Paths) -> None:
    """:raises OpPrereqError: this node is not the master: the database here is a copy"""
    with closing(Database(paths.database)) as database:
        snapshot = load(database)
    if snapshot.cluster.master_node != NodeIdentity.load(paths).uuid:
        raise OpPrereqError(
            f"this is not the master node, {snapshot.master.name} is: if that one is lost, run "
            "gnt-cluster master-failover here", ECODE_STATE)


def _end_soon(_error: StoreBroken) -> None:
    """End as by a crash: what the disk holds is known only to a fresh start that reads it again.

    An orderly end would wait for jobs that cannot write their ends.
    """
    threading.Timer(LAST_WORDS_SECONDS, os._exit, (1,)).start()


async def _serve(paths: Paths, ready: Callable[[], None], *, no_voting: bool) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    check_role(paths)
    daemon = MasterDaemon(paths, loop, stop, alone=no_voting)
    daemon.journal.on_broken = _end_soon
    if not no_voting and (problem := await asyncio.to_thread(daemon.check_vote)):
        raise OpPrereqError(problem, ECODE_STATE)
    await daemon.run(ready)


def make_parser() -> argparse.ArgumentParser:
    """Describe the options of the program."""
    parser = argparse.ArgumentParser(prog=NAME, description="The master daemon of the cluster.")
    parser.add_argument("-f", "--foreground", action="store_true", help="stay in the foreground")
    parser.add_argument("-d", "--debug", action="count", default=0, help="log more")
    parser.add_argument("--no-voting", action="store_true",
                        help="do not ask the nodes whether there is a newer master (dangerous)")
    parser.add_argument("--yes-do-it", action="store_true", help="do not ask for confirmation")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Entry point of ``ganeti-masterd``."""
    options = make_parser().parse_args(argv)
    paths = Paths.from_environment()
    if options.no_voting and not options.yes_do_it and not ask(
            "The master daemon will start without asking the nodes whether there is a newer "
            "master. If there is one, both will act. Continue?", "--yes-do-it"):
        return 1
    return run_daemon(paths, options)


def run_daemon(paths: Paths, options: Any) -> int:
    """Run in the fore- or background; answers the exit status."""
    if not paths.database.exists():
        print(f"{NAME}: this node has no cluster (gnt-cluster init makes one)", file=sys.stderr)
        return 1
    with Daemon(paths, NAME, foreground=options.foreground) as process:
        set_up_logging(process.log_file, debug=bool(options.debug), foreground=options.foreground)
        try:
            asyncio.run(_serve(paths, process.ready, no_voting=options.no_voting))
        except GanetiError as exc:
            problem = str(exc.args[0] if exc.args else exc)
            log.critical("%s", problem)
            process.failed(problem)
            return 1
    return 0
