"""Tags of the cluster, and the search for tags on everything."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganeti_core.cli import options as opt
from ganeti_core.cli.failure import EXIT_FAILURE
from ganeti_core.cli.session import Command
from ganeti_core.cli.tags import tag_commands
from ganeti_core.cli.waiting import submit

if TYPE_CHECKING:
    from ganeti_core.cli.session import Session


def _search(session: Session, arguments: list[str]) -> int:
    found = submit(session, session.opcode("OP_TAGS_SEARCH", pattern=arguments[0]))
    for path, tag in sorted(found):
        print(path, tag)
    return 0 if found else EXIT_FAILURE


COMMANDS = {
    **tag_commands("cluster", ""),
    "search-tags": Command(_search, "", 1, 1, (opt.PRIORITY,)),
}
