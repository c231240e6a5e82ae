"""``gnt-cluster verify``, ``verify-disks`` and ``repair-disk-sizes``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ganeti_core.cli import options as opt
from ganeti_core.cli.failure import EXIT_FAILURE
from ganeti_core.cli.session import Command
from ganeti_core.cli.waiting import JobSet, submit

if TYPE_CHECKING:
    from ganeti_core.cli.session import Session


def _verify(session: Session, _arguments: list[str]) -> int:
    options = session.options
    result = submit(session, session.opcode(
        "OP_CLUSTER_VERIFY", verbose=options.verbose, error_codes=options.error_codes,
        debug_simulate_errors=options.simulate_errors or None,
        skip_checks=["nplusone_mem"] if options.skip_nplusone_mem else [],
        ignore_errors=options.ignore_errors, group_name=options.nodegroup,
        verify_clutter=options.verify_clutter or None))
    jobs = JobSet(session)
    jobs.add_expanded(result)
    outcomes = jobs.finish()
    # A check that found errors is a job that succeeded with False.
    fine = all(outcome.success and all(outcome.result) for outcome in outcomes)
    return 0 if fine else EXIT_FAILURE


def _verify_disks(session: Session, _arguments: list[str]) -> int:
    result = submit(session, session.opcode("OP_CLUSTER_VERIFY_DISKS",
                                            group_name=session.options.nodegroup))
    jobs = JobSet(session)
    jobs.add_expanded(result)
    status = 0
    for outcome in jobs.finish():
        if not outcome.success or not _show_disks(session, *outcome.result[0]):
            status = EXIT_FAILURE
    return status


def _show_disks(session: Session, bad_nodes: dict[str, Any], offline: list[str],
                missing: dict[str, list[list[str]]]) -> bool:
    """Return what one group's check found, and activate what is only down; whether all is well."""
    for node, problem in bad_nodes.items():
        print(f"Error gathering data on node {node}: {problem}")
    fine = not bad_nodes
    activations = JobSet(session)
    for name in offline:
        print(f"Activating disks for instance '{name}'")
        activations.add(name, session.opcode("OP_INSTANCE_ACTIVATE_DISKS", instance_name=name))
    if offline:
        fine = all(outcome.success for outcome in activations.finish()) and fine
    for name, disks in missing.items():
        print(f"Instance {name} has missing disks: "
              + ", ".join(f"{node} {volume}" for node, volume in disks))
        fine = False
    if not offline and not missing:
        print("No disks need to be activated.")
    return fine


def _repair_sizes(session: Session, arguments: list[str]) -> int:
    submit(session, session.opcode("OP_CLUSTER_REPAIR_DISK_SIZES", instances=arguments))
    return 0


COMMANDS = {
    "repair-disk-sizes": Command(_repair_sizes, "[<instance-name>...]", 0, None,
                                 (opt.DRY_RUN, opt.PRIORITY)),
    "verify-disks": Command(_verify_disks, options=(opt.PRIORITY, opt.NODE_GROUP)),
    "verify": Command(_verify, options=(
        opt.VERBOSE, opt.NODE_GROUP, opt.DRY_RUN, opt.PRIORITY,
        opt.flag("--debug-simulate-errors", dest="simulate_errors",
                 help="Let most checks fail, to see their messages"),
        opt.flag("--error-codes", dest="error_codes",
                 help="Show the code of every error"),
        opt.flag("--no-nplus1-mem", dest="skip_nplusone_mem",
                 help="Do not check whether a node could fail"),
        opt.flag("--verify-ssh-clutter", dest="verify_clutter",
                 help="Check for stray ssh keys"),
        opt.repeated("-I", "--ignore-errors", dest="ignore_errors", type="string",
                     help="Treat errors with this code as warnings"))),
}
