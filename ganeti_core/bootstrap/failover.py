"""Make this master candidate the master.

The old master is stopped if it can be reached. A majority of the nodes must answer, none of them
may have noted that the copy here is old, and no other candidate may have a newer one. Then the
nodes, this one first, promise to obey the new epoch: from there on the old master, wherever it is,
can change nothing, and what they answer decides once more. Only now the new epoch is written.
"""

from __future__ import annotations

import logging
import time
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ganeti_core.bootstrap import local_daemons
from ganeti_core.bootstrap.voting import collect_promises, noted_here, poll, why_not_become
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
from ganeti_core.operations.cluster.master_ip import master_ip_call
from ganeti_core.pid_file import is_held
from ganeti_core.rpc.access import Epochs
from ganeti_core.rpc.calls import service_call
from ganeti_core.rpc.certs import TlsIdentity
from ganeti_core.rpc.client import NodeClients, Peer
from ganeti_core.rpc.identity import NodeIdentity

if TYPE_CHECKING:
    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.model import Node
    from ganeti_core.paths import Paths

log = logging.getLogger(__name__)

STOP_SECONDS = 20.0
"""An old master that has not ended by then is killed: nothing is lost by that."""
KILL_SECONDS = 10.0
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
    :raises OpPrereqError: it is no candidate, is the master already, or the vote went against it
    :raises StoreBroken: the copy here is damaged
    """
    own = NodeIdentity.load(paths).uuid
    if not paths.database.exists() or not paths.ca_key.exists():
        raise OpPrereqError(
            "This node has no copy of the configuration: only master candidates can become master",
            ECODE_STATE)
    if is_held(paths.daemon_pid(local_daemons.MASTERD)):
        raise OpPrereqError("This is already the master node", ECODE_STATE)
    _check_role(_read(paths).snapshot, own)
    epoch = _win(paths, own, no_voting=no_voting)
    old = _read(paths).snapshot
    _take_over(paths, own, epoch)
    _release_ip(paths, old, epoch)
    local_daemons.start(paths, local_daemons.NODED)
    local_daemons.start(paths, local_daemons.MASTERD,
                        ("--no-voting", "--yes-do-it") if no_voting else ())


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


def _win(paths: Paths, own: str, *, no_voting: bool) -> int:
    """Stop the old master, hold the vote; answers the new epoch, which a majority obeys.

    :raises OpPrereqError: the vote went against this node
    """
    copy = _read(paths)
    clients = NodeClients(TlsIdentity.of(paths), lambda: copy.snapshot.epoch)
    try:
        _stop_old_master(copy.snapshot, clients)
        copy = _read(paths)
        found = poll(copy.snapshot, own, clients, noted_here(paths))
        problem = why_not_become(
            found, copy.position, own, copy.snapshot.cluster.master_node)
        if problem and not no_voting:
            raise OpPrereqError(f"This node cannot become master: {problem}", ECODE_STATE)
        epoch = max(copy.position.epoch, found.epoch, Epochs(paths.epoch).highest()) + 1
        # This node first: what its copy has from here on is what counts.
        _promise_here(paths, copy.snapshot.nodes[own], clients, epoch)
        promised = collect_promises(copy.snapshot, own, clients, noted_here(paths), epoch)
    finally:
        clients.close()
    copy = _read(paths)
    problem = why_not_become(promised, copy.position, own, copy.snapshot.cluster.master_node)
    if problem and not no_voting:
        raise OpPrereqError(
            f"This node cannot become master: {problem} (another failover may be under way)",
            ECODE_STATE)
    return epoch


def _promise_here(paths: Paths, node: Node, clients: NodeClients, epoch: int) -> None:
    try:
        clients.call(Peer.of(node), service_call("replica.promise", {"epoch": epoch}))
    except NodeUnreachable:
        # Without a node daemon nobody can write into the copy; it reads the file when it starts.
        Epochs(paths.epoch).admit(epoch)


def _stop_old_master(snapshot: Snapshot, clients: NodeClients) -> None:
    """Ask the old master's node to stop it, and wait; a silent one is left to the fence."""
    old = snapshot.master
    if old.offline:
        return
    began = time.monotonic()
    try:
        while clients.call(Peer.of(old), service_call("node.stop_master", {
                "kill": time.monotonic() > began + STOP_SECONDS})):
            if time.monotonic() > began + STOP_SECONDS + KILL_SECONDS:
                raise OpPrereqError(
                    f"The master daemon of {old.name} does not end", ECODE_ENVIRON)
            time.sleep(_PAUSE)
    except OpPrereqError:
        raise
    except GanetiError as exc:
        log.warning("the old master %s cannot be asked to stop: %s", old.name, exc)


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
