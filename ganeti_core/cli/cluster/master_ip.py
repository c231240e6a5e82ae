"""``gnt-cluster activate-master-ip`` and ``deactivate-master-ip``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganeti_core.cli import options as opt
from ganeti_core.cli.confirm import ask
from ganeti_core.cli.failure import EXIT_FAILURE
from ganeti_core.cli.session import Command
from ganeti_core.cli.waiting import submit

if TYPE_CHECKING:
    from ganeti_core.cli.session import Session


def _activate(session: Session, _arguments: list[str]) -> int:
    submit(session, session.opcode("OP_CLUSTER_ACTIVATE_MASTER_IP"))
    return 0


def _deactivate(session: Session, _arguments: list[str]) -> int:
    if not session.options.confirm and not ask(
            "This will disable the master IP. All the open connections to the master IP will be"
            " closed. To reach the master you will need to use its node IP. Continue?", "--yes"):
        return EXIT_FAILURE
    submit(session, session.opcode("OP_CLUSTER_DEACTIVATE_MASTER_IP"))
    return 0


COMMANDS = {
    "activate-master-ip": Command(_activate),
    "deactivate-master-ip": Command(_deactivate, options=(
        opt.flag("--yes", dest="confirm", help="Do not ask for confirmation"),)),
}
