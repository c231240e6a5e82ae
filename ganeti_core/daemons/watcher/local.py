"""What the watcher does on every node, also where no master answers: daemons and scripts."""

from __future__ import annotations

import logging
import time
from contextlib import closing
from typing import TYPE_CHECKING

from ganeti_core.bootstrap import local_daemons
from ganeti_core.config.database import Database
from ganeti_core.config.store import load
from ganeti_core.errors import GanetiError
from ganeti_core.node.services.scripts import run_folder
from ganeti_core.pid_file import is_held

if TYPE_CHECKING:
    from ganeti_core.paths import Paths
    from ganeti_core.rpc.identity import NodeIdentity

SCRIPTS = "watcher"
SCRIPT_SECONDS = 300.0

log = logging.getLogger(__name__)


def start_daemons(paths: Paths, identity: NodeIdentity) -> None:
    """Start the node daemon, and the master daemon on the node that is the master.

    The master daemon asks the other nodes before it serves: it does not start where another node
    has taken over.
    """
    _ensure(paths, local_daemons.NODED)
    if is_master(paths, identity):
        _ensure(paths, local_daemons.MASTERD)
        if problem := local_daemons.start_rapi(paths):
            log.error("%s", problem)


def is_master(paths: Paths, identity: NodeIdentity) -> bool:
    """Whether this node is the master, as far as it knows."""
    try:
        known = (paths.ssconf / "ssconf_master_node").read_text().strip()
    except OSError:
        return False
    return known == identity.name and paths.database.exists()


def _ensure(paths: Paths, daemon: str) -> None:
    if is_held(paths.daemon_pid(daemon)):
        return
    log.warning("%s does not run: starting it", daemon)
    try:
        local_daemons.start(paths, daemon)
    except GanetiError as exc:
        log.error("%s: %s", daemon, exc.message)


def paused_until(paths: Paths) -> float | None:
    """Until when the watcher is paused (seconds since the epoch), as the copy of the configuration
    on this node says; None where it is not, or there is no copy."""
    if not paths.database.exists():
        return None
    try:
        with closing(Database(paths.database)) as database:
            return load(database).cluster.watcher_pause
    except GanetiError as exc:
        log.warning("whether the watcher is paused cannot be read: %s", exc.message)
        return None


def run_scripts(paths: Paths, identity: NodeIdentity) -> None:
    """Run the administrator's programs in ``hooks/watcher``."""
    environment = {"GANETI_ROOT": str(paths.root), "GANETI_NODE": identity.name}
    for done in run_folder(paths.scripts / SCRIPTS, environment,
                           time.monotonic() + SCRIPT_SECONDS):
        if done["status"] == "error":
            log.warning("script %s failed: %s", done["script"], done["output"])
        else:
            log.debug("script %s: %s %s", done["script"], done["status"], done["output"])
