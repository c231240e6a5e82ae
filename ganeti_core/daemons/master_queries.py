"""What a node asks the master, and reports to it: through this node's own LUXI socket."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from ganeti_core.errors import ECODE_INVAL, GanetiError, NotMaster, OpPrereqError
from ganeti_core.luxi.client import LuxiClient
from ganeti_core.rpc.wire import failure, success

if TYPE_CHECKING:
    from ganeti_core.node.local_node import LocalNode
    from ganeti_core.rpc.wire import Envelope

SHORTEST = 0.1


def ask_master(local: LocalNode, query: list[Any], deadline: float) -> Envelope:
    """Ask for rows; whatever goes wrong is in the envelope."""
    try:
        return success(_rows(local, query, deadline))
    except GanetiError as exc:
        return failure(exc)


def _rows(local: LocalNode, query: list[Any], deadline: float) -> list[list[Any]]:
    match query:
        case [str(resource), list(fields), filter_] if isinstance(filter_, list | None):
            pass
        case _:
            raise OpPrereqError("a query needs a resource, a list of fields and a filter or None",
                                ECODE_INVAL)
    with _master(local, f"ask for {resource}", deadline) as luxi:
        return luxi.query_for_hook(resource, fields, filter_)


def report_left_behind(
    local: LocalNode, disk: str, copy: str, by: str, deadline: float
) -> None:
    """Return when the master has it in writing that a copy of a disk does not follow.

    :param copy: uuid of the node with that copy; `by`: of the one that writes to the disk
    :raises NotMaster: this node is not the master
    :raises GanetiError: the master is down, or refuses it
    """
    with _master(local, "report a copy of a disk", deadline) as luxi:
        luxi.report_left_behind(disk, copy, by)


def _master(local: LocalNode, what: str, deadline: float) -> LuxiClient:
    """:raises NotMaster: this node is not the master"""
    name = local.identity.name
    try:
        master = (local.paths.ssconf / "ssconf_master_node").read_text().strip()
    except OSError:
        master = ""
    if master != name:
        raise NotMaster(f"{name} cannot {what}: it is not the master node "
                        f"({master or 'which is unknown'})")
    return LuxiClient(local.paths.master_socket, max(SHORTEST, deadline - time.monotonic()))
