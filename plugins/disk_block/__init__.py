"""Disk template ``blockdev``: block devices that are there already, the same ones on every node.

A disk's `logical_id` is ``("manual", path)``, with a path below ``/dev/disk/``. Nothing is made,
written or removed by this template: whoever provides the devices does that.
"""

from .driver import BlockdevTemplate

__all__ = ["BlockdevTemplate"]
