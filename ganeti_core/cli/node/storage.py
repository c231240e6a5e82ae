"""``gnt-node list-storage``, ``modify-storage``, ``repair-storage`` and ``volumes``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from ganeti_core.cli import options as opt
from ganeti_core.cli.lists import selected_fields, style_of
from ganeti_core.cli.session import Command
from ganeti_core.cli.table import format_size, job_table, visible
from ganeti_core.cli.waiting import submit

if TYPE_CHECKING:
    from ganeti_core.cli.session import Session

_TITLES = {"node": "Node", "type": "Type", "name": "Name", "size": "Size", "used": "Used",
           "free": "Free", "allocatable": "Allocatable"}
_VOLUMES = {"node": "Node", "phys": "PhysDev", "vg": "VG", "name": "Name", "size": "Size",
            "instance": "Instance"}
_SIZES = ("size", "used", "free")


def _show(session: Session, fields: list[str], titles: dict[str, str],
          rows: list[list[Any]]) -> None:
    style = style_of(session)
    right = [name in _SIZES for name in fields]
    texts = [[_text(name, value, style.size_unit) for name, value in
              zip(fields, row, strict=True)] for row in rows]
    for line in job_table([titles[name] for name in fields], right, texts, style):
        print(line)


def _text(field: str, value: Any, unit: str) -> str:
    if field in _SIZES:
        return format_size(float(value), unit)
    if isinstance(value, bool):
        return "Y" if value else "N"
    return visible(value)


def _list(session: Session, arguments: list[str]) -> int:
    fields = selected_fields(session.options.output, tuple(_TITLES))
    rows = submit(session, session.opcode(
        "OP_NODE_QUERY_STORAGE", nodes=arguments, output_fields=fields,
        storage_type=session.options.user_storage_type))
    _show(session, fields, _TITLES, rows)
    return 0


def _volumes(session: Session, arguments: list[str]) -> int:
    fields = selected_fields(session.options.output, tuple(_VOLUMES))
    rows = submit(session, session.opcode("OP_NODE_QUERYVOLS", nodes=arguments,
                                          output_fields=fields))
    _show(session, fields, _VOLUMES, rows)
    return 0


def _modify(session: Session, arguments: list[str]) -> int:
    node, kind, name = arguments
    if session.options.allocatable is None:
        print("No changes to perform, exiting.", file=sys.stderr)
        return 0
    submit(session, session.opcode(
        "OP_NODE_MODIFY_STORAGE", node_name=node, storage_type=kind, name=name,
        changes={"allocatable": session.options.allocatable}))
    return 0


def _repair(session: Session, arguments: list[str]) -> int:
    node, kind, name = arguments
    submit(session, session.opcode(
        "OP_REPAIR_NODE_STORAGE", node_name=node, storage_type=kind, name=name,
        ignore_consistency=session.options.ignore_consistency))
    return 0


_LISTING = (opt.NO_HEADERS, opt.SEPARATOR, opt.UNITS, opt.OUTPUT, opt.PRIORITY)
_UNIT = "<node-name> <storage-type> <volume-name>"
_CHANGING = (opt.DRY_RUN, opt.PRIORITY, *opt.SUBMITTING)

COMMANDS = {
    "list-storage": Command(_list, "[<node-name>...]", 0, None, (
        *_LISTING,
        opt.value("-t", "--storage-type", dest="user_storage_type", metavar="STORAGE_TYPE",
                  help="The type of storage units, such as lvm-vg or lvm-pv, or a disk template;"
                       " without it that of the first enabled one that takes room of nodes"))),
    "volumes": Command(_volumes, "[<node-name>...]", 0, None, _LISTING),
    "modify-storage": Command(_modify, _UNIT, 3, 3, (
        opt.value("--allocatable", dest="allocatable", type="bool", metavar="yes|no",
                  help="Whether room may be taken from it"), *_CHANGING)),
    "repair-storage": Command(_repair, _UNIT, 3, 3, (
        opt.flag("--ignore-consistency", dest="ignore_consistency",
                 help="Go on though the other node's disks may be outdated"), *_CHANGING)),
}
