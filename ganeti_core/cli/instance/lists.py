"""``gnt-instance`` commands that most kinds of objects have: lists and tags."""

from __future__ import annotations

from ganeti_core.cli.lists import Listing, listing_commands
from ganeti_core.cli.table import joined
from ganeti_core.cli.tags import tag_commands

_LISTS = ("tags", "disk.sizes", "nic.macs", "nic.ips", "nic.modes", "nic.links", "nic.bridges",
          "nic.networks", "snodes", "snodes.group", "snodes.group.uuid")

COMMANDS = {
    **listing_commands(Listing(
        what="instance",
        default_fields=("name", "hypervisor", "os", "pnode", "status", "oper_ram"),
        writers=dict.fromkeys(_LISTS, joined),
        argument="instance-name",
        with_units=True,
    )),
    **tag_commands("instance", "instance-name"),
}
