"""Disk template ``gluster``: files in a Gluster volume, which every node mounts when it needs them.

A disk's `logical_id` is ``("loop", "ganeti/UUID.N")``: a path within the volume, as Ganeti has it.
"""

from .driver import GlusterTemplate

__all__ = ["GlusterTemplate"]
