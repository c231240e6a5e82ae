"""``gnt-plugin``: begin a plugin, check it, see which there are, switch them on and off.

Most of it works without a cluster: the plugins of this installation are loaded in this process.
"""

from __future__ import annotations


def main() -> int:
    """Entry point of ``gnt-plugin``."""
    from ganeti_core.cli.plugin.commands import run

    return run()
