"""The class to subclass, per kind of plugin."""

from .authenticator import AuthenticatorContract
from .collector import CollectorContract
from .disk import DiskTemplateContract
from .extstorage import ExtStorageContract
from .hypervisor import HypervisorContract
from .iallocator import IallocatorContract
from .network import NetworkBackendContract
from .network_service import NetworkServiceContract
from .os import OsContract

__all__ = [
    "AuthenticatorContract",
    "CollectorContract",
    "DiskTemplateContract",
    "ExtStorageContract",
    "HypervisorContract",
    "IallocatorContract",
    "NetworkBackendContract",
    "NetworkServiceContract",
    "OsContract",
]
