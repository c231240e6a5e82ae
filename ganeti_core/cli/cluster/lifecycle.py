"""``gnt-cluster destroy``, ``redist-conf`` and ``master-failover``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ganeti_core.cli import options as opt
from ganeti_core.cli.confirm import ask
from ganeti_core.cli.failure import EXIT_FAILURE, wrong_input
from ganeti_core.cli.session import Command
from ganeti_core.cli.waiting import submit

if TYPE_CHECKING:
    from ganeti_core.cli.session import Session


def _destroy(session: Session, _arguments: list[str]) -> int:
    if not session.options.yes_do_it:
        print("Destroying a cluster is irreversible. If you really want destroy this cluster,"
              " supply the --yes-do-it option.", file=sys.stderr)
        return EXIT_FAILURE
    submit(session, session.opcode("OP_CLUSTER_DESTROY"))
    from ganeti_core.bootstrap.destroy import destroy_cluster

    # The master is about to be stopped: nobody may be left talking to it.
    session.client.close()
    destroy_cluster(session.paths)
    return 0


def _redist_conf(session: Session, _arguments: list[str]) -> int:
    submit(session, session.opcode("OP_CLUSTER_REDIST_CONF"))
    return 0


def _master_failover(session: Session, _arguments: list[str]) -> int:
    options = session.options
    if options.ignore_offline_nodes is not None:
        raise wrong_input("Option --ignore-offline-nodes is not supported: nodes marked offline"
                          " have no vote here")
    if options.no_voting and not options.yes_do_it and not ask(
            "This will perform the failover even if most other nodes are down, or if this node"
            " is outdated. This is dangerous as it can lead to a non-consistent cluster."
            " Check the gnt-cluster(8) man page before proceeding. Continue?", "--yes-do-it"):
        return EXIT_FAILURE
    from ganeti_core.bootstrap.failover import master_failover

    master_failover(session.paths, no_voting=options.no_voting)
    return 0


COMMANDS = {
    "destroy": Command(_destroy, options=(
        opt.flag("--yes-do-it", "--ya-rly", dest="yes_do_it",
                 help="Really destroy it"),)),
    "redist-conf": Command(_redist_conf, options=(
        *opt.SUBMITTING, opt.DRY_RUN, opt.PRIORITY, opt.CONFIRM)),
    "master-failover": Command(_master_failover, options=(
        opt.flag("--no-voting", dest="no_voting",
                 help="Do not ask the other nodes (dangerous)"),
        opt.CONFIRM,
        opt.value("--ignore-offline-nodes", dest="ignore_offline_nodes",
                  help="Not supported: nodes marked offline have no vote"))),
}
