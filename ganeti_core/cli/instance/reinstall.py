"""``gnt-instance reinstall``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from ganeti_core.cli import options as opt
from ganeti_core.cli.confirm import ask, choose
from ganeti_core.cli.failure import EXIT_FAILURE, wrong_input
from ganeti_core.cli.instance.selection import SELECTION, select
from ganeti_core.cli.instance.settings import OS_SECRET
from ganeti_core.cli.os_definitions import usable_systems
from ganeti_core.cli.session import Command
from ganeti_core.cli.waiting import JobSet, all_succeeded

if TYPE_CHECKING:
    from ganeti_core.cli.session import Session


def _reinstall(session: Session, arguments: list[str]) -> int:
    options = session.options
    if options.select_os and options.os:
        raise wrong_input("-o and --select-os exclude each other")
    mode = options.multi_mode
    names, status = select(session, mode, arguments)
    several = len(names) > 1 or mode not in (None, "instances")
    if options.select_os:
        options.os = choose("Available OS templates:", usable_systems(session),
                            "Enter OS template number (or x to abort):", "-o")
        if options.os is None:
            print("User aborted reinstall, exiting", file=sys.stderr)
            return EXIT_FAILURE
    if not _allowed(session, names, several):
        return EXIT_FAILURE
    jobs = JobSet(session, announce=several)
    for name in names:
        jobs.add(name, _opcode(session, name))
    return all_succeeded(jobs.finish()) or status


def _allowed(session: Session, names: list[str], several: bool) -> bool:
    """Ask: all data of the instances is lost."""
    options = session.options
    listed = "\n".join(f"  {name}" for name in names)
    question = (f"This will reinstall the following instance(s) and remove *all* their data:\n"
                f"{listed}\nContinue?")
    if several:
        return bool(options.force_multi) or ask(question, "--force-multiple")
    return bool(options.force) or ask(question)


def _opcode(session: Session, name: str) -> dict[str, Any]:
    options = session.options
    return session.opcode(
        "OP_INSTANCE_REINSTALL", instance_name=name, os_type=options.os,
        force_variant=options.force_variant, osparams=options.osparams,
        osparams_private=options.osparams_private, osparams_secret=options.osparams_secret)


COMMANDS = {
    "reinstall": Command(_reinstall, "[-f] <instance>", 0, None, (
        opt.FORCE, *OS_SECRET, *SELECTION, *opt.SUBMITTING, opt.DRY_RUN, opt.PRIORITY,
        opt.flag("--select-os", dest="select_os",
                 help="Choose the operating system from a list of those that there are"))),
}
