"""``gnt-node info``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ganeti_core.cli.document import Pairs, print_document, with_defaults
from ganeti_core.cli.formats import FORMAT, print_data, wants_data
from ganeti_core.cli.lists import Listing, names_filter
from ganeti_core.cli.session import Command
from ganeti_core.cli.table import visible

if TYPE_CHECKING:
    from ganeti_core.cli.session import Session

_FIELDS = ["name", "pip", "sip", "master_candidate", "drained", "offline", "master_capable",
           "vm_capable", "pinst_list", "sinst_list", "ndparams", "custom_ndparams", "powered"]
_LISTING = Listing(what="node", default_fields=("name",))


def _document(
    node: dict[str, Any], owed: list[str], alarms: dict[str, str] | None
) -> Pairs:
    """What is shown of a node; `alarms` is None where it did not answer."""
    shown: Pairs = [
        ("Node name", node["name"]),
        ("primary ip", node["pip"]),
        ("secondary ip", node["sip"]),
        *((name, node[name]) for name in ("master_candidate", "drained", "offline",
                                          "master_capable", "vm_capable")),
    ]
    shown[3] = ("master candidate", node["master_candidate"])
    if node["powered"] is not None:
        shown.append(("powered", node["powered"]))
    if node["vm_capable"]:
        shown += [("primary for instances", sorted(node["pinst_list"] or [])),
                  ("secondary for instances", sorted(node["sinst_list"] or []))]
    if owed:
        shown.append(("owed by earlier jobs", owed))
    if alarms:
        shown.append(("reported by data collectors", [
            f"{name}: {visible('; '.join(text.splitlines()))}"
            for name, text in sorted(alarms.items())]))
    elif alarms is None and not node["offline"]:
        shown.append(("reported by data collectors", ["not known: the node did not answer"]))
    own = node["custom_ndparams"] or {}
    return [*shown, ("node parameters", with_defaults(own, node["ndparams"] or {}))]


def _info(session: Session, arguments: list[str]) -> int:
    answer = session.client.query("node", _FIELDS, names_filter(arguments, _LISTING, force=False))
    nodes = [dict(zip(_FIELDS, (value for _, value in row), strict=True))
             for row in answer["data"]]
    debts = session.client.debts()
    alarms = session.client.collector_alarms([node["name"] for node in nodes])
    if wants_data(session):
        print_data([{**node, "debts": [debt for debt in debts
                                       if debt["node_name"] == node["name"]],
                     "alarms": alarms.get(node["name"])} for node in nodes],
                   session.options.format)
        return 0
    owed: dict[str, list[str]] = {}
    for debt in debts:
        owed.setdefault(debt["node_name"], []).append(
            f"{debt['id']}: {debt['note']} ({visible(debt['reason'])})")
    print_document([_document(node, owed.get(node["name"], []), alarms.get(node["name"], {}))
                    for node in nodes])
    return 0


COMMANDS = {"info": Command(_info, "[<node>...]", 0, None, (FORMAT,))}
