"""Tags of networks."""

from __future__ import annotations

from ganeti_core.cli.tags import tag_commands

COMMANDS = tag_commands("network", "network")
