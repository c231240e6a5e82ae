"""The nodes that a command is about, without those that are marked offline."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ganeti_core.lazy_dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ganeti_core.cli.session import Session

_FIELDS = ["name", "offline", "sip", "master", "group", "group.uuid", "ndparams"]


@dataclass(frozen=True)
class Host:
    """A node that is not marked offline, and where an ssh server is there."""

    name: str
    secondary_ip: str
    ssh_port: int
    is_master: bool


def online_nodes(session: Session, names: Sequence[str], group: str | None) -> list[Host]:
    """The nodes of these names, all without any, of one group if it is given; those marked offline
    are named and left out.

    :raises errors.OpPrereqError: there is no such node, or node group
    """
    wanted = [["=", "name", name] for name in names]
    rows = session.client.query("node", _FIELDS, ["|", *wanted] if wanted else None)["data"]
    if group is not None:
        session.client.query("group", ["name"], ["|", ["=", "name", group]])
    hosts, offline = [], []
    for name, is_offline, sip, master, own_group, group_uuid, ndparams in (
            [value for _, value in row] for row in rows):
        if group not in (None, own_group, group_uuid):
            continue
        if is_offline:
            offline.append(name)
        else:
            hosts.append(Host(name, sip, (ndparams or {}).get("ssh_port", 22), master))
    if offline:
        print(f"Note: skipping offline node(s): {', '.join(offline)}", file=sys.stderr)
    return hosts
