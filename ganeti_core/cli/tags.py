"""Tags of the cluster, of nodes, instances and node groups: the same commands for each."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ganeti_core.cli import options as opt
from ganeti_core.cli.failure import wrong_input
from ganeti_core.cli.session import Command
from ganeti_core.cli.waiting import submit

if TYPE_CHECKING:
    from ganeti_core.cli.session import Session


def _given_tags(session: Session, arguments: list[str]) -> list[str]:
    """Take tags from the arguments and from the file of ``--from`` (``-``: standard input)."""
    source = session.options.tags_source
    if source is None:
        return arguments
    try:
        text = sys.stdin.read() if source == "-" else Path(source).read_text()
    except (OSError, UnicodeDecodeError) as exc:
        raise wrong_input(f"Cannot read tags from {source}: {exc}") from exc
    return [*arguments, *(line.strip() for line in text.splitlines() if line.strip())]


def tag_commands(kind: str, argument: str) -> dict[str, Command]:
    """Make the commands for objects of `kind`; the cluster itself has no name to give."""
    named = kind != "cluster"

    def target(arguments: list[str]) -> tuple[str, list[str]]:
        return (arguments[0], arguments[1:]) if named else ("", arguments)

    def list_tags(session: Session, arguments: list[str]) -> int:
        for tag in sorted(session.client.query_tags(kind, target(arguments)[0])):
            print(tag)
        return 0

    def change(session: Session, arguments: list[str], op_id: str, done: str) -> int:
        name, given = target(arguments)
        tags = _given_tags(session, given)
        if not tags:
            raise wrong_input(f"No tags to be {done}")
        submit(session, session.opcode(op_id, kind=kind, name=name, tags=tags))
        return 0

    usage = f"<{argument}> <tag>..." if named else "<tag>..."
    options = (
        opt.PRIORITY, *opt.SUBMITTING,
        opt.value("--from", dest="tags_source", help="A file with one tag per line, - for stdin"))
    return {
        "add-tags": Command(
            lambda session, arguments: change(session, arguments, "OP_TAGS_SET", "added"),
            usage, int(named), None, options),
        "remove-tags": Command(
            lambda session, arguments: change(session, arguments, "OP_TAGS_DEL", "removed"),
            usage, int(named), None, options),
        "list-tags": Command(list_tags, f"<{argument}>" if named else "", int(named), int(named)),
    }
