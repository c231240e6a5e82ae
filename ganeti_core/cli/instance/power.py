"""``gnt-instance startup``, ``shutdown`` and ``reboot``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ganeti_core.cli import options as opt
from ganeti_core.cli.instance.selection import SELECTION, for_each
from ganeti_core.cli.session import Command
from ganeti_core.cli.typed import backend_parameters, hypervisor_parameters

if TYPE_CHECKING:
    from ganeti_core.cli.session import Session

_COMMON = (*SELECTION, *opt.SUBMITTING, opt.DRY_RUN, opt.PRIORITY)
_IGNORE_OFFLINE = opt.flag("--ignore-offline", dest="ignore_offline",
                           help="Do what can be done though a node is offline")
_NO_REMEMBER = opt.flag("--no-remember", dest="no_remember",
                        help="Do it, and leave the wanted state as it was")
_FORCE = opt.flag("-f", "--force", dest="force", help="Do not ask, and do it against doubts")


def _startup(session: Session, arguments: list[str]) -> int:
    options = session.options
    hvparams = hypervisor_parameters(session, options.hvparams)
    beparams = backend_parameters(session, options.beparams)

    def opcode(name: str) -> dict[str, Any]:
        return session.opcode(
            "OP_INSTANCE_STARTUP", instance_name=name, force=options.force,
            ignore_offline_nodes=options.ignore_offline, no_remember=options.no_remember,
            startup_paused=options.startup_paused, hvparams=hvparams or None,
            beparams=beparams or None)

    return for_each(session, arguments, "startup", opcode)


def _shutdown(session: Session, arguments: list[str]) -> int:
    options = session.options

    def opcode(name: str) -> dict[str, Any]:
        return session.opcode(
            "OP_INSTANCE_SHUTDOWN", instance_name=name, force=options.force,
            timeout=options.timeout, ignore_offline_nodes=options.ignore_offline,
            no_remember=options.no_remember)

    return for_each(session, arguments, "shutdown", opcode)


def _reboot(session: Session, arguments: list[str]) -> int:
    options = session.options

    def opcode(name: str) -> dict[str, Any]:
        return session.opcode(
            "OP_INSTANCE_REBOOT", instance_name=name, reboot_type=options.reboot_type,
            ignore_secondaries=options.ignore_secondaries,
            shutdown_timeout=options.shutdown_timeout)

    return for_each(session, arguments, "reboot", opcode)


COMMANDS = {
    "startup": Command(_startup, "<instance>", 0, None, (
        _FORCE, *_COMMON, _IGNORE_OFFLINE, _NO_REMEMBER, opt.BEPARAMS,
        opt.value("-H", "--hypervisor-parameters", dest="hvparams", type="keyval", default={},
                  help="Parameters of the hypervisor: key=value,..."),
        opt.flag("--paused", dest="startup_paused",
                 help="Start, and hold before the first instruction, until its console is"
                      " opened ('gnt-instance console')"))),
    "shutdown": Command(_shutdown, "<instance>", 0, None, (
        _FORCE, *_COMMON, _IGNORE_OFFLINE, _NO_REMEMBER,
        opt.value("--timeout", dest="timeout", type="natural", default=120,
                  help="Seconds that the instance has to shut down"))),
    "reboot": Command(_reboot, "<instance>", 0, None, (
        *_COMMON, opt.SHUTDOWN_TIMEOUT,
        opt.choice("-t", "--type", dest="reboot_type", metavar="<REBOOT>", default="hard",
                   choices=["soft", "hard", "full"],
                   help="soft: in the guest, hard: by the hypervisor, full: stop and start"),
        opt.flag("--ignore-secondaries", dest="ignore_secondaries",
                 help="Go on though the secondary node fails"))),
}
