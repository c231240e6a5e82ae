"""Reach guests that share no segment with the server: rules of nftables hand frames over.

A routed card is alone with its node. What it sends to the server, and its requests for an address,
are handed to the server's interface, and what the server sends to the card is handed to that. All
other frames stay the node's.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence

from ganeti_core.plugin_api import run_command
from ganeti_core.plugin_api.network_services import ServedCard

from .files import ADDRESS

LIMIT = 10.0
EVERYBODY = "ff:ff:ff:ff:ff:ff"


def own_mac(name: str) -> str:
    """The MAC address of a server's interface, by which guests' frames are known to be for it."""
    digest = hashlib.sha256(name.encode()).digest()
    return ":".join(f"{byte:02x}" for byte in (0x0e, *digest[:5]))


def begin(name: str, device: str, mac: str, cards: Sequence[ServedCard]) -> None:
    """Hand over between these cards and the server's `device`; twice is harmless.

    :raises CommandFailed: the rules cannot be loaded
    """
    run_command(["ip", "link", "set", "dev", device, "up"], timeout=LIMIT)
    there = {item.get("ifname") for item in json.loads(
        run_command(["ip", "-j", "link", "show"], timeout=LIMIT).stdout or "[]")}
    _load(rules(name, device, mac, [card for card in cards if card.device in there]))


def end(name: str) -> None:
    """Take the rules away; missing ones are no error.

    :raises CommandFailed: nftables does not work
    """
    _load(_empty(name))


def rules(name: str, device: str, mac: str, cards: Sequence[ServedCard]) -> Iterator[str]:
    """The lines of the table, which takes the place of the one there is."""
    yield from _empty(name)
    yield f"table netdev {_table(name)} {{"
    for number, card in enumerate(cards):
        # After the filters of cards, which have the priority 0.
        yield f"chain from{number} {{"
        yield f'type filter hook ingress device "{card.device}" priority 10; policy accept;'
        for what in ("udp dport 67", f"arp daddr ip {ADDRESS}", f"ether daddr {mac}"):
            yield f'ether saddr {card.nic.mac} {what} fwd to "{device}"'
        yield "}"
    yield "chain server {"
    yield f'type filter hook ingress device "{device}" priority 10; policy drop;'
    for card in cards:
        yield f'ether daddr {card.nic.mac} fwd to "{card.device}"'
        yield f'ether daddr {EVERYBODY} dup to "{card.device}"'
    yield "}"
    yield "}"


def _table(name: str) -> str:
    return f"gnt_server_{name}"


def _empty(name: str) -> Iterator[str]:
    # What is not there cannot be deleted.
    yield f"table netdev {_table(name)}"
    yield f"delete table netdev {_table(name)}"


def _load(lines: Iterable[str]) -> None:
    run_command(["nft", "-f", "-"], stdin="\n".join((*lines, "")), timeout=LIMIT)
