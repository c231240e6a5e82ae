"""``gnt-cluster upgrade``: another version for a cluster that goes on meanwhile.

Versions are those of ganeti-core; clients are told that of the Ganeti whose interface it has.
"""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

from ganeti_core import __version__
from ganeti_core.cli import options as opt
from ganeti_core.cli.failure import EXIT_FAILURE, wrong_input
from ganeti_core.cli.lists import style_of
from ganeti_core.cli.session import Command
from ganeti_core.cli.table import layout, visible
from ganeti_core.cli.tools import COMPATIBLE_RELEASE

if TYPE_CHECKING:
    from ganeti_core.bootstrap.upgrade import Upgrader
    from ganeti_core.bootstrap.upgrade_check import NodeSaid, Survey
    from ganeti_core.cli.session import Session

_VERSION = re.compile(r"\d[\w.+~-]*")
_TITLES = ("Node", "Runs", "Installed", "Drivers", "What to do")


def _upgrade(session: Session, _arguments: list[str]) -> int:
    options = session.options
    if options.resume and (options.check or options.to):
        raise wrong_input("--resume goes with neither --check nor --to")
    if options.to and not _VERSION.fullmatch(options.to):
        raise wrong_input(f"'{options.to}' is no version; gnt-cluster upgrade --check names those "
                          "that are installed")
    if options.to == COMPATIBLE_RELEASE != __version__:
        raise wrong_input(f"{options.to} is the Ganeti whose interface this is; upgrades count"
                          " versions of ganeti-core: gnt-cluster upgrade --check names those that"
                          " are installed")
    from ganeti_core.bootstrap.upgrade import STAYS_DRAINED, Intent, Upgrader

    upgrader = Upgrader(session.paths, lambda line: print(line, flush=True))
    if options.check:
        return _show(session, upgrader.survey(), options.to)
    if not options.resume and not options.to:
        raise wrong_input("Give one of --check, --to and --resume")
    try:
        found_work = upgrader.begin(options.to) if options.to else upgrader.resume()
    except KeyboardInterrupt:
        if Intent.pending(session.paths) is not None:
            print(STAYS_DRAINED, file=sys.stderr)
        raise
    if found_work:
        print("The upgrade is done. Running \"gnt-cluster verify\" now is recommended.")
    else:
        _say_why_not(upgrader, options.to)
    return 0


def _say_why_not(upgrader: Upgrader, to: str | None) -> None:
    print(f"All nodes run {to} already." if to else "No upgrade is under way.")
    if not to and upgrader.drained():
        print("The queue is drained: gnt-cluster queue undrain opens it again.")


def _show(session: Session, survey: Survey, to: str | None) -> int:
    """Print what was found; the status says whether something hinders an upgrade."""
    from ganeti_core.bootstrap.upgrade import Intent

    pending = Intent.pending(session.paths)
    wanted = to or (pending.to if pending else survey.installed_on_master)
    findings = list(survey.findings(wanted))
    rows = [[node.name, node.running.version if node.running else "?",
             node.installed.version if node.installed else "?", _changed(node),
             visible("; ".join(f"{one.text}: {one.action}" for one in findings
                               if one.node == node.name)) or _left(node, wanted)]
            for node in survey.nodes]
    print("\n".join(layout(_TITLES, (False,) * len(_TITLES), rows, style_of(session))))
    if survey.debts:
        print(f"{survey.debts} calls are owed by nodes: see gnt-node list-debts")
    if survey.jobs:
        print(f"{survey.jobs} jobs are not done: an upgrade waits for them")
    if pending is not None:
        print(f"An upgrade to {pending.to} was begun, which drains the queue: gnt-cluster upgrade "
              "--resume goes on with it")
    if any(one.hinders for one in findings):
        print(f"An upgrade to {wanted or 'another version'} is not possible now.")
        return EXIT_FAILURE
    waiting = len(survey.to_restart(wanted))
    words = "--resume" if pending and pending.to == wanted else f"--to {wanted}"
    print(f"\"gnt-cluster upgrade {words}\" restarts the daemons of {waiting} nodes."
          if waiting else f"All nodes run {wanted}.")
    return 0


def _changed(node: NodeSaid) -> str:
    """Whether the drivers that are installed are those that run."""
    if node.running is None or node.installed is None:
        return "?"
    return "same" if node.running.states == node.installed.states else "differ"


def _left(node: NodeSaid, wanted: str) -> str:
    runs = node.running is not None and node.running.version == wanted
    return "nothing" if runs else "restart its daemons"


COMMANDS = {
    "upgrade": Command(_upgrade, options=(
        opt.flag("--check", dest="check",
                 help="Look whether all nodes can be upgraded; change nothing"),
        opt.value("--to", dest="to", metavar="<version>",
                   help="The version of ganeti-core, which is installed on all nodes already:"
                        " --check names those that are, gnt-cluster version the one that runs"),
        opt.flag("--resume", dest="resume",
                 help="Go on with an upgrade that was interrupted"),
        opt.NO_HEADERS, opt.SEPARATOR)),
}
