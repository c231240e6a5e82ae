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
                           help="Ignore offline nodes and do as much as possible")
_NO_REMEMBER = opt.flag("--no-remember", dest="no_remember",
                        help="Perform but do not record the change in the configuration")
_FORCE = opt.flag("-f", "--force", dest="force", help="Force the operation")


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
                  help="Hypervisor parameters"),
        opt.flag("--paused", dest="startup_paused", help="Start the instance in paused state"))),
    "shutdown": Command(_shutdown, "<instance>", 0, None, (
        _FORCE, *_COMMON, _IGNORE_OFFLINE, _NO_REMEMBER,
        opt.value("--timeout", dest="timeout", type="int", default=120,
                  help="Maximum time to wait"))),
    "reboot": Command(_reboot, "<instance>", 0, None, (
        *_COMMON, opt.SHUTDOWN_TIMEOUT,
        opt.choice("-t", "--type", dest="reboot_type", metavar="<REBOOT>", default="hard",
                   choices=["soft", "hard", "full"], help="Type of reboot: soft/hard/full"),
        opt.flag("--ignore-secondaries", dest="ignore_secondaries",
                 help="Ignore errors from secondaries"))),
}
