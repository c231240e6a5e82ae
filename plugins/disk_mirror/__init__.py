"""Disk template ``mirror``: each disk is on two nodes, kept alike by processes, on any kernel.

On each node it lies on a device of another template, which a ``qemu-storage-daemon`` has open. The
one of the node that writes copies each write to the other node before it acknowledges it.
"""

from .driver import MirrorTemplate

__all__ = ["MirrorTemplate"]
