"""Disks that are files: in a folder of one node, in a folder that all nodes share, or none at all.

A disk is a sparse raw file ``STORAGE/INSTANCE/UUID.TEMPLATE.diskN``; the disk's `logical_id` is
``("loop", path)``. Paths in the config are as on a host whose root is ``/``: a node adds its own
root, so that many nodes fit on one host. To share a folder among such nodes make the storage
folder of each a symbolic link to it.
"""

from .diskless import DisklessTemplate
from .driver import FileTemplate, SharedFileTemplate

__all__ = ["DisklessTemplate", "FileTemplate", "SharedFileTemplate"]
