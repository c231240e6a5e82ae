"""``gnt-node`` commands that most kinds of objects have: lists and tags."""

from __future__ import annotations

from ganeti_core.cli.lists import Listing, listing_commands
from ganeti_core.cli.table import joined
from ganeti_core.cli.tags import tag_commands

COMMANDS = {
    **listing_commands(Listing(
        what="node",
        default_fields=("name", "dtotal", "dfree", "mtotal", "mnode", "mfree", "pinst_cnt",
                        "sinst_cnt"),
        writers=dict.fromkeys(("pinst_list", "sinst_list", "tags"), joined),
        argument="node-name",
        with_units=True,
    )),
    **tag_commands("node", "node-name"),
}
