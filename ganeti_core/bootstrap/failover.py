"""Make this master candidate the master.

The old master is stopped if it can be reached. A majority of the nodes must answer, and no other
candidate may have a newer copy. The new epoch is promised by a majority before it is written here:
from then on the old master, wherever it is, can change nothing.
"""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from ganeti_core.bootstrap import local_daemons
from ganeti_core.bootstrap.voting import Poll, poll, why_not_become
from ganeti_core.config.journal import Journal, Write
from ganeti_core.config.replica import position_of
from ganeti_core.config.store import Put, Store
from ganeti_core.errors import ECODE_ENVIRON, ECODE_STATE, GanetiError, OpPrereqError
from ganeti_core.rpc.calls import service_call
from ganeti_core.rpc.certs import TlsIdentity
from ganeti_core.rpc.client import NodeClients, Peer
from ganeti_core.rpc.identity import NodeIdentity

if TYPE_CHECKING:
    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.paths import Paths

log = logging.getLogger(__name__)

STOP_SECONDS = 30.0


def master_failover(paths: Paths, *, no_voting: bool) -> None:
    """Make this node the master and start its master daemon.

    :raises OpPrereqError: it is no candidate, is the master already, or the vote went against it
    """
    own = NodeIdentity.load(paths).uuid
    if not paths.database.exists() or not paths.ca_key.exists():
        raise OpPrereqError(
            "This node has no copy of the configuration: only master candidates can become master",
            ECODE_STATE)
    if local_daemons.is_running(paths.daemon_pid(local_daemons.MASTERD)):
        raise OpPrereqError("This is already the master node", ECODE_STATE)
    journal = Journal(paths.database)
    try:
        store = Store(journal)
        snapshot = store.snapshot
        if snapshot.cluster.master_node == own:
            raise OpPrereqError(
                "This node is the master already; start ganeti-masterd", ECODE_STATE)
        clients = NodeClients(TlsIdentity.of(paths), lambda: snapshot.epoch)
        try:
            _stop_old_master(snapshot, clients)
            epoch = _win(journal, snapshot, own, clients, no_voting=no_voting)
        finally:
            clients.close()
        _take_over(store, own, epoch)
    finally:
        journal.close()
    local_daemons.start(paths, local_daemons.NODED)
    local_daemons.start(paths, local_daemons.MASTERD)


def _stop_old_master(snapshot: Snapshot, clients: NodeClients) -> None:
    """Ask the old master's node to stop it, and wait; a silent one is left to the fence."""
    old = snapshot.master
    if old.offline:
        return
    deadline = time.monotonic() + STOP_SECONDS
    try:
        while clients.call(Peer.of(old), service_call("node.stop_master")):
            if time.monotonic() > deadline:
                raise OpPrereqError(
                    f"The master daemon of {old.name} does not end", ECODE_ENVIRON)
            time.sleep(0.2)
    except OpPrereqError:
        raise
    except GanetiError as exc:
        log.warning("the old master %s cannot be asked to stop: %s", old.name, exc)


def _win(
    journal: Journal, snapshot: Snapshot, own: str, clients: NodeClients, *, no_voting: bool
) -> int:
    """Hold the vote; answers the new epoch, which a majority has promised to obey.

    :raises OpPrereqError: the vote went against this node
    """
    here = position_of(journal.meta())
    found = poll(snapshot, own, clients)
    problem = why_not_become(found, here, own, snapshot.cluster.master_node)
    if problem and not no_voting:
        raise OpPrereqError(f"This node cannot become master: {problem}", ECODE_STATE)
    epoch = max(here.epoch, found.epoch) + 1
    promised = 1 + _collect_promises(found, clients, epoch)
    if promised * 2 <= found.size and not no_voting:
        raise OpPrereqError(
            f"Only {promised} of {found.size} nodes promised to obey a new master; another "
            "failover may be under way, try again", ECODE_STATE)
    return epoch


def _collect_promises(found: Poll, clients: NodeClients, epoch: int) -> int:
    call = service_call("replica.promise", {"epoch": epoch, "stale": []})
    answers = clients.fan_out({vote.node.uuid: (Peer.of(vote.node), call) for vote in found.votes})
    return sum(not isinstance(answer, GanetiError) for answer in answers.values())


def _take_over(store: Store, own: str, epoch: int) -> None:
    """Write the new master and its epoch, as one commit."""
    snapshot = store.snapshot
    cluster = replace(snapshot.cluster, master_node=own)
    node = replace(snapshot.nodes[own], master_candidate=True, offline=False, drained=False)
    store.commit([Put(cluster), Put(node)], [Write("meta", ("epoch",), str(epoch))])
