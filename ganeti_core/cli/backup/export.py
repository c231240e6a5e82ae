"""``gnt-backup export`` and ``remove``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganeti_core.cli import options as opt
from ganeti_core.cli.failure import wrong_input
from ganeti_core.cli.session import Command
from ganeti_core.cli.waiting import submit

if TYPE_CHECKING:
    from ganeti_core.cli.session import Session

SAME_NAME = (
    "shutdown", "shutdown_timeout", "remove_instance", "ignore_remove_failures", "long_sleep",
    "zero_free_space", "zeroing_timeout_fixed", "zeroing_timeout_per_mib")
"""Options whose value goes into the opcode's field of the same name."""


def _export(session: Session, arguments: list[str]) -> int:
    options = session.options
    if not options.node:
        raise wrong_input("Target node must be specified")
    submit(session, session.opcode(
        "OP_BACKUP_EXPORT", instance_name=arguments[0], target_node=options.node,
        compress=options.transport_compression,
        **{name: session.option(name) for name in SAME_NAME}))
    return 0


def _remove(session: Session, arguments: list[str]) -> int:
    submit(session, session.opcode("OP_BACKUP_REMOVE", instance_name=arguments[0]))
    return 0


COMMANDS = {
    "export": Command(_export, "-n <node-name> [opts...] <instance-name>", 1, 1, (
        opt.flag("-f", "--force", dest="force",
                 help="Known for the sake of scripts: there is nothing that is asked"),
        opt.value("-n", "--node", dest="node", metavar="<node>",
                  help="The node that is to have the export"),
        opt.value("--transport-compression", dest="transport_compression",
                  default="none",
                  help="How the data are compressed on their way: none, or one of the cluster's "
                       "compression tools"),
        opt.flag("--noshutdown", dest="shutdown", off=True,
                 help="Let the instance run; its disks must be able to have snapshots"),
        opt.SHUTDOWN_TIMEOUT,
        opt.flag("--remove-instance", dest="remove_instance",
                 help="Remove the instance once it is exported"),
        opt.flag("--ignore-remove-failures", dest="ignore_remove_failures",
                 help="Remove it though a node with copies of its disks is offline"),
        opt.DRY_RUN, opt.PRIORITY,
        opt.flag("--zero-free-space", dest="zero_free_space",
                 help="Before, boot the cluster's zeroing image with the instance's disks: it "
                      "overwrites with zeroes what is free on them"),
        opt.value("--zeroing-timeout-fixed", dest="zeroing_timeout_fixed", type="int",
                  help="Seconds that this may take, 300 unless told otherwise"),
        opt.value("--zeroing-timeout-per-mib", dest="zeroing_timeout_per_mib", type="float",
                  help="Seconds more for each MiB of the disks, 0.05 unless told otherwise"),
        opt.flag("--long-sleep", dest="long_sleep",
                 help="The instance may stand still for as long as the export takes"),
        *opt.SUBMITTING)),
    "remove": Command(_remove, "<instance-name>", 1, 1,
                      (opt.DRY_RUN, opt.PRIORITY, *opt.SUBMITTING)),
}
