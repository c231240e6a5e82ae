"""``gnt-instance list`` and ``list-fields``."""

from __future__ import annotations

from ganeti_core.cli.lists import Listing, listing_commands
from ganeti_core.cli.table import joined

_LISTS = ("tags", "disk.sizes", "nic.macs", "nic.ips", "nic.modes", "nic.links", "nic.bridges",
          "nic.networks", "snodes", "snodes.group", "snodes.group.uuid")

COMMANDS = listing_commands(Listing(
    what="instance",
    default_fields=("name", "hypervisor", "os", "pnode", "status", "oper_ram"),
    writers=dict.fromkeys(_LISTS, joined),
    argument="instance-name",
    with_units=True,
))
