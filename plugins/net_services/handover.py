"""Reach guests that share no segment with the server: rules of nftables hand frames over.

A routed card is alone with its node. What it sends to the server, and its requests for an address,
are handed to the server's interface, and what the server sends to the card is handed to that. All
other frames stay the node's.

Of IPv6 guests learn their router from the server, which advertises itself. What a guest sends to it
for others is the node's, too: the node takes it as if it were for its own MAC address.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv6Address

from ganeti_core.plugin_api import run_command
from ganeti_core.plugin_api.network_services import ServedCard

from .files import ADDRESS

LIMIT = 10.0
EVERYBODY = "ether daddr ff:ff:ff:ff:ff:ff"
GROUPS_OF_SIX = "ether daddr & ff:ff:00:00:00:00 == 33:33:00:00:00:00"
DHCP_SERVERS = "ff02::1:2"


@dataclass(frozen=True)
class Place:
    """Where a server is reached: MAC address, and addresses of IPv6, if its network has some."""

    mac: str
    six: Sequence[str] = ()


def own_mac(name: str) -> str:
    """The MAC address of a server's interface, by which guests' frames are known to be for it."""
    digest = hashlib.sha256(name.encode()).digest()
    return ":".join(f"{byte:02x}" for byte in (0x0e, *digest[:5]))


def begin(name: str, device: str, place: Place, cards: Sequence[ServedCard]) -> None:
    """Hand over between these cards and the server's `device`; twice is harmless.

    :raises CommandFailed: the rules cannot be loaded
    """
    run_command(["ip", "link", "set", "dev", device, "up"], timeout=LIMIT)
    there = {item.get("ifname") for item in json.loads(
        run_command(["ip", "-j", "link", "show"], timeout=LIMIT).stdout or "[]")}
    _load(rules(name, device, place, [card for card in cards if card.device in there]))


def end(name: str) -> None:
    """Take the rules away; missing ones are no error.

    :raises CommandFailed: nftables does not work
    """
    _load(_empty(name))


def rules(
    name: str, device: str, place: Place, cards: Sequence[ServedCard]
) -> Iterator[str]:
    """The lines of the table, which takes the place of the one there is."""
    yield from _empty(name)
    yield f"table netdev {_table(name)} {{"
    for number, card in enumerate(cards):
        # After the filters of cards, which have the priority 0.
        yield f"chain from{number} {{"
        yield f'type filter hook ingress device "{card.device}" priority 10; policy accept;'
        for what, verdict in _of_guests(place, f'fwd to "{device}"'):
            yield f"ether saddr {card.nic.mac} {what} {verdict}"
        yield "}"
    yield "chain server {"
    yield f'type filter hook ingress device "{device}" priority 10; policy drop;'
    for card in cards:
        yield f'ether daddr {card.nic.mac} fwd to "{card.device}"'
        for several in (EVERYBODY, *([GROUPS_OF_SIX] if place.six else [])):
            yield f'{several} dup to "{card.device}"'
    yield "}"
    yield "}"


def _of_guests(place: Place, over: str) -> Iterator[tuple[str, str]]:
    """What a guest sends that is not simply the node's, and what becomes of it."""
    yield "udp dport 67", over
    yield f"arp daddr ip {ADDRESS}", over
    if place.six:
        addresses = ", ".join(place.six)
        # Which address a neighbor solicitation is for stands behind its first 8 bytes.
        targets = ", ".join(f"0x{int(IPv6Address(one)):032x}" for one in place.six)
        yield f"ip6 daddr {DHCP_SERVERS} udp dport 547", over
        yield "icmpv6 type nd-router-solicit", over
        yield f"icmpv6 type nd-neighbor-solicit @th,64,128 {{ {targets} }}", over
        yield (f"ether daddr {place.mac} ip6 daddr != {{ {addresses} }}",
               "meta pkttype set host accept")
    yield f"ether daddr {place.mac}", over


def _table(name: str) -> str:
    return f"gnt_server_{name}"


def _empty(name: str) -> Iterator[str]:
    # What is not there cannot be deleted.
    yield f"table netdev {_table(name)}"
    yield f"delete table netdev {_table(name)}"


def _load(lines: Iterable[str]) -> None:
    run_command(["nft", "-f", "-"], stdin="\n".join((*lines, "")), timeout=LIMIT)
