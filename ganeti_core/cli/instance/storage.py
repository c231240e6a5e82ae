"""Commands about the disks of an instance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ganeti_core.cli import options as opt
from ganeti_core.cli.devices import chosen_disks
from ganeti_core.cli.failure import wrong_input
from ganeti_core.cli.instance.settings import NO_WAIT
from ganeti_core.cli.session import Command
from ganeti_core.cli.values import parse_size
from ganeti_core.cli.waiting import submit

if TYPE_CHECKING:
    from ganeti_core.cli.session import Session


def _activate(session: Session, arguments: list[str]) -> int:
    result = submit(session, session.opcode(
        "OP_INSTANCE_ACTIVATE_DISKS", instance_name=arguments[0],
        ignore_size=session.options.ignore_size, wait_for_sync=session.options.wait_for_sync))
    for node, disk, path in result or []:
        print(f"{node}:{disk}:{path}")
    return 0


def _deactivate(session: Session, arguments: list[str]) -> int:
    submit(session, session.opcode("OP_INSTANCE_DEACTIVATE_DISKS", instance_name=arguments[0],
                                   force=session.options.force))
    return 0


def _grow(session: Session, arguments: list[str]) -> int:
    name, disk, amount = arguments
    try:
        index = int(disk)
    except ValueError as exc:
        raise wrong_input(f"Invalid disk index: {exc}") from exc
    try:
        mebibytes = parse_size(amount)
    except ValueError as exc:
        raise wrong_input(f"Can't parse the given amount '{amount}'") from exc
    submit(session, session.opcode(
        "OP_INSTANCE_GROW_DISK", instance_name=name, disk=index, amount=mebibytes,
        absolute=session.options.absolute, wait_for_sync=session.options.wait_for_sync,
        ignore_ipolicy=session.options.ignore_ipolicy))
    return 0


def _recreate(session: Session, arguments: list[str]) -> int:
    options = session.options
    if options.node and options.iallocator:
        raise wrong_input("Give either nodes (-n) or an instance allocator (-I)")
    submit(session, session.opcode(
        "OP_INSTANCE_RECREATE_DISKS", instance_name=arguments[0],
        disks=chosen_disks(options.disks),
        nodes=options.node.split(":") if options.node else [], iallocator=options.iallocator))
    return 0


def _replace_mode(session: Session) -> str:
    """Find out which replacement is meant; one has to be named."""
    options = session.options
    modes = {
        "replace_auto": options.auto,
        "replace_on_primary": options.on_primary,
        "replace_on_secondary": options.on_secondary,
        "replace_new_secondary": options.dst_node or options.iallocator,
    }
    asked = [mode for mode, given in modes.items() if given]
    if len(asked) != 1:
        raise wrong_input("Give one of -a, -p, -s, -n and -I: which disks shall be replaced")
    return asked[0]


def _replace(session: Session, arguments: list[str]) -> int:
    options = session.options
    try:
        disks = [int(disk) for disk in options.disks.split(",")] if options.disks else []
    except ValueError as exc:
        raise wrong_input(f"Invalid disk index passed: {exc}") from exc
    submit(session, session.opcode(
        "OP_INSTANCE_REPLACE_DISKS", instance_name=arguments[0], mode=_replace_mode(session),
        disks=disks, remote_node=options.dst_node, iallocator=options.iallocator,
        early_release=options.early_release, ignore_ipolicy=options.ignore_ipolicy))
    return 0


_RUNNING: tuple[Any, ...] = (*opt.SUBMITTING, opt.PRIORITY)

COMMANDS = {
    "activate-disks": Command(_activate, "<instance-name>", 1, 1, (
        *_RUNNING,
        opt.flag("--ignore-size", dest="ignore_size",
                 help="Go on though a disk's size differs from the recorded one"),
        opt.flag("--wait-for-sync", dest="wait_for_sync",
                 help="Wait until mirrors are in sync"))),
    "deactivate-disks": Command(_deactivate, "[-f] <instance-name>", 1, 1, (
        opt.FORCE, *_RUNNING, opt.DRY_RUN)),
    "grow-disk": Command(_grow, "<instance-name> <disk> <size>", 3, 3, (
        *_RUNNING, opt.DRY_RUN, NO_WAIT, opt.IGNORE_IPOLICY,
        opt.flag("--absolute", dest="absolute",
                 help="The size is that of the whole disk, not what is added"))),
    "recreate-disks": Command(_recreate, "<instance-name>", 1, 1, (
        *_RUNNING, opt.DRY_RUN, opt.IALLOCATOR,
        opt.repeated("--disk", dest="disks", help="A disk to make anew: INDEX:size=SIZE,..."),
        opt.value("-n", "--node", dest="node", metavar="<pnode>[:<snode>]",
                  help="Nodes for the new disks"))),
    "replace-disks": Command(_replace, "[-s|-p|-a|-n NODE|-I NAME] <instance-name>", 1, 1, (
        *_RUNNING, opt.DRY_RUN, opt.IALLOCATOR, opt.IGNORE_IPOLICY,
        opt.flag("-a", "--auto", dest="auto", help="Replace those that are broken"),
        opt.value("--disks", dest="disks", help="Numbers of disks, separated by commas"),
        opt.flag("--early-release", dest="early_release",
                 help="Let go of the old secondary's locks early"),
        opt.value("-n", "--new-secondary", dest="dst_node", metavar="NODE",
                  help="Mirror the disks to this node from now on"),
        opt.flag("-p", "--on-primary", dest="on_primary",
                 help="Replace the disks on the primary node"),
        opt.flag("-s", "--on-secondary", dest="on_secondary",
                 help="Replace the disks on the secondary node"))),
}
