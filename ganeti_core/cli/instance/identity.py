"""``gnt-instance rename``, ``move``, ``change-group`` and ``remove``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganeti_core.cli import options as opt
from ganeti_core.cli.confirm import ask
from ganeti_core.cli.failure import EXIT_FAILURE, wrong_input
from ganeti_core.cli.instance.selection import must_exist
from ganeti_core.cli.instance.settings import NO_IP_CHECK, NO_NAME_CHECK
from ganeti_core.cli.session import Command
from ganeti_core.cli.waiting import JobSet, all_succeeded, submit

if TYPE_CHECKING:
    from ganeti_core.cli.session import Session


def _rename(session: Session, arguments: list[str]) -> int:
    old, new = arguments
    options = session.options
    if not options.name_check and not options.force and not ask(
            "Without the name check a wrong or duplicate name is not noticed. Rename"
            f" {old} to {new}?"):
        return EXIT_FAILURE
    result = submit(session, session.opcode(
        "OP_INSTANCE_RENAME", instance_name=old, new_name=new, name_check=options.name_check,
        ip_check=options.ip_check))
    if result:
        print(f"Instance '{old}' renamed to '{result}'")
    return 0


def _move(session: Session, arguments: list[str]) -> int:
    name, options = arguments[0], session.options
    if not options.node:
        raise wrong_input("The new node must be given with -n")
    if not options.force and not ask(
            f"Instance {name} will be moved. This requires a shutdown of the instance."
            " Continue?"):
        return EXIT_FAILURE
    submit(session, session.opcode(
        "OP_INSTANCE_MOVE", instance_name=name, target_node=options.node,
        compress=options.compress, shutdown_timeout=options.shutdown_timeout,
        ignore_consistency=options.ignore_consistency, ignore_ipolicy=options.ignore_ipolicy))
    return 0


def _change_group(session: Session, arguments: list[str]) -> int:
    options = session.options
    result = submit(session, session.opcode(
        "OP_INSTANCE_CHANGE_GROUP", instance_name=arguments[0],
        target_groups=options.to or None, iallocator=options.iallocator,
        early_release=options.early_release))
    jobs = JobSet(session)
    jobs.add_expanded(result)
    return all_succeeded(jobs.finish())


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


_RUNNING = (*opt.SUBMITTING, opt.PRIORITY)

COMMANDS = {
    "rename": Command(_rename, "<old-name> <new-name>", 2, 2, (
        opt.FORCE, NO_IP_CHECK, NO_NAME_CHECK, *_RUNNING, opt.DRY_RUN)),
    "move": Command(_move, "[-f] <instance-name>", 1, 1, (
        opt.FORCE, *_RUNNING, opt.DRY_RUN, opt.SHUTDOWN_TIMEOUT, opt.IGNORE_IPOLICY,
        opt.value("-n", "--node", dest="node", metavar="<node>", help="Where the instance goes"),
        opt.value("--compress", dest="compress", default="none",
                  help="Compression while the disks are copied"),
        opt.flag("--ignore-consistency", dest="ignore_consistency",
                 help="Go on though the disks may be outdated"))),
    "change-group": Command(
        _change_group, "[-I <iallocator>] [--to <group>] <instance-name>", 1, 1, (
            *_RUNNING, opt.IALLOCATOR,
            opt.repeated("--to", dest="to", type="string", metavar="<group>",
                         help="A node group that the instance may go to"),
            opt.flag("--early-release", dest="early_release",
                     help="Let go of the old secondary's locks early"))),
    "remove": Command(_remove, "[-f] <instance-name>", 1, 1, (
        opt.FORCE, opt.SHUTDOWN_TIMEOUT, *opt.SUBMITTING, opt.DRY_RUN, opt.PRIORITY,
        opt.flag("--ignore-failures", dest="ignore_failures",
                 help="Forget the instance though something of it could not be removed"))),
}
