"""The addresses of a network: which exist, which may be given to instances. Pure.

A network's *external* reservations are what the administrator set aside; its network address,
broadcast address and gateway are among them from the start. Which addresses instances use is not
kept here: the configuration's claims know it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator

from ganeti_core.lazy_dataclass import dataclass

from .network import Network

LARGEST = 65_536
"""Addresses of the largest network that can be managed (a /16)."""
LONGEST_PREFIX = 30
NO_POOL_OF_6 = ("guests make theirs of the network's IPv6 range and their MAC address (SLAAC), "
                "none are drawn from a pool or set aside")


@dataclass(frozen=True)
class Pool:
    """The pool of one network.

    :param external: one character per address, ``1`` where it is set aside
    """

    name: str
    network: ipaddress.IPv4Network
    external: str

    @classmethod
    def of(cls, network: Network) -> Pool:
        subnet = ipaddress.IPv4Network(network.network)
        return cls(network.name, subnet, network.ext_reservations.ljust(subnet.num_addresses, "0"))

    @classmethod
    def new(cls, name: str, subnet: ipaddress.IPv4Network, gateway: str | None) -> Pool:
        """A fresh pool: the ends of the network and its gateway are set aside."""
        pool = cls(name, subnet, "0" * subnet.num_addresses)
        ends = [str(subnet.network_address), str(subnet.broadcast_address)]
        for address in [*ends, *([gateway] if gateway else [])]:
            pool = pool.marked(address, "1")
        return pool

    def _index(self, address: str) -> int:
        """:raises ValueError: it is not an address of this network"""
        if isinstance(ipaddress.ip_address(address), ipaddress.IPv6Address):
            raise ValueError(f"{address} is an IPv6 address: {NO_POOL_OF_6}")
        at = int(ipaddress.IPv4Address(address)) - int(self.network.network_address)
        if not 0 <= at < self.network.num_addresses:
            raise ValueError(f"{self.network} does not contain {address}")
        return at

    def contains(self, address: str) -> bool:
        try:
            self._index(address)
        except ValueError:
            return False
        return True

    def is_external(self, address: str) -> bool:
        """Whether an address of this network is set aside.

        :raises ValueError: it is not an address of this network
        """
        return self.external[self._index(address)] == "1"

    def marked(self, address: str, bit: str) -> Pool:
        """The pool with one address set aside (``1``) or given back (``0``).

        :raises ValueError: it is not an address of this network, or is so already
        """
        at = self._index(address)
        if self.external[at] == bit:
            state = "already" if bit == "1" else "not"
            raise ValueError(f"IP {address} is {state} externally reserved")
        return Pool(self.name, self.network, f"{self.external[:at]}{bit}{self.external[at + 1:]}")

    def assignable(self) -> Iterator[str]:
        """The addresses that may be given to instances, lowest first, used ones included."""
        first = self.network.network_address
        return (str(first + at) for at, bit in enumerate(self.external) if bit == "0")

    def used(self, addresses: Iterable[str]) -> str:
        """The map of addresses that instances use, in the form of the external one."""
        bits = ["0"] * self.network.num_addresses
        for address in addresses:
            if self.contains(address):
                bits[self._index(address)] = "1"
        return "".join(bits)
