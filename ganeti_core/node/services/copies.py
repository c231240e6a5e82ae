"""A node reports that a copy of a disk does not follow: passed on to the master, if it is here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.node.services.arguments import decode

if TYPE_CHECKING:
    from ganeti_core.node.state import NodeState


@dataclass(frozen=True)
class LeftBehindArgs:
    """Of ``disk.left_behind``, uuids; `copy`: of the node whose copy does not follow; `caller`: of
    the one that reports, as its certificate says."""

    disk: str
    copy: str
    caller: str


def left_behind(state: NodeState, args: dict[str, Any], deadline: float) -> dict[str, Any]:
    """Return when the master has it in writing.

    :raises NotMaster: the master is another node
    """
    asked = decode(LeftBehindArgs, args)
    state.report_left_behind(asked.disk, asked.copy, asked.caller, deadline)
    return {}
