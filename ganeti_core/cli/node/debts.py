"""``gnt-node list-debts``, ``retry-debts`` and ``forget-debts``: what earlier jobs left to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ganeti_core.cli import options as opt
from ganeti_core.cli.confirm import ask
from ganeti_core.cli.failure import EXIT_CONFIRMATION, EXIT_FAILURE, CommandError
from ganeti_core.cli.formats import FORMAT, print_data, wants_data
from ganeti_core.cli.lists import style_of
from ganeti_core.cli.named import rows_of
from ganeti_core.cli.session import Command
from ganeti_core.cli.table import format_time, layout, visible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ganeti_core.cli.session import Session

_TITLES = ("ID", "Node", "State", "Tries", "NextTry", "Object", "Owed", "Reason")
_ON_THE_RIGHT = tuple(title == "Tries" for title in _TITLES)


def _row(debt: dict[str, Any]) -> list[str]:
    refused = debt["kind"] == "refused"
    return [debt["id"], debt["node_name"], debt["kind"], str(debt["attempts"]),
            format_time(debt["next_try"]) if refused else "when the node answers",
            debt["object"], debt["note"], visible(debt["reason"])]


def _list(session: Session, arguments: list[str]) -> int:
    as_data = wants_data(session)
    debts = session.client.debts()
    if arguments:
        # By the master's rules of names, so that what is unknown is refused as elsewhere.
        wanted = {row[0] for row in rows_of(session, "node", arguments, ["name"])}
        debts = [debt for debt in debts if debt["node_name"] in wanted]
    if as_data:
        print_data(debts, session.options.format)
        return 0
    print("\n".join(layout(_TITLES, _ON_THE_RIGHT, [_row(debt) for debt in debts],
                           style_of(session))))
    return 0


def _chosen(session: Session, arguments: list[str]) -> Sequence[str]:
    if session.options.all and arguments:
        raise CommandError("Give either --all or the ids of debts, not both.")
    if session.options.all:
        return [debt["id"] for debt in session.client.debts()]
    if not arguments:
        raise CommandError("Give the ids of debts (gnt-node list-debts shows them), or --all.")
    return arguments


def _retry(session: Session, arguments: list[str]) -> int:
    chosen = _chosen(session, arguments)
    left = session.client.retry_debts(chosen) if chosen else []
    print(f"{len(set(chosen)) - len(left)} done, {len(left)} still owed")
    for debt in left:
        print(f" - {debt['id']} on {debt['node_name']}: {debt['note']}: "
              f"{visible(debt['reason'])}")
    return EXIT_FAILURE if left else 0


def _forget(session: Session, arguments: list[str]) -> int:
    chosen = _chosen(session, arguments)
    known = {debt["id"]: debt for debt in session.client.debts()}
    for debt in (known[one] for one in dict.fromkeys(chosen) if one in known):
        print(f" - {debt['id']} on {debt['node_name']}: {debt['note']}: "
              f"{visible(debt['reason'])}")
    if chosen and not session.options.yes_do_it and not ask(
            "What these calls should have stopped or removed may stay on the nodes for good, and"
            " nothing will remind you of it. Give them up?", "--yes-do-it"):
        return EXIT_CONFIRMATION
    for debt in session.client.forget_debts(chosen) if chosen else []:
        print(f"Given up: {debt['id']}. On {debt['node_name']} look whether this is still to be "
              f"done by hand: {debt['note']} ({debt['call']})")
    return 0


_ALL = opt.flag("--all", dest="all", help="All debts of the cluster")

COMMANDS = {
    "list-debts": Command(_list, "[<node>...]", 0, None,
                          (opt.NO_HEADERS, opt.SEPARATOR, FORMAT)),
    "retry-debts": Command(_retry, "{--all | <debt-id>...}", 0, None, (_ALL,)),
    "forget-debts": Command(
        _forget, "[--yes-do-it] {--all | <debt-id>...}", 0, None, (_ALL, opt.CONFIRM)),
}
