"""``gnt-node modify`` and ``remove``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganeti_core.cli import options as opt
from ganeti_core.cli.failure import CommandError
from ganeti_core.cli.session import Command
from ganeti_core.cli.typed import disk_state, node_parameters
from ganeti_core.cli.waiting import submit

if TYPE_CHECKING:
    from ganeti_core.cli.session import Session

_ROLES = ("master_candidate", "drained", "offline", "master_capable", "vm_capable")


def _modify(session: Session, arguments: list[str]) -> int:
    options = session.options
    changes = {name: session.option(name) for name in (*_ROLES, "secondary_ip")}
    changes |= {"powered": options.node_powered,
                "ndparams": node_parameters(session, options.ndparams),
                "hv_state": dict(options.hv_state) or None,
                "disk_state": disk_state(options.disk_state) or None}
    if all(value is None for value in changes.values()):
        raise CommandError("Please give at least one of the parameters.")
    result = submit(session, session.opcode(
        "OP_NODE_SET_PARAMS", node_name=arguments[0], force=options.force,
        auto_promote=options.auto_promote, **changes))
    if result:
        print(f"Modified node {arguments[0]}")
        for name, value in result:
            print(f" - {name:<5} -> {value}")
    return 0


def _remove(session: Session, arguments: list[str]) -> int:
    submit(session, session.opcode("OP_NODE_REMOVE", node_name=arguments[0]))
    return 0


def _role(short: str, name: str, dest: str, help: str) -> opt.OptionSpec:
    names = (short, name) if short else (name,)
    return opt.value(*names, dest=dest, type="bool", metavar="yes|no", help=help)


CAPABLE = (
    _role("", "--master-capable", "master_capable",
          "Whether the node may become a master candidate"),
    _role("", "--vm-capable", "vm_capable", "Whether the node may run instances"),
)
SECONDARY_IP = opt.value("-s", "--secondary-ip", dest="secondary_ip", metavar="ADDRESS",
                         help="Address of the node in the network for replication")

COMMANDS = {
    "modify": Command(_modify, "<node-name>", 1, 1, (
        opt.FORCE, *opt.SUBMITTING, opt.DRY_RUN, opt.PRIORITY, *CAPABLE, SECONDARY_IP,
        opt.NDPARAMS, opt.HV_STATE, opt.DISK_STATE,
        _role("-C", "--master-candidate", "master_candidate",
              "Whether the node is a master candidate"),
        _role("-D", "--drained", "drained",
              "Whether the node gets no new instances"),
        _role("-O", "--offline", "offline",
              "Whether the node is left alone"),
        _role("", "--node-powered", "node_powered", "Whether the node is recorded as powered on"),
        opt.flag("--auto-promote", dest="auto_promote",
                 help="Make other nodes candidates where this one was one"))),
    "remove": Command(_remove, "<node-name>", 1, 1, (opt.DRY_RUN, opt.PRIORITY)),
}
