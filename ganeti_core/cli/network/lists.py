"""``gnt-network`` commands that most kinds of objects have: lists and tags."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganeti_core.cli.lists import Listing, listing_commands
from ganeti_core.cli.table import joined
from ganeti_core.cli.tags import tag_commands

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def _groups(groups: Iterable[Sequence[str]]) -> str:
    return ", ".join(f"{name} ({mode}, {link}, {vlan})" for name, mode, link, vlan in groups)


COMMANDS = {
    **listing_commands(Listing(
        what="network",
        default_fields=("name", "network", "gateway", "mac_prefix", "group_list", "tags"),
        writers={"group_list": _groups, "inst_list": joined, "tags": joined},
        argument="network-name", fields_usage="[<fields>...]", with_filter=False,
    )),
    **tag_commands("network", "network"),
}
