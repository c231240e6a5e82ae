"""Disk template ``rbd``: images in a pool of a Ceph cluster, which every node can reach.

A disk's `logical_id` is ``("rbd", image)``. The pool is a parameter, as in Ganeti, and so is the
user of Ceph's in whose name the nodes ask.
"""

from .driver import RbdTemplate

__all__ = ["RbdTemplate"]
