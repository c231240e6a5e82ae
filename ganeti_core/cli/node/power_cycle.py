"""``gnt-node powercycle``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ganeti_core.cli import options as opt
from ganeti_core.cli.confirm import ask
from ganeti_core.cli.session import Command
from ganeti_core.cli.waiting import submit

if TYPE_CHECKING:
    from ganeti_core.cli.session import Session

DECLINED = 2


def _power_cycle(session: Session, arguments: list[str]) -> int:
    (node,) = arguments
    if not session.options.confirm and not ask(
            f"Are you sure you want to hard powercycle node {node}?", "--yes"):
        return DECLINED
    said = submit(session, session.opcode(
        "OP_NODE_POWERCYCLE", node_name=node, force=session.options.force))
    if said:
        print(said, file=sys.stderr)
    return 0


COMMANDS = {
    "powercycle": Command(_power_cycle, "<node-name>", 1, 1, (
        opt.FORCE, opt.flag("--yes", dest="confirm", help="Do not ask for confirmation"),
        opt.DRY_RUN, opt.PRIORITY, *opt.SUBMITTING)),
}
