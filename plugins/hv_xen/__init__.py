"""Instances as Xen domains, paravirtual and with hardware support, by the program xl."""

from .driver import XenHvmHypervisor, XenPvmHypervisor

__all__ = ["XenHvmHypervisor", "XenPvmHypervisor"]
