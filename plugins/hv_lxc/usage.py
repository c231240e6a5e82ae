"""What containers have used of their node.

Processor time and memory are counted by cgroups. What is read and written is counted by the device
of the container's root file system, which is nobody else's: cgroups count blocks only where the
kernel throttles them, and under version 1 not those that are written through caches.
"""

from __future__ import annotations

import os

from ganeti_core.plugin_api.device_counters import disk_usage
from ganeti_core.plugin_api.interface_counters import nic_usage
from ganeti_core.plugin_api.usage import GuestUsage

from .containers import Container


def usage(container: Container) -> GuestUsage | None:
    """What a container has used; None when nothing of it runs."""
    group, limits, spec = container.group, container.host.limits, container.spec()
    pids = group.pids()
    if not pids:
        return None
    disks, nics = (spec.disks, spec.nics) if spec else ((), ())
    root = disk_usage(disks[0].index, _root_device(min(pids))) if disks else None
    return GuestUsage(
        name=container.name, uuid=spec.uuid if spec else "",
        cpu_seconds=limits.cpu_seconds(group), memory=limits.held_memory(group),
        disks=(root,) if root is not None else (),
        nics=nic_usage({container.cards.device(nic): nic.index for nic in nics}))


def _root_device(pid: int) -> int:
    """The device number of a process' root file system; 0 when it has just ended."""
    try:
        return os.stat(f"/proc/{pid}/root/").st_dev
    except OSError:
        return 0
