"""``gnt-backup list`` and ``list-fields``."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ganeti_core.cli.lists import Listing, listing_commands
from ganeti_core.cli.options import repeated

if TYPE_CHECKING:
    from ganeti_core.cli.session import Session


def _on_nodes(session: Session) -> list[Any] | None:
    nodes = session.option("nodes")
    return ["|", *(["=", "node", node] for node in nodes)] if nodes else None


COMMANDS = listing_commands(Listing(
    what="export", default_fields=("node", "export"), with_units=True, with_filter=False,
    more_options=(repeated("-n", "--node", dest="nodes", type="string", metavar="<node>",
                           help="Only what this node has; may be given several times"),),
    condition=_on_nodes))
COMMANDS["list"] = replace(COMMANDS["list"], usage="", most=0)
