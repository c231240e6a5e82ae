"""Disk template ``plain``: logical volumes of LVM on one node.

A disk's `logical_id` is ``(volume group, volume)``, the volume's name ``UUID.diskN``, as in Ganeti;
its tag ``originstname+INSTANCE`` says whose it is. With the parameter `thin_pool` volumes are made
in a thin pool of their group and take only the room that was written to.
"""

from .driver import LvmTemplate

__all__ = ["LvmTemplate"]
