"""``gnt-cluster modify`` and ``rename``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganeti_core.cli import options as opt
from ganeti_core.cli.cluster.given import given_settings
from ganeti_core.cli.cluster.settings import SETTINGS
from ganeti_core.cli.confirm import ask
from ganeti_core.cli.failure import EXIT_FAILURE, CommandError
from ganeti_core.cli.session import Command
from ganeti_core.cli.waiting import finished, submit

if TYPE_CHECKING:
    from ganeti_core.cli.session import Session

def _modify(session: Session, _arguments: list[str]) -> int:
    changes = given_settings(session)
    if not changes:
        raise CommandError("Please give at least one of the parameters.")
    return finished(session, submit(session, session.opcode(
        "OP_CLUSTER_SET_PARAMS", force=session.options.force, **changes)))


def _rename(session: Session, arguments: list[str]) -> int:
    (old,) = session.client.query_config_values(["cluster_name"])
    if not session.options.force and not ask(
            f"This will rename the cluster '{old}' to '{arguments[0]}'; while the master's address"
            " changes, connections to it are lost. Continue?"):
        return EXIT_FAILURE
    result = submit(session, session.opcode("OP_CLUSTER_RENAME", name=arguments[0]))
    if result:
        print(f"Cluster renamed from '{old}' to '{result}'")
    return 0


COMMANDS = {
    "modify": Command(_modify, "[<opts>...]", options=(
        opt.FORCE, opt.DRY_RUN, opt.PRIORITY, *opt.SUBMITTING, *SETTINGS,
        opt.value("--max-running-jobs", dest="max_running_jobs", type="positive",
                  help="Most jobs that run at a time"),
        opt.value("--max-tracked-jobs", dest="max_tracked_jobs", type="positive",
                  help="Most running jobs that the scheduler watches"),
        opt.value("--instance-communication-network", dest="instance_communication_network",
                  help="Network for the channels between instances and their nodes; it is made if "
                       "there is none of this name"),
        opt.value("--add-uids", dest="add_uids", help="User ids to add to the pool"),
        opt.value("--remove-uids", dest="remove_uids", help="User ids to take from the pool"),
        opt.value("--reserved-lvs", dest="reserved_lvs",
                  help="Logical volumes to leave alone, patterns separated by commas"),
        opt.value("--modify-etc-hosts", dest="modify_etc_hosts", type="bool", metavar="yes|no",
                  help="Whether nodes that come and go are named in /etc/hosts of the master"),
        opt.value("--enabled-data-collectors", dest="enabled_data_collectors", type="keyval",
                  default={}, help="Data collectors that run: name=yes,..."),
        opt.value("--data-collector-interval", dest="data_collector_interval", type="keyval",
                  default={}, help="Seconds between two collections: name=n,..."))),
    "rename": Command(_rename, "<new-name>", 1, 1, (opt.FORCE, opt.DRY_RUN)),
}
