"""Disk template ``drbd``: each disk is on two nodes, kept alike by the kernel.

On each node it lies on two volumes of another template: the data, and DRBD's own notes of them. It
drives DRBD 8.4 by ``drbdsetup`` and ``drbdmeta``, those of the utilities 8 and 9 alike. A kernel
module of version 9 is recognized and refused.
"""

from .driver import DrbdTemplate

__all__ = ["DrbdTemplate"]
