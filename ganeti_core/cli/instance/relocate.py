"""``gnt-instance migrate`` and ``failover``: the instance goes to another node."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganeti_core.cli import options as opt
from ganeti_core.cli.confirm import ask
from ganeti_core.cli.failure import EXIT_FAILURE, wrong_input
from ganeti_core.cli.instance.selection import must_exist
from ganeti_core.cli.instance.settings import MIGRATION_MODE, NO_RUNTIME_CHANGES, TARGET_NODE
from ganeti_core.cli.session import Command
from ganeti_core.cli.waiting import submit

if TYPE_CHECKING:
    from ganeti_core.cli.session import Session


def migration_mode(session: Session) -> str | None:
    """Read ``--non-live`` and ``--migration-mode``, which exclude each other."""
    options = session.options
    if not options.live and options.migration_mode is not None:
        raise wrong_input("Only one of the --non-live and --migration-mode options can be passed")
    return "non-live" if not options.live else options.migration_mode


def _check_target(session: Session) -> None:
    if session.options.iallocator and session.options.dst_node:
        raise wrong_input("Specify either an iallocator (-I), or a target node (-n)")


def _migrate(session: Session, arguments: list[str]) -> int:
    name, options = arguments[0], session.options
    _check_target(session)
    mode = migration_mode(session)
    if not options.force:
        must_exist(session, name)
        question = (
            f"Instance {name} will be recovered from a failed migration. Note that the migration"
            " procedure (including cleanup) is" if options.cleanup else
            f"Instance {name} will be migrated. Note that migration is")
        if not ask(f"{question} **dangerous** if the hypervisor has problems. Continue?"):
            return EXIT_FAILURE
    submit(session, session.opcode(
        "OP_INSTANCE_MIGRATE", instance_name=name, mode=mode, cleanup=options.cleanup,
        iallocator=options.iallocator, target_node=options.dst_node,
        allow_failover=options.allow_failover, allow_runtime_changes=options.allow_runtime_chgs,
        ignore_ipolicy=options.ignore_ipolicy, ignore_hvversions=options.ignore_hvversions))
    return 0


def _failover(session: Session, arguments: list[str]) -> int:
    name, options = arguments[0], session.options
    _check_target(session)
    if not options.force:
        must_exist(session, name)
        if not ask(f"Failover will happen to image {name}. This requires a shutdown of the"
                   " instance. Continue?"):
            return EXIT_FAILURE
    submit(session, session.opcode(
        "OP_INSTANCE_FAILOVER", instance_name=name, ignore_consistency=options.ignore_consistency,
        shutdown_timeout=options.shutdown_timeout, iallocator=options.iallocator,
        target_node=options.dst_node, ignore_ipolicy=options.ignore_ipolicy,
        cleanup=options.cleanup))
    return 0


_CLEANUP = opt.flag("--cleanup", dest="cleanup",
                    help="Put in order what an earlier, failed move has left")
_COMMON = (opt.FORCE, _CLEANUP, TARGET_NODE, opt.IALLOCATOR, opt.IGNORE_IPOLICY,
           *opt.SUBMITTING, opt.DRY_RUN, opt.PRIORITY)

COMMANDS = {
    "migrate": Command(_migrate, "[-f] <instance-name>", 1, 1, (
        *_COMMON, *MIGRATION_MODE, NO_RUNTIME_CHANGES,
        opt.flag("--allow-failover", dest="allow_failover",
                 help="Fail over when a migration is impossible"),
        opt.flag("--ignore-hvversions", dest="ignore_hvversions",
                 help="Go on though the nodes' hypervisor versions differ"))),
    "failover": Command(_failover, "[-f] <instance-name>", 1, 1, (
        *_COMMON, opt.SHUTDOWN_TIMEOUT,
        opt.flag("--ignore-consistency", dest="ignore_consistency",
                 help="Go on though the other node's disks may be outdated"))),
}
