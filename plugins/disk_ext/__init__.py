"""Disk template ``ext``: volumes of an ExtStorage provider, which every node can reach.

A disk's `logical_id` is ``(provider, volume name)``. What an instance asks for a disk beside the
core's own options goes to the provider as the volume's parameters.
"""

from .driver import ExtTemplate

__all__ = ["ExtTemplate"]
