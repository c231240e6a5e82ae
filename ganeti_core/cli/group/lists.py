"""``gnt-group`` commands that most kinds of objects have: lists, tags, ``show-ispecs-cmd``."""

from __future__ import annotations

from ganeti_core.cli.lists import Listing, listing_commands
from ganeti_core.cli.show_specs import FOR_GROUPS
from ganeti_core.cli.table import joined, key_values
from ganeti_core.cli.tags import tag_commands

COMMANDS = {
    **listing_commands(Listing(
        what="group",
        default_fields=("name", "node_cnt", "pinst_cnt", "alloc_policy", "ndparams"),
        writers={"node_list": joined, "pinst_list": joined, "ndparams": key_values},
        argument="group-name",
    )),
    **tag_commands("nodegroup", "group"),
    "show-ispecs-cmd": FOR_GROUPS,
}
