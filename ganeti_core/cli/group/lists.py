"""``gnt-group list`` and ``list-fields``."""

from __future__ import annotations

from ganeti_core.cli.lists import Listing, listing_commands
from ganeti_core.cli.table import joined, key_values

COMMANDS = listing_commands(Listing(
    what="group",
    default_fields=("name", "node_cnt", "pinst_cnt", "alloc_policy", "ndparams"),
    writers={"node_list": joined, "pinst_list": joined, "ndparams": key_values},
    argument="group-name",
))
