"""``gnt-group info``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ganeti_core.cli.document import Pairs, print_document, with_defaults
from ganeti_core.cli.formats import FORMAT, print_data, wants_data
from ganeti_core.cli.lists import Listing, names_filter
from ganeti_core.cli.policy import inherited_policy
from ganeti_core.cli.session import Command

if TYPE_CHECKING:
    from ganeti_core.cli.session import Session

_FIELDS = ["name", "ndparams", "custom_ndparams", "diskparams", "custom_diskparams", "ipolicy",
           "custom_ipolicy"]
_LISTING = Listing(what="group", default_fields=("name",))


def _document(group: dict[str, Any]) -> Pairs:
    return [
        ("Node group", group["name"]),
        ("Node parameters", with_defaults(group["custom_ndparams"], group["ndparams"])),
        ("Disk parameters", with_defaults(group["custom_diskparams"], group["diskparams"])),
        ("Instance policy", inherited_policy(group["custom_ipolicy"], group["ipolicy"])),
    ]


def _info(session: Session, arguments: list[str]) -> int:
    answer = session.client.query("group", _FIELDS,
                                  names_filter(arguments, _LISTING, force=False))
    groups = [dict(zip(_FIELDS, (value or {} for _, value in row), strict=True))
              for row in answer["data"]]
    if wants_data(session):
        print_data(groups, session.options.format)
        return 0
    print_document([_document(group) for group in groups])
    return 0


COMMANDS = {"info": Command(_info, "[<group>...]", 0, None, (FORMAT,))}
