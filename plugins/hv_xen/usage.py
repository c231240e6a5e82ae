"""What domains have used of their node.

Xen counts processor time. Disks are counted by the kernel's part that serves them (blkback), cards
by the kernel as interfaces of the node. What QEMU serves instead is not counted.
"""

from __future__ import annotations

from pathlib import Path

from ganeti_core.plugin_api import InstanceSpec
from ganeti_core.plugin_api.interface_counters import INTERFACES, nic_usage
from ganeti_core.plugin_api.usage import DiskUsage, GuestUsage, NicUsage

from .configuration import device_name
from .domains import Guest, guests
from .toolstack import Domain, Xl

BACKENDS = Path("/sys/bus/xen-backend/devices")
SECTOR = 512
_DISKS = {"xvd": (202 << 8, 4, 16), "sd": (8 << 8, 4, 16), "hd": (3 << 8, 6, 2)}
"""Numbers of devices by the beginning of their names: the first, bits for partitions, how many."""
_SECOND_CABLE = 22 << 8
"""Of ``hdc``."""
_EXTENDED = 1 << 28
"""Added to the numbers of ``xvdq`` and later ones."""


def usage(xl: Xl) -> list[GuestUsage]:
    """What each guest that runs here has used."""
    found = list(guests(xl))
    domains = xl.domains() if found else {}
    return [_of(one, domains) for one in found
            if one.name in domains and one.info(domains) is not None]


def _of(guest: Guest, domains: dict[str, Domain]) -> GuestUsage:
    domain, runtime = domains[guest.name], guest.load()
    spec = runtime.spec if runtime else InstanceSpec("", guest.name, "")
    return GuestUsage(
        name=guest.name, uuid=spec.uuid, cpu_seconds=domain.cpu_seconds, memory=domain.memory,
        disks=disks(domain.number, spec), nics=nics(domain.number, spec))


def disks(domain: int, spec: InstanceSpec, backends: Path = BACKENDS) -> tuple[DiskUsage, ...]:
    """The counts of a domain's disks; those that the kernel does not serve are left out."""
    found = []
    for disk in spec.disks:
        number = device_number(device_name(disk, spec.hvparams))
        folder = backends / f"vbd-{domain}-{number}/statistics"
        try:
            reads, read, writes, written = (
                int((folder / name).read_text())
                for name in ("rd_req", "rd_sect", "wr_req", "wr_sect"))
        except (OSError, ValueError):
            continue
        found.append(DiskUsage(disk.index, reads, read * SECTOR, writes, written * SECTOR))
    return tuple(found)


def device_number(name: str) -> int | None:
    """The number that Xen gives a whole disk of that name; None: it is not known."""
    prefix, at = name[:-1], ord(name[-1]) - ord("a")
    if prefix not in _DISKS:
        return None
    first, bits, most = _DISKS[prefix]
    if at < most:
        return int(first + (at << bits))
    if prefix == "xvd":
        return int(_EXTENDED | at << 8)
    return _SECOND_CABLE + (at - 2 << 6) if name in ("hdc", "hdd") else None


def nics(domain: int, spec: InstanceSpec, interfaces: Path = INTERFACES) -> tuple[NicUsage, ...]:
    """The counts of a domain's cards; one that QEMU pretends has an interface of its own."""
    return nic_usage({
        f"vif{domain}.{at}{kind}": nic.index
        for at, nic in enumerate(spec.nics) for kind in ("", "-emu")}, interfaces)
