"""Ask the nodes which master they know: who may start as master, and who may become it."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Any

from ganeti_core.config.replica import Position
from ganeti_core.errors import GanetiError
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.node.services.replica import noted
from ganeti_core.rpc.calls import service_call
from ganeti_core.rpc.client import NodeClients, Peer

if TYPE_CHECKING:
    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.model import Node
    from ganeti_core.paths import Paths
    from ganeti_core.rpc.calls import Call


@dataclass(frozen=True, order=True)
class Noted:
    """Whose copies are old, as one node has it in writing; the newest mark of a majority holds."""

    epoch: int = 0
    number: int = 0
    stale: frozenset[str] = field(default=frozenset(), compare=False)


@dataclass(frozen=True)
class Vote:
    """What one node says: the highest epoch it has seen, its copy, what it noted of others.

    `previous` is the serial that the newest group of its copy follows.
    """

    node: Node
    epoch: int
    position: Position
    previous: int
    noted: Noted


@dataclass(frozen=True)
class Poll:
    """All answers, and who was silent.

    :param size: counts every node that has a vote, ours too
    :param here: what this very node has noted
    """

    votes: tuple[Vote, ...]
    silent: tuple[Node, ...]
    size: int
    here: Noted = Noted()

    @property
    def heard(self) -> int:
        """Nodes heard, ours included."""
        return len(self.votes) + 1

    @property
    def majority(self) -> bool:
        return self.heard * 2 > self.size

    @property
    def epoch(self) -> int:
        """The highest epoch that anybody has seen."""
        return max((vote.epoch for vote in self.votes), default=0)

    @property
    def stale(self) -> frozenset[str]:
        """Whose copies are old: older marks than the newest count no more."""
        return max((self.here, *(vote.noted for vote in self.votes))).stale

    def silent_names(self) -> str:
        return ", ".join(node.name for node in self.silent) or "none"


def noted_here(paths: Paths) -> Noted:
    """Read what this very node has noted."""
    known = noted(paths)
    return Noted(known.epoch, known.number, frozenset(known.stale))


def poll(snapshot: Snapshot, own: str, clients: NodeClients, here: Noted) -> Poll:
    """Ask every node that is not marked offline, except the one with the uuid `own`."""
    return _ask(snapshot, own, clients, here, service_call("replica.position"))


def collect_promises(
    snapshot: Snapshot, own: str, clients: NodeClients, here: Noted, epoch: int
) -> Poll:
    """Have the same nodes promise to obey no master older than `epoch`; refusals are silence.

    What they answer holds: the old master can change it no more.
    """
    return _ask(snapshot, own, clients, here,
                service_call("replica.promise", {"epoch": epoch}))


def _ask(snapshot: Snapshot, own: str, clients: NodeClients, here: Noted, call: Call) -> Poll:
    voters = [node for node in snapshot.nodes.values() if node.uuid != own and not node.offline]
    answers = clients.fan_out({node.uuid: (Peer.of(node), call) for node in voters})
    votes: list[Vote] = []
    silent: list[Node] = []
    for node in voters:
        answer = answers[node.uuid]
        if isinstance(answer, GanetiError):
            silent.append(node)
        else:
            votes.append(vote_of(node, answer))
    return Poll(tuple(votes), tuple(silent), len(voters) + 1, here)


def vote_of(node: Node, answer: dict[str, Any]) -> Vote:
    """Read what `replica.position` answers."""
    epoch, serial = answer["position"]
    mark_epoch, number = answer["mark"]
    return Vote(node, int(answer["epoch"]), Position(int(epoch), int(serial)),
                int(answer["previous"]),
                Noted(int(mark_epoch), int(number), frozenset(answer["stale"])))


def why_not_start(found: Poll, own: Position, epoch: int = 0) -> str:
    """Why a master at `own` may not start; empty when it may.

    A master that restarts needs a majority to know that nobody replaced it. The other node of a
    cluster of two can be made master only with this node's promise or by hand, so there nobody
    has to be asked.

    :param epoch: the highest that this very node has seen
    """
    if epoch > own.epoch:
        return (f"this node has seen a newer master (epoch {epoch}, its own copy has {own.epoch}):"
                " it was replaced as master and must not act as it")
    newer = [vote for vote in found.votes if vote.epoch > own.epoch]
    if newer:
        return (f"node {newer[0].node.name} has seen a newer master (epoch {newer[0].epoch}, this "
                f"one has {own.epoch}): this node was replaced as master and must not act as it")
    if not found.majority and found.size > 2:
        return (f"only {found.heard} of {found.size} nodes can be asked whether there is a newer "
                f"master (silent: {found.silent_names()}): start their node daemons, mark dead "
                "nodes offline, or use --no-voting if you are certain")
    return _what_was_lost(found, own)


def _what_was_lost(found: Poll, own: Position) -> str:
    """Whether this database lost commits that a candidate has.

    A copy may be ahead by the one group that this master had not finished when it died.
    """
    for vote in _counting(found):
        if vote.position > own and vote.previous > own.serial:
            return (f"the database here has lost what node {vote.node.name} still has "
                    f"({_text(vote.position)}, here {_text(own)}): run gnt-cluster "
                    "master-failover there")
    return ""


def why_not_become(found: Poll, own: Position, uuid: str, old_master: str) -> str:
    """Why the candidate `uuid` with the copy `own` may not become master; empty when it may."""
    if not found.majority:
        return (f"only {found.heard} of {found.size} nodes answer (silent: "
                f"{found.silent_names()}); without a majority, --no-voting may lose what the old "
                "master committed last")
    if uuid in found.stale:
        return ("the copy here is old, the master had that noted by a majority of the nodes: run "
                "master-failover on another candidate")
    for vote in _counting(found):
        # The old master may be ahead by what it had not reported to anybody.
        if vote.node.uuid != old_master and vote.position > own:
            return (f"node {vote.node.name} has a newer copy of the configuration "
                    f"({_text(vote.position)}, here {_text(own)}): run master-failover there")
    return ""


def _counting(found: Poll) -> list[Vote]:
    """The votes of nodes whose copies nobody has noted as old: an old one may seem to be ahead."""
    stale = found.stale
    return [vote for vote in found.votes if vote.node.uuid not in stale]


def _text(position: Position) -> str:
    return f"{position.epoch}.{position.serial}"
