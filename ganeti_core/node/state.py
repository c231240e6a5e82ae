"""All that the node daemon holds, built once by its entry point and handed to each service."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ganeti_core.config.replica import Replica
    from ganeti_core.node.dispatch import Dispatcher
    from ganeti_core.node.world import World
    from ganeti_core.rpc.access import Candidates, Epochs
    from ganeti_core.rpc.outcomes import Outcomes


@dataclass
class Newest:
    """The newest configuration (epoch, serial) of which this node got files; held by who writes."""

    guard: threading.Lock = field(default_factory=threading.Lock)
    serial: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class NodeState:
    """The node's parts.

    :param copying: held while the copy, or what is noted of copies, changes under an epoch that was
        checked: a promise to a new master must not fall in between
    :param leave: set when the node has left its cluster: the daemon then ends
    """

    world: World
    dispatcher: Dispatcher
    candidates: Candidates
    epochs: Epochs
    outcomes: Outcomes
    replica: Replica
    copying: threading.Lock = field(default_factory=threading.Lock)
    files: Newest = field(default_factory=Newest)
    leave: threading.Event = field(default_factory=threading.Event)
