"""Filters against guests that send under another MAC or IP address than their card's, by nftables.

Each interface has a table of its own, hooked where its frames enter the node: before bridges,
switches and routes, so that all modes have the same filters. A table stays when its interface goes.
"""

from __future__ import annotations

import ipaddress
import shutil
from collections.abc import Iterable, Iterator
from contextlib import suppress

from ganeti_core.plugin_api import CommandFailed, NetworkLink, NicSpec, OpExecError, run_command
from ganeti_core.plugin_api.network import link_of
from ganeti_core.plugin_api.run import DEFAULT_PATH

from .interfaces import LIMIT

PROGRAM = "nft"
LINK_LOCAL = "fe80::/10"
NO_ADDRESS = "0.0.0.0"  # noqa: S104  # of who asks for one


def problems(links: Iterable[NetworkLink]) -> list[str]:
    """Say why this node cannot filter, where one of `links` asks for it."""
    if not any(one.filters for one in links):
        return []
    if not _installed():
        return ["Filters of networks need the program nft, which is missing (Debian: nftables)"]
    try:
        run_command([PROGRAM, "list", "tables", "netdev"], timeout=LIMIT)
    except CommandFailed as exc:
        return [f"Filters of networks need nftables, which does not work here: {exc.message}"]
    return []


def set_up(nic: NicSpec, device: str) -> None:
    """Filter what comes from an interface, if the card's network asks for it; twice is harmless.

    :raises OpExecError: it cannot be filtered
    """
    wanted = link_of(nic).filters
    if not wanted:
        take_away(nic, device)
        return
    if "ip" in wanted and not nic.ip:
        raise OpExecError(f"NIC {nic.index} ({nic.mac}) has no IP address, but its network is "
                          "tagged ip-filtered")
    _load("\n".join(rules(nic, device, wanted)))


def take_away(nic: NicSpec, device: str) -> None:
    """Forget the filter of an interface, which may be gone.

    :raises OpExecError: it is still there
    """
    if not _installed():
        return
    if link_of(nic).filters:
        _load(_empty(device))
        return
    with suppress(CommandFailed):  # a node that cannot filter has nothing to take away
        _load(_empty(device))


def rules(nic: NicSpec, device: str, wanted: Iterable[str]) -> Iterator[str]:
    """The table of an interface, which takes the place of the one it has."""
    filters = set(wanted)
    yield _empty(device)
    yield f"table netdev {_table(device)} {{"
    yield "chain in {"
    policy = "drop" if "ip" in filters else "accept"
    yield f'type filter hook ingress device "{device}" priority 0; policy {policy};'
    if "mac" in filters:
        yield f"ether saddr != {nic.mac} drop"
        yield f"arp saddr ether != {nic.mac} drop"
    if "ip" in filters:
        yield from _by_address(*addresses(nic))
    yield "}"
    yield "}"


def _by_address(four: list[str], six: list[str]) -> Iterator[str]:
    yield f"arp saddr ip {{ {', '.join((NO_ADDRESS, *four))} }} accept"
    # Guests are no servers of addresses, and no routers.
    yield "udp sport { 67, 547 } drop"
    yield "icmpv6 type nd-router-advert drop"
    yield f"ip saddr {NO_ADDRESS} udp dport 67 accept"
    if four:
        yield f"ip saddr {{ {', '.join(four)} }} accept"
    # Which address a neighbor advertisement is for stands behind its first 8 bytes.
    for target in six:
        number = int(ipaddress.IPv6Address(target))
        yield f"icmpv6 type nd-neighbor-advert @th,64,128 0x{number:032x} accept"
    yield "icmpv6 type nd-neighbor-advert @th,64,10 != 0x3fa drop"
    yield f"ip6 saddr {{ {', '.join(('::', LINK_LOCAL, *six))} }} accept"


def addresses(nic: NicSpec) -> tuple[list[str], list[str]]:
    """The addresses of both families that a card may use: its own, and that of its MAC."""
    own = ipaddress.ip_address(str(nic.ip))
    found = (nic.network or {}).get("network6")
    prefix = ipaddress.IPv6Network(found) if found else None
    # Each interface has an address of its link anyway.
    made = [str(_eui64(prefix, nic.mac))] if prefix and not prefix.is_link_local else []
    return ([str(own)], made) if own.version == 4 else ([], [str(own), *made])


def _eui64(prefix: ipaddress.IPv6Network, mac: str) -> ipaddress.IPv6Address:
    """The address that an interface makes of an advertised prefix and its MAC."""
    octets = [int(part, 16) for part in mac.split(":")]
    tail = bytes((octets[0] ^ 2, *octets[1:3], 0xFF, 0xFE, *octets[3:]))
    return prefix.network_address + int.from_bytes(tail, "big")


def _table(device: str) -> str:
    return "gnt_" + "".join(char if char.isalnum() else "_" for char in device)


def _empty(device: str) -> str:
    # What is not there cannot be deleted.
    return f"table netdev {_table(device)}\ndelete table netdev {_table(device)}"


def _load(text: str) -> None:
    run_command([PROGRAM, "-f", "-"], stdin=f"{text}\n", timeout=LIMIT)


def _installed() -> bool:
    return shutil.which(PROGRAM, path=DEFAULT_PATH) is not None
