"""Make this master candidate the master.

A majority of the nodes must answer, none of them may have noted that the copy here is old, and no
other candidate may have a newer one. Only then the old master is stopped, if it can be reached, and
the same is asked again, for it may have committed meanwhile. Then the nodes, this one first,
promise to obey the new epoch: from there on the old master, wherever it is, can change nothing, and
what they answer decides once more. Only now the new epoch is written. If it comes to nothing after
the old master was stopped, it is started again. Once they promise it could not act any more, so
from there on nobody can interrupt this: the cluster would have no master.
"""

from __future__ import annotations

import logging
import signal
import threading
import time
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from ganeti_core.bootstrap import local_daemons
from ganeti_core.bootstrap.one_at_a_time import MASTER, alone
from ganeti_core.bootstrap.voting import (
    Poll,
    collect_promises,
    noted_here,
    poll,
    why_not_become,
)
from ganeti_core.config.database import Database, Write
from ganeti_core.config.journal import Journal
from ganeti_core.config.replica import Position, position_of
from ganeti_core.config.store import Put, Store, load
from ganeti_core.errors import (
    ECODE_ENVIRON,
    ECODE_STATE,
    GanetiError,
    NodeUnreachable,
    OpPrereqError,
)
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.operations.cluster.master_ip import master_ip_call
from ganeti_core.pid_file import is_held
from ganeti_core.rpc.access import Epochs
from ganeti_core.rpc.calls import service_call
from ganeti_core.rpc.client import NodeClients, Peer
from ganeti_core.rpc.identity import NodeIdentity
from ganeti_core.rpc.members import Members
from ganeti_core.rpc.tls import TlsIdentity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.model import Node
    from ganeti_core.paths import Paths

log = logging.getLogger(__name__)

STOP_SECONDS = 20.0
"""An old master that has not ended by then is killed: nothing is lost by that."""
KILL_SECONDS = 10.0
COPY_SECONDS = 2.0
"""How long the copy here may be behind another one while the old master commits."""
_PAUSE = 0.05


@dataclass(frozen=True)
class _Copy:
    """What this candidate has."""

    snapshot: Snapshot
    position: Position


def master_failover(paths: Paths, *, no_voting: bool) -> None:
    """Make this node the master and start its master daemon.

    :param no_voting: whatever the others say or do not say: what the old master committed last
        may be lost
    :raises OpPrereqError: it is no candidate, is the master already, the vote went against it, or
        another process does the same
    :raises StoreBroken: the copy here is damaged
    """
    own = NodeIdentity.load(paths).uuid
    with alone(paths, MASTER, "gnt-cluster master-failover"), ExitStack() as held:
        _fail_over(paths, own, held, no_voting=no_voting)


def _fail_over(paths: Paths, own: str, held: ExitStack, *, no_voting: bool) -> None:
    if not paths.database.exists() or not paths.ca_key.exists():
        raise OpPrereqError(
            "This node has no copy of the configuration: only master candidates can become master",
            ECODE_STATE)
    if is_held(paths.daemon_pid(local_daemons.MASTERD)):
        raise OpPrereqError("This is already the master node", ECODE_STATE)
    _check_role(_read(paths).snapshot, own)
    epoch = _win(paths, own, held, no_voting=no_voting)
    old = _read(paths).snapshot
    _take_over(paths, own, epoch)
    _release_ip(paths, old, epoch)
    local_daemons.start(paths, local_daemons.NODED)
    local_daemons.start(paths, local_daemons.MASTERD,
                        ("--no-voting", "--yes-do-it") if no_voting else ())
    # Of the old master's node it ends by itself; without it the cluster is managed all the same.
    if problem := local_daemons.start_rapi(paths):
        log.warning("%s", problem)


def _read(paths: Paths) -> _Copy:
    with closing(Database(paths.database)) as database:
        return _Copy(load(database), position_of(database.meta()))


def _check_role(snapshot: Snapshot, own: str) -> None:
    if snapshot.cluster.master_node == own:
        raise OpPrereqError("This node is the master already; start ganeti-masterd", ECODE_STATE)
    node = snapshot.nodes.get(own)
    if node is None or not node.master_candidate:
        names = [n.name for n in snapshot.nodes.values() if n.master_candidate]
        raise OpPrereqError(
            "This node is not among the nominated master candidates. Only these nodes can become "
            f"masters: {', '.join(sorted(names))}", ECODE_STATE)


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Go on whatever the terminal, or who ends processes, says meanwhile."""
    is_main = threading.current_thread() is threading.main_thread()  # no other one gets them
    before = {number: signal.signal(number, lambda *_: log.warning(
        "The old master cannot act any more: the failover goes on"))
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP) if is_main}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)


def _win(paths: Paths, own: str, held: ExitStack, *, no_voting: bool) -> int:
    """Hold the vote, stop the old master; return the new epoch, which a majority obeys.

    :param held: keeps interrupts off from the first promise on
    :raises OpPrereqError: the vote went against this node; the old master runs as it did before
    """
    copy = _read(paths)
    clients = NodeClients(TlsIdentity.of(paths), lambda: copy.snapshot.epoch)
    vote = _Vote(paths, own, clients, no_voting)
    try:
        vote.introduce(copy.snapshot)
        # Nothing is stopped for a vote that is lost already.
        vote.foresee()
        ran: bool | None = None
        try:
            ran = _stop_old_master(copy.snapshot, clients)
            return vote.win(held)
        except (GanetiError, KeyboardInterrupt) as exc:
            if ran is False:
                raise
            why = exc.message if isinstance(exc, GanetiError) else "Interrupted"
            outcome = _start_old_master(
                copy.snapshot.master, clients, "was" if ran else "may have been")
            raise OpPrereqError(f"{why}. {outcome}", ECODE_STATE) from exc
    finally:
        clients.close()


@dataclass(frozen=True)
class _Vote:
    """Asks the nodes whether the candidate `own`, which is here, may become master."""

    paths: Paths
    own: str
    clients: NodeClients
    no_voting: bool

    def introduce(self, snapshot: Snapshot) -> None:
        """Show the signed list of members: a node that was away may not know this candidate."""
        call = service_call("node.members", {"signed": Members.of(self.paths).text()})
        self.clients.fan_out({node.uuid: (Peer.of(node), call)
                              for node in snapshot.nodes.values() if not node.offline})

    def foresee(self) -> None:
        """Ask while the old master may go on.

        What it commits just now reaches one copy a moment before the other: that is no newer copy.

        :raises OpPrereqError: this node may not become master
        """
        until = time.monotonic() + COPY_SECONDS
        while True:
            found = poll(_read(self.paths).snapshot, self.own, self.clients,
                         noted_here(self.paths))
            try:
                return self._check(found, _read(self.paths), "")
            except OpPrereqError:
                if not found.majority or time.monotonic() > until:
                    raise
            time.sleep(_PAUSE)

    def ask(self) -> int:
        """Ask what the nodes know; return the highest epoch that anybody has seen.

        :raises OpPrereqError: this node may not become master
        """
        copy = _read(self.paths)
        found = poll(copy.snapshot, self.own, self.clients, noted_here(self.paths))
        self._check(found, copy, "")
        return max(copy.position.epoch, found.epoch, Epochs(self.paths.epoch).highest())

    def win(self, held: ExitStack) -> int:
        """Ask again, have the nodes promise a new epoch; return it.

        :param held: keeps interrupts off from the first promise on
        :raises OpPrereqError: this node may not become master
        """
        epoch = self.ask() + 1
        snapshot = _read(self.paths).snapshot
        held.enter_context(_uninterrupted())
        # This node first: what its copy has from here on is what counts.
        _promise_here(self.paths, snapshot.nodes[self.own], self.clients, epoch)
        promised = collect_promises(
            snapshot, self.own, self.clients, noted_here(self.paths), epoch)
        self._check(promised, _read(self.paths), " (another failover may be under way)")
        return epoch

    def _check(self, found: Poll, copy: _Copy, remark: str) -> None:
        problem = why_not_become(
            found, copy.position, self.own, copy.snapshot.cluster.master_node)
        if problem and not self.no_voting:
            raise OpPrereqError(
                f"This node cannot become master: {problem}{remark}", ECODE_STATE)


def _promise_here(paths: Paths, node: Node, clients: NodeClients, epoch: int) -> None:
    try:
        clients.call(Peer.of(node), service_call("replica.promise", {"epoch": epoch}))
    except NodeUnreachable:
        # Without a node daemon nobody can write into the copy; it reads the file when it starts.
        Epochs(paths.epoch).admit(epoch)


def _start_old_master(old: Node, clients: NodeClients, was: str) -> str:
    """Have the old master go on, since nobody takes its place; tells whether it does.

    :param was: how sure it is that it was stopped
    """
    try:
        clients.call(Peer.of(old), service_call("node.start_master"))
    except GanetiError as exc:
        return (f"The old master {old.name} {was} stopped and could not be started again: "
                f"{exc.message}")
    return f"The old master {old.name} {was} stopped and runs again"


def _stop_old_master(snapshot: Snapshot, clients: NodeClients) -> bool:
    """Ask the old master's node to stop it, and wait; a silent one is left to the fence.

    Whether one ran and was stopped.
    """
    old = snapshot.master
    if old.offline:
        return False
    ran = False
    began = time.monotonic()
    try:
        while clients.call(Peer.of(old), service_call("node.stop_master", {
                "kill": time.monotonic() > began + STOP_SECONDS})):
            ran = True
            if time.monotonic() > began + STOP_SECONDS + KILL_SECONDS:
                raise OpPrereqError(
                    f"The master daemon of {old.name} does not end", ECODE_ENVIRON)
            time.sleep(_PAUSE)
    except OpPrereqError:
        raise
    except GanetiError as exc:
        log.warning("the old master %s cannot be asked to stop: %s", old.name, exc)
    return ran


def _release_ip(paths: Paths, old: Snapshot, epoch: int) -> None:
    """Take the cluster's address off the old master; one that is silent does it when it hears of
    the new one."""
    clients = NodeClients(TlsIdentity.of(paths), lambda: epoch)
    try:
        clients.call(Peer.of(old.master), master_ip_call(old.cluster, "stop"))
    except GanetiError as exc:
        log.warning("the master IP may still be on %s: %s", old.master.name, exc)
    finally:
        clients.close()


def _take_over(paths: Paths, own: str, epoch: int) -> None:
    """Write the new master and its epoch, as one commit."""
    journal = Journal(paths.database)
    try:
        store = Store(journal)
        snapshot = store.snapshot
        cluster = replace(snapshot.cluster, master_node=own)
        node = replace(snapshot.nodes[own], master_candidate=True, offline=False, drained=False)
        store.commit([Put(cluster), Put(node)], [Write("meta", ("epoch",), str(epoch))])
    finally:
        journal.close()
