"""Commands that change node groups."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganeti_core.cli import options as opt
from ganeti_core.cli.failure import CommandError
from ganeti_core.cli.policy import POLICY_LIMITS, given_policy
from ganeti_core.cli.session import Command
from ganeti_core.cli.typed import disk_parameters, disk_state, node_parameters
from ganeti_core.cli.waiting import finished, submit

if TYPE_CHECKING:
    from ganeti_core.cli.session import Session


def _add(session: Session, arguments: list[str]) -> int:
    options = session.options
    return finished(session, submit(session, session.opcode(
        "OP_GROUP_ADD", group_name=arguments[0], alloc_policy=options.alloc_policy,
        ndparams=node_parameters(session, options.ndparams),
        diskparams=disk_parameters(session, options.diskparams),
        ipolicy=given_policy(session) or None,
        hv_state=dict(options.hv_state) or None,
        disk_state=disk_state(options.disk_state) or None)))


def _modify(session: Session, arguments: list[str]) -> int:
    options = session.options
    changes = {
        "alloc_policy": options.alloc_policy,
        "ndparams": node_parameters(session, options.ndparams),
        "diskparams": disk_parameters(session, options.diskparams),
        "ipolicy": given_policy(session) or None,
        "hv_state": dict(options.hv_state) or None,
        "disk_state": disk_state(options.disk_state) or None,
    }
    if all(value is None for value in changes.values()):
        raise CommandError("Please give at least one of the parameters.")
    result = submit(session, session.opcode("OP_GROUP_SET_PARAMS", group_name=arguments[0],
                                            **changes))
    if result:
        print(f"Modified node group {arguments[0]}")
        for name, value in result:
            print(f" - {name:<5} -> {value}")
    return 0


def _rename(session: Session, arguments: list[str]) -> int:
    submit(session, session.opcode("OP_GROUP_RENAME", group_name=arguments[0],
                                   new_name=arguments[1]))
    return 0


def _assign(session: Session, arguments: list[str]) -> int:
    submit(session, session.opcode("OP_GROUP_ASSIGN_NODES", group_name=arguments[0],
                                   nodes=arguments[1:], force=session.options.force))
    return 0


def _remove(session: Session, arguments: list[str]) -> int:
    submit(session, session.opcode("OP_GROUP_REMOVE", group_name=arguments[0]))
    return 0


_SETTINGS = (
    opt.DRY_RUN, opt.PRIORITY, *opt.SUBMITTING, opt.NDPARAMS, opt.DISK_PARAMS, opt.HV_STATE,
    opt.DISK_STATE, *POLICY_LIMITS,
    opt.choice("--alloc-policy", dest="alloc_policy", metavar="POLICY",
               choices=["preferred", "last_resort", "unallocable"],
               help="preferred, last_resort or unallocable"),
)

COMMANDS = {
    "add": Command(_add, "<group-name>", 1, 1, _SETTINGS),
    "modify": Command(_modify, "<group>", 1, 1, _SETTINGS),
    "rename": Command(_rename, "[--dry-run] <old-name> <new-name>", 2, 2, (
        opt.DRY_RUN, opt.PRIORITY, *opt.SUBMITTING)),
    "assign-nodes": Command(_assign, "<group-name> <node-name>...", 1, None, (
        opt.DRY_RUN, opt.FORCE, opt.PRIORITY, *opt.SUBMITTING)),
    "remove": Command(_remove, "[--dry-run] <group>", 1, 1, (
        opt.DRY_RUN, opt.PRIORITY, *opt.SUBMITTING)),
}
