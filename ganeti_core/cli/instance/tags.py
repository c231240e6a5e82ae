"""Tags of instances."""

from __future__ import annotations

from ganeti_core.cli.tags import tag_commands

COMMANDS = tag_commands("instance", "instance-name")
