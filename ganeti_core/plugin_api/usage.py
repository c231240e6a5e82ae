"""What running guests use of their node, as hypervisors count it."""

from __future__ import annotations

from ganeti_core.lazy_dataclass import dataclass


@dataclass(frozen=True)
class DiskUsage:
    """What a guest has read from and written to its disk of this index."""

    index: int
    reads: int
    read_bytes: int
    writes: int
    written_bytes: int


@dataclass(frozen=True)
class NicUsage:
    """What has come to a guest and left it through its card of this index."""

    index: int
    received_packets: int
    received_bytes: int
    sent_packets: int
    sent_bytes: int


@dataclass(frozen=True)
class GuestUsage:
    """What a running guest has used of its node. All counts only grow while it runs.

    A disk or card of which nothing is counted is left out.

    :param cpu_seconds: processor time since it was started
    :param memory: what it holds of the node's memory now, MiB
    """

    name: str
    uuid: str
    cpu_seconds: float
    memory: float
    disks: tuple[DiskUsage, ...] = ()
    nics: tuple[NicUsage, ...] = ()
