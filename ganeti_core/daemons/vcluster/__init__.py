"""``gnt-vcluster``: a whole cluster of real daemons on one machine.

Every node has a file tree of its own (``GANETI_ROOT``), a name (``GANETI_HOSTNAME``) and a loopback
address, on which its daemons listen at their usual ports. The daemons are separate processes with
separate pid files, as on real hosts; they are forked from one process that has imported all code,
so that fifty of them share most of their memory and are up in seconds.
"""

from __future__ import annotations


def main() -> int:
    """Entry point of ``gnt-vcluster``."""
    from ganeti_core.daemons.vcluster.commands import run

    return run()
