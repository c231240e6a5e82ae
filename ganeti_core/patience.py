"""How long hosts are given that are slow as a whole, as emulated ones are.

Limits of hooks say what hangs on a usual host. Where all is slower, the environment of the daemons
says how many times as long hooks may take. What tells whether a node is there keeps its limits:
commits, and with them writes that wait, would go on later after the loss of a node.
"""

from __future__ import annotations

import os

VARIABLE = "GANETI_PATIENCE"
MOST = 100.0


def patience() -> float:
    """Return how many times as long as usual a limit is here: 1 where nobody says otherwise."""
    try:
        wanted = float(os.environ.get(VARIABLE) or 1.0)
    except ValueError:
        return 1.0
    return min(MOST, max(1.0, wanted))
