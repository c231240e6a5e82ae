"""The kvm hypervisor: instances as QEMU processes."""

from .driver import KvmHypervisor

__all__ = ["KvmHypervisor"]
