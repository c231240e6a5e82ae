"""What dnsmasq reads, and what is run around it in its network namespace."""

from __future__ import annotations

import ipaddress
import re
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganeti_core.plugin_api import NicSpec
from ganeti_core.plugin_api.network_services import ServedCard, ServedNetwork

from . import metadata

ADDRESS = "169.254.169.254"
"""The server's own address, the same on each node, and in no network of guests."""
SUFFIX = 0xa9fea9fe
"""What it is in a prefix of IPv6."""
LINK_LOCAL = ipaddress.IPv6Network("fe80::/64")
ROUTER_SECONDS = 1800
"""How long guests that reach others by their node only remember that they do."""
PORT = "port"
"""The interface of the server in its namespace."""
LEASE = "12h"
_NO_HOST = re.compile(r"[0-9]+[smhdw]?|infinite|ignore", re.IGNORECASE)
"""What dnsmasq takes for the time of a lease, or for an order to serve nobody, not for a host."""
CONFIG, HOSTS, OPTIONS, NAMES, LEASES, PID = (
    "dnsmasq.conf", "hosts", "options", "names", "leases", "pid")


@dataclass(frozen=True)
class Ranges:
    """The ranges of a network, as far as it has them."""

    four: ipaddress.IPv4Network | None
    six: ipaddress.IPv6Network | None

    @classmethod
    def of(cls, network: ServedNetwork) -> Ranges:
        known = network.network or {}
        four = ipaddress.IPv4Network(known["network"]) if known.get("network") else None
        six = ipaddress.IPv6Network(known["network6"]) if known.get("network6") else None
        # Addresses of a link, as the network of instance communication has them, need no server.
        return cls(four, None if six is None or six.is_link_local else six)

    def addresses(self, nic: NicSpec) -> list[str]:
        """The addresses of a card: its own, and the one that it makes of its MAC."""
        own = [nic.ip] if nic.ip and self.four and (
            ipaddress.ip_address(nic.ip) in self.four) else []
        return own + ([str(eui64(self.six, nic.mac))] if self.six else [])


def eui64(prefix: ipaddress.IPv6Network, mac: str) -> ipaddress.IPv6Address:
    """The address that an interface makes of an advertised prefix and its MAC."""
    octets = [int(part, 16) for part in mac.split(":")]
    octets[0] ^= 2
    tail = bytes((*octets[:3], 0xFF, 0xFE, *octets[3:]))
    return prefix.network_address + int.from_bytes(tail, "big")


def own_six(network: ServedNetwork, mac: str) -> list[str]:
    """The server's own addresses of IPv6, where its interface has this MAC address."""
    six = Ranges.of(network).six
    return [str(eui64(LINK_LOCAL, mac)), str(six.network_address + SUFFIX)] if six else []


def config(folder: Path, network: ServedNetwork, user: str, is_apart: bool) -> str:
    """What is fixed as long as its namespace is.

    :param is_apart: whether guests share no segment with others of the network: then each reaches
        the rest of it by its node only
    """
    ranges = Ranges.of(network)
    lines = [
        f"interface={PORT}", "except-interface=lo", "bind-interfaces",
        # No other name than those of the file is known, and nobody else is asked.
        "no-hosts", "no-resolv", "no-poll", "local=/#/", f"addn-hosts={folder / NAMES}",
        "dhcp-authoritative", "dhcp-ignore=tag:!known", "no-ping", "quiet-dhcp", "quiet-dhcp6",
        "quiet-ra",
        f"dhcp-hostsfile={folder / HOSTS}", f"dhcp-optsfile={folder / OPTIONS}",
        f"dhcp-leasefile={folder / LEASES}", f"pid-file={folder / PID}",
        f"user={user}", "group=root"]
    if ranges.four:
        lines += [f"dhcp-range={ranges.four.network_address},static,{ranges.four.netmask},{LEASE}",
                  f"shared-network={PORT},{ranges.four.network_address}"]
    if ranges.six:
        lines += ["enable-ra", f"ra-param={PORT},0,{ROUTER_SECONDS if is_apart else 0}",
                  f"dhcp-range={ranges.six.network_address},static,slaac,"
                  f"{'off-link,' if is_apart else ''}{ranges.six.prefixlen},{LEASE}"]
    return "\n".join((*lines, ""))


def hosts(network: ServedNetwork, cards: Sequence[ServedCard]) -> str:
    """Which card has which addresses, by MAC."""
    ranges = Ranges.of(network)
    return "".join(
        ",".join((card.nic.mac, f"set:{_tag(card)}", *map(_bracketed, addresses),
                  *([] if _NO_HOST.fullmatch(_host(card)) else [_host(card)]))) + "\n"
        for card in cards if (addresses := ranges.addresses(card.nic)))


def options(
    network: ServedNetwork, cards: Sequence[ServedCard], settings: Mapping[str, Any]
) -> str:
    """What guests are told beside their addresses."""
    gateway = (network.network or {}).get("gateway")
    # Whoever takes such routes takes no other default route.
    routes = [f"{ADDRESS}/32,0.0.0.0", *([f"0.0.0.0/0,{gateway}"] if gateway else [])]
    resolvers = [word for word in str(settings.get("guest_dns_servers") or "").split(",") if word]
    four = [word for word in resolvers if ":" not in word]
    six = [f"[{word}]" for word in resolvers if ":" in word]
    lines = [f"option:router,{gateway}" if gateway else "option:router",
             f"option:classless-static-route,{','.join(routes)}",
             f"option:dns-server,{','.join(four or [ADDRESS])}",
             *([f"option6:dns-server,{','.join(six)}"] if six else []),
             *(f"tag:{_tag(card)},option:domain-name,{domain}"
               for card in cards if (domain := card.instance.name.partition(".")[2]))]
    return "\n".join((*lines, ""))


def names(network: ServedNetwork, cards: Sequence[ServedCard]) -> str:
    """The names of guests, in the form of /etc/hosts."""
    ranges = Ranges.of(network)
    return "".join(
        f"{address} {' '.join(dict.fromkeys((card.instance.name, _host(card))))}\n"
        for card in cards for address in ranges.addresses(card.nic))


def guard(cards: Sequence[ServedCard]) -> str:
    """The rules that let in frames of these cards alone; loaded as a whole they replace others."""
    macs = ", ".join(sorted({card.nic.mac for card in cards}))
    return ("table netdev guard\ndelete table netdev guard\n"
            "table netdev guard {\n"
            f"  chain in {{ type filter hook ingress device {PORT} priority 0; policy drop;\n"
            f"    ether saddr {{ {macs} }} accept\n  }}\n}}\n")


def setup(folder: Path, network: ServedNetwork, user: str, mac: str = "") -> Iterator[str]:
    """The lines of a shell, run in the new namespace; ``$1`` is the process that gets the other
    end of the interface, ``$2`` its name.

    :param mac: of the interface; empty for any
    """
    ranges = Ranges.of(network)
    yield "set -e"
    yield "ip link set lo up"
    address = f"address {mac} " if mac else ""
    yield f'ip link add {PORT} {address}type veth peer name "$2" netns "$1"'
    yield f"nft -f '{folder}/guard'"
    yield f"ip addr add {ADDRESS}/32 dev {PORT}"
    if ranges.six:
        yield (f"ip -6 addr add {ranges.six.network_address + SUFFIX}/{ranges.six.prefixlen} "
               f"dev {PORT} nodad")
    yield f"ip link set {PORT} up"
    if ranges.four:
        yield f"ip route add {ranges.four} dev {PORT} src {ADDRESS}"
    if metadata.is_wanted(network):
        words = [sys.executable, "-W", "ignore", "-m", metadata.__name__, str(folder), user,
                 ADDRESS]
        yield f"(while :; do {shlex.join(words)}; sleep 1; done) &"
    # It ends well when it is asked to, and so reads its files again. SIGHUP, which is meant for
    # that, crashes dnsmasq 2.90 where a lease is of a host with a tag.
    yield f"while dnsmasq --conf-file='{folder}/{CONFIG}' --keep-in-foreground; do :; done"
    yield "kill 0"  # what runs beside it must not keep the namespace


def _tag(card: ServedCard) -> str:
    return "c" + card.nic.uuid.replace("-", "")


def _host(card: ServedCard) -> str:
    return card.instance.name.partition(".")[0]


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address
