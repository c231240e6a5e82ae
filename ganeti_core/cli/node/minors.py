"""``gnt-node list-drbd``: to which disk the numbers of a node's devices belong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ganeti_core.cli import options as opt
from ganeti_core.cli.lists import style_of
from ganeti_core.cli.session import Command
from ganeti_core.cli.table import job_table
from ganeti_core.cli.waiting import submit
from ganeti_core.errors import ECODE_NOENT, OpPrereqError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ganeti_core.cli.session import Session

_TITLES = ("Node", "Minor", "Instance", "Disk", "Role", "PeerNode")
_ENDS = (("primary", "secondary"), ("secondary", "primary"))


def _list(session: Session, arguments: list[str]) -> int:
    known = session.client.call("QueryNodes", arguments, ["name"], False)
    if not known:
        raise OpPrereqError(f"Node '{arguments[0]}' not known", ECODE_NOENT)
    found = submit(session, session.opcode(
        "OP_INSTANCE_QUERY_DATA", instances=[], static=True, use_locking=False))
    rows = sorted(_rows(known[0][0], found.values()), key=lambda row: int(row[1]))
    for line in job_table(list(_TITLES), [False, True, *[False] * 4], rows, style_of(session)):
        print(line)
    return 0


def _rows(node: str, instances: Any) -> Iterator[list[str]]:
    for instance in instances:
        for disk in _devices(instance["disks"]):
            if (pair := disk["drbd_info"]) is None:
                continue
            for role, other in _ENDS:
                if pair[f"{role}_node"] == node:
                    yield [node, str(pair[f"{role}_minor"]), instance["name"],
                           disk["iv_name"], role, pair[f"{other}_node"] or "-"]


def _devices(disks: Any) -> Iterator[dict[str, Any]]:
    for disk in disks:
        yield disk
        yield from _devices(disk["children"])


COMMANDS = {
    "list-drbd": Command(_list, "<node>", 1, 1, (opt.NO_HEADERS, opt.SEPARATOR)),
}
