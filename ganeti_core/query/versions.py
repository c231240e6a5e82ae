"""Versions that clients are told: those of the software that they believe to talk to."""

from __future__ import annotations

import platform
from functools import cache

SOFTWARE_VERSION = "3.0.2"
"""Of the Ganeti whose protocols we speak; clients decide by it what they may ask."""
PROTOCOL_VERSION = 3000000
CONFIG_VERSION = 3000000
OS_API_VERSION = 20
EXPORT_VERSION = 0
VCS_VERSION = "(ganeti) version 3.0.2"


@cache
def architecture() -> list[str]:
    """Word size and machine of this node: ``["64bits", "x86_64"]``."""
    return [platform.architecture()[0].replace("bit", "bits"), platform.machine()]
