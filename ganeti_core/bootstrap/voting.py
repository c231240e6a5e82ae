"""Ask the nodes which master they know: who may start as master, and who may become it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ganeti_core.config.replica import Position
from ganeti_core.errors import GanetiError
from ganeti_core.rpc.calls import service_call
from ganeti_core.rpc.client import NodeClients, Peer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.model import Node


@dataclass(frozen=True)
class Vote:
    """What one node says: the highest epoch it has seen, its copy, whose copies are stale."""

    node: Node
    epoch: int
    position: Position
    stale: frozenset[str]


@dataclass(frozen=True)
class Poll:
    """All answers, and who was silent; `size` counts every node that has a vote, ours too."""

    votes: tuple[Vote, ...]
    silent: tuple[Node, ...]
    size: int

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

    def silent_names(self) -> str:
        return ", ".join(node.name for node in self.silent) or "none"


def poll(snapshot: Snapshot, own: str, clients: NodeClients) -> Poll:
    """Ask every node that is not marked offline, except the one with the uuid `own`."""
    voters = [node for node in snapshot.nodes.values() if node.uuid != own and not node.offline]
    answers = clients.fan_out(
        {node.uuid: (Peer.of(node), service_call("replica.position")) for node in voters})
    votes: list[Vote] = []
    silent: list[Node] = []
    for node in voters:
        answer = answers[node.uuid]
        if isinstance(answer, GanetiError):
            silent.append(node)
        else:
            epoch, serial = answer["position"]
            votes.append(Vote(node, int(answer["epoch"]), Position(int(epoch), int(serial)),
                              frozenset(answer["stale"])))
    return Poll(tuple(votes), tuple(silent), len(voters) + 1)


def why_not_start(found: Poll, own: Position) -> str:
    """Why a master at `own` may not start; empty when it may.

    A master that restarts needs a majority to know that nobody replaced it. The other node of a
    cluster of two can be made master only by hand, so there nobody has to be asked.
    """
    newer = [vote for vote in found.votes if vote.epoch > own.epoch]
    if newer:
        return (f"node {newer[0].node.name} has seen a newer master (epoch {newer[0].epoch}, this "
                f"one has {own.epoch}): this node was replaced as master and must not act as it")
    if not found.majority and found.size > 2:
        return (f"only {found.heard} of {found.size} nodes can be asked whether there is a newer "
                f"master (silent: {found.silent_names()}): start their node daemons, mark dead "
                "nodes offline, or use --no-voting if you are certain")
    return ""


def why_not_become(found: Poll, own: Position, uuid: str, old_master: str) -> str:
    """Why the candidate `uuid` with the copy `own` may not become master; empty when it may."""
    if not found.majority:
        return (f"only {found.heard} of {found.size} nodes answer (silent: "
                f"{found.silent_names()}); without a majority, --no-voting may lose what the old "
                "master committed last")
    for vote in found.votes:
        if vote.node.uuid != old_master and vote.position > own:
            return (f"node {vote.node.name} has a newer copy of the configuration "
                    f"({vote.position.epoch}.{vote.position.serial}, here "
                    f"{own.epoch}.{own.serial}): run master-failover there")
        if uuid in vote.stale:
            return (f"node {vote.node.name} has noted that the copy here is old: run "
                    "master-failover on another candidate")
    return ""


def names(nodes: Sequence[Node]) -> str:
    return ", ".join(node.name for node in nodes)
