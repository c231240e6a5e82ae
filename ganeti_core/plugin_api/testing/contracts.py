"""The class to subclass, per kind of plugin."""

from .collector import CollectorContract
from .disk import DiskTemplateContract
from .extstorage import ExtStorageContract
from .hypervisor import HypervisorContract
from .iallocator import IallocatorContract
from .os import OsContract

__all__ = [
    "CollectorContract",
    "DiskTemplateContract",
    "ExtStorageContract",
    "HypervisorContract",
    "IallocatorContract",
    "OsContract",
]
