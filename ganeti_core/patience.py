"""How long hosts are given that are slow as a whole, as emulated ones are.

Limits of hooks say what hangs on a usual host. Where all is slower, the environment of the daemons
says how many times as long hooks may take. What tells whether a node is there keeps its limits:
commits, and with them writes that wait, would go on later after the loss of a node.
"""

from __future__ import annotations

import logging
import os
from functools import cache

log = logging.getLogger(__name__)

VARIABLE = "GANETI_PATIENCE"
MOST = 100.0


def patience() -> float:
    """Return how many times as long as usual a limit is here: 1 where nobody says otherwise."""
    return _read(os.environ.get(VARIABLE) or "1")


@cache
def _read(text: str) -> float:
    """Read the value; the log says once what is taken in the place of one that cannot be."""
    try:
        wanted = float(text)
    except ValueError:
        wanted = 0.0
    taken = min(MOST, max(1.0, wanted))
    if taken != wanted:
        log.warning("%s=%s is no number from 1 to %g: it counts as %g", VARIABLE, text, MOST, taken)
    return taken
