"""``gnt-node power`` and ``health``, by a program that switches nodes, and ``powercycle``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from ganeti_core.cli import options as opt
from ganeti_core.cli.confirm import ask
from ganeti_core.cli.failure import EXIT_FAILURE, CommandError
from ganeti_core.cli.lists import style_of
from ganeti_core.cli.session import Command
from ganeti_core.cli.table import PLACEHOLDERS, RS_NORMAL, job_table, visible
from ganeti_core.cli.waiting import submit

if TYPE_CHECKING:
    from ganeti_core.cli.session import Session

_COMMANDS = ("on", "off", "cycle", "status")
_ASKED = ("off", "cycle")
_DECLINED = 2


def _show(session: Session, rows: list[list[str]]) -> None:
    for line in job_table(["Node", "Status"], [False, False], rows, style_of(session)):
        print(line)


def _missing(status: int) -> str:
    return PLACEHOLDERS[status][1]


def _power(session: Session, arguments: list[str]) -> int:
    command, *nodes = arguments
    options = session.options
    if command not in _COMMANDS:
        raise CommandError(f"power subcommand {command} not supported.")
    if command in _ASKED:
        if not nodes:
            raise CommandError("Please provide at least one node for this command")
        if not options.force and not ask(f"Power {command} node(s) {', '.join(nodes)}?"):
            return EXIT_FAILURE
    before = [session.opcode("OP_NODE_SET_PARAMS", node_name=node, offline=True,
                             auto_promote=options.auto_promote)
              for node in nodes] if command == "off" and not options.ignore_status else []
    result = submit(session, *before, session.opcode(
        "OP_OOB_COMMAND", node_names=nodes, command=f"power-{command}",
        ignore_status=options.ignore_status, timeout=options.oob_timeout,
        power_delay=options.power_delay))
    rows = [[name, _power_text(command, status, payload)]
            for (_, name), (status, payload) in result]
    _show(session, rows)
    return EXIT_FAILURE if any(status != RS_NORMAL for _, (status, _) in result) else 0


def _power_text(command: str, status: int, payload: Any) -> str:
    if status != RS_NORMAL:
        return _missing(status)
    if command != "status":
        return "invoked"
    return "powered" if payload["powered"] else "unpowered"


def _health(session: Session, arguments: list[str]) -> int:
    result = submit(session, session.opcode(
        "OP_OOB_COMMAND", node_names=arguments, command="health",
        timeout=session.options.oob_timeout))
    rows = []
    for (_, name), (status, payload) in result:
        found = [visible(f"{item}={state}") for item, state in payload] if (
            status == RS_NORMAL) else [_missing(status)]
        rows += [[name if at == 0 else "", text] for at, text in enumerate(found)]
    _show(session, rows)
    return EXIT_FAILURE if any(status != RS_NORMAL for _, (status, _) in result) else 0


TIMEOUT = opt.value("--oob-timeout", dest="oob_timeout", type="positive", default=60,
                    help="Seconds that the program may take for one node")
DELAY = opt.value("--power-delay", dest="power_delay", type="float", default=2.0,
                  help="Seconds between two nodes that are switched on")

def _power_cycle(session: Session, arguments: list[str]) -> int:
    (node,) = arguments
    if not session.options.confirm and not ask(
            f"Are you sure you want to hard powercycle node {node}?", "--yes"):
        return _DECLINED
    said = submit(session, session.opcode(
        "OP_NODE_POWERCYCLE", node_name=node, force=session.options.force))
    if said:
        print(said, file=sys.stderr)
    return 0


COMMANDS = {
    "health": Command(_health, "[<node-name>...]", 0, None, (
        opt.NO_HEADERS, opt.SEPARATOR, opt.PRIORITY, TIMEOUT)),
    "power": Command(_power, "on|off|cycle|status [<node-name>...]", 1, None, (
        *opt.SUBMITTING, opt.PRIORITY, opt.FORCE, opt.NO_HEADERS, opt.SEPARATOR, TIMEOUT, DELAY,
        opt.flag("--ignore-status", dest="ignore_status",
                 help="Switch nodes off that are not marked offline (dangerous)"),
        opt.flag("--auto-promote", dest="auto_promote",
                 help="Make other nodes master candidates in their place"))),
    "powercycle": Command(_power_cycle, "<node-name>", 1, 1, (
        opt.FORCE, opt.flag("--yes", dest="confirm", help="Do not ask for confirmation"),
        opt.DRY_RUN, opt.PRIORITY, *opt.SUBMITTING)),
}
