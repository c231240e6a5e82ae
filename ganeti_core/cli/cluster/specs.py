"""``gnt-cluster show-ispecs-cmd``."""

from __future__ import annotations

from ganeti_core.cli.show_specs import FOR_CLUSTER

COMMANDS = {"show-ispecs-cmd": FOR_CLUSTER}
