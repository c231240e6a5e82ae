"""``gnt-instance remove``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganeti_core.cli import options as opt
from ganeti_core.cli.confirm import ask
from ganeti_core.cli.failure import EXIT_FAILURE
from ganeti_core.cli.instance.selection import must_exist
from ganeti_core.cli.session import Command
from ganeti_core.cli.waiting import submit

if TYPE_CHECKING:
    from ganeti_core.cli.session import Session


def _remove(session: Session, arguments: list[str]) -> int:
    name = arguments[0]
    if not session.options.force:
        must_exist(session, name)
        if not ask(f"This will remove the volumes of the instance {name} (including mirrors), thus"
                   " removing all the data of the instance. Continue?"):
            return EXIT_FAILURE
    submit(session, session.opcode(
        "OP_INSTANCE_REMOVE", instance_name=name,
        ignore_failures=session.options.ignore_failures,
        shutdown_timeout=session.options.shutdown_timeout))
    return 0


COMMANDS = {
    "remove": Command(_remove, "[-f] <instance-name>", 1, 1, (
        opt.FORCE, opt.SHUTDOWN_TIMEOUT, *opt.SUBMITTING, opt.DRY_RUN, opt.PRIORITY,
        opt.flag("--ignore-failures", dest="ignore_failures",
                 help="Forget the instance though something of it could not be removed"))),
}
