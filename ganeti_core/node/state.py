"""All that the node daemon holds, built once by its entry point and handed to each service."""

from __future__ import annotations

import threading
from dataclasses import field
from typing import TYPE_CHECKING

from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.node.feedback import Telling
from ganeti_core.node.gate import Gate

if TYPE_CHECKING:
    from collections.abc import Callable

    from ganeti_core.config.replica import Replica
    from ganeti_core.node.collecting import Collecting
    from ganeti_core.node.dispatch import Dispatcher
    from ganeti_core.node.world import World
    from ganeti_core.rpc.access import Epochs
    from ganeti_core.rpc.members import Members
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
    :param start_master: starts the master daemon of this host
    :param restart_daemons: has the daemons of this node restarted, soon
    :param report_left_behind: reports to the master, where it runs on this host, a disk, the node
        whose copy does not follow, and the node that says so (uuids); until a deadline
    :param gate: what may change the node waits there until it knows who may do that
    :param leave: set when the node has left its cluster: the daemon then ends
    """

    world: World
    dispatcher: Dispatcher
    members: Members
    epochs: Epochs
    outcomes: Outcomes
    replica: Replica
    collecting: Collecting
    start_master: Callable[[], None]
    restart_daemons: Callable[[], None]
    report_left_behind: Callable[[str, str, str, float], None]
    copying: threading.Lock = field(default_factory=threading.Lock)
    files: Newest = field(default_factory=Newest)
    gate: Gate = field(default_factory=Gate)
    telling: Telling = field(default_factory=Telling)
    leave: threading.Event = field(default_factory=threading.Event)
