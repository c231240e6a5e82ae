"""``gnt-group evacuate``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganeti_core.cli import options as opt
from ganeti_core.cli.failure import EXIT_FAILURE
from ganeti_core.cli.session import Command
from ganeti_core.cli.waiting import JobSet, submit

if TYPE_CHECKING:
    from ganeti_core.cli.session import Session


def _evacuate(session: Session, arguments: list[str]) -> int:
    options = session.options
    result = submit(session, session.opcode(
        "OP_GROUP_EVACUATE", group_name=arguments[0], iallocator=options.iallocator,
        target_groups=options.to or None, early_release=options.early_release,
        sequential=options.sequential, force_failover=options.force_failover))
    jobs = JobSet(session)
    jobs.add_expanded(result)
    failed = sum(not outcome.success for outcome in jobs.finish())
    if failed:
        print(f"There were {failed} errors during the evacuation.")
        return EXIT_FAILURE
    print("All instances evacuated successfully.")
    return 0


COMMANDS = {
    "evacuate": Command(
        _evacuate, "[-I <iallocator>] [--to <group>] <source-group>", 1, 1, (
            opt.IALLOCATOR, opt.PRIORITY, *opt.SUBMITTING,
            opt.repeated("--to", dest="to", type="string", metavar="<group>",
                         help="A node group that the instances may go to"),
            opt.flag("--early-release", dest="early_release",
                     help="Let go of the old secondary's locks early"),
            opt.flag("--sequential", dest="sequential",
                     help="Move one instance after the other"),
            opt.flag("--force-failover", dest="force_failover",
                     help="Fail instances over where they could be migrated"))),
}
