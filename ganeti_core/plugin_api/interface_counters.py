"""What has passed through network interfaces of the node, counted by its kernel."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from .usage import NicUsage

INTERFACES = Path("/proc/self/net/dev")
"""Those of the network namespace of this very process: ``/sys`` may show another's."""
_RECEIVED, _SENT = 0, 8
"""Columns in which the counts of each direction begin: bytes, then packets."""


def nic_usage(devices: Mapping[str, int], interfaces: Path = INTERFACES) -> tuple[NicUsage, ...]:
    """Return the counts of guests' cards, in the order of their indices.

    What the node receives from an interface is what its guest has sent.

    :param devices: the index of the card by the name of its interface on the node, such as a tap
        device or one end of a pair; one that is not there is left out. Those of one card add up
    """
    found: defaultdict[int, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for line in interfaces.read_text().splitlines():
        name, separator, counts = line.partition(":")
        index = devices.get(name.strip()) if separator else None
        if index is not None:
            words = counts.split()
            found[index] = [known + int(word) for known, word in zip(found[index], (
                *words[_SENT:_SENT + 2], *words[_RECEIVED:_RECEIVED + 2]), strict=True)]
    return tuple(
        NicUsage(index, received_bytes=to_guest, received_packets=packets_to_guest,
                 sent_bytes=of_guest, sent_packets=packets_of_guest)
        for index, (to_guest, packets_to_guest, of_guest, packets_of_guest)
        in sorted(found.items()))
