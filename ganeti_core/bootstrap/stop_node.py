"""A program that ends the daemons of this node, where no init system does it when the package goes.

Guests go on.
"""

from __future__ import annotations

import sys
from pathlib import Path

from ganeti_core.bootstrap import local_daemons
from ganeti_core.errors import OpExecError
from ganeti_core.paths import Paths

DAEMONS = (local_daemons.RAPI, local_daemons.MOND, local_daemons.CONFD, local_daemons.MASTERD,
           local_daemons.NODED)


def main() -> int:
    """End them; the argument is the node's root."""
    status = 0
    for daemon in DAEMONS:
        try:
            local_daemons.stop(Paths(Path(sys.argv[1])), daemon)
        except OpExecError as exc:
            sys.stderr.write(f"{exc.message}\n")
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
