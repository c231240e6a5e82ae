"""A program that restarts the daemons of this node: they run what is installed from then on.

The node daemon starts it, and is among them; so does the package, where no init system does that.
Guests and consoles go on. A daemon that does not run is left alone, and so is the master daemon
unless it is named: who upgrades a cluster restarts that one last.
"""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

from ganeti_core.bootstrap import local_daemons
from ganeti_core.errors import OpExecError
from ganeti_core.logs import set_up_logging
from ganeti_core.paths import Paths
from ganeti_core.pid_file import is_held

DAEMONS = (local_daemons.NODED, local_daemons.CONFD, local_daemons.MOND)

log = logging.getLogger(__name__)


def begin(paths: Paths) -> None:
    """Start the program; it outlives who calls.

    :raises OSError: it cannot be started
    """
    subprocess.Popen([sys.executable, "-m", __name__, str(paths.root)], start_new_session=True,
                     cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                     stderr=subprocess.DEVNULL)


def main() -> int:
    """Restart them; arguments: the node's root, and the daemons if not those of every node."""
    paths = Paths(Path(sys.argv[1]))
    set_up_logging(paths.log / "node-daemon.log", "restart")
    status = 0
    for daemon in sys.argv[2:] or DAEMONS:
        if not is_held(paths.daemon_pid(daemon)):
            continue
        try:
            local_daemons.restart(paths, daemon)
        except OpExecError as exc:
            log.error("%s was stopped for a restart and does not start: %s", daemon, exc.message)
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
