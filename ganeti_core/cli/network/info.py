"""``gnt-network info``."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

from ganeti_core.cli.formats import FORMAT, print_data, wants_data
from ganeti_core.cli.named import rows_of
from ganeti_core.cli.session import Command

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ganeti_core.cli.session import Session

_FIELDS = ["name", "uuid", "serial_no", "network", "gateway", "network6", "gateway6", "mac_prefix",
           "free_count", "reserved_count", "map", "external_reservations", "group_list",
           "inst_list"]
_WIDTH = 64
"""Addresses in a line of the map."""


def _cards(session: Session, networks: list[dict[str, Any]]) -> dict[str, dict[str, list[str]]]:
    """By network and instance: ``number:address`` of each card that is on the network."""
    names = sorted({name for network in networks for name in network["inst_list"]})
    found: dict[str, dict[str, list[str]]] = {network["uuid"]: {} for network in networks}
    if not names:
        return found
    rows = session.client.query_instances(names, ["name", "nic.ips", "nic.networks"])
    for name, ips, on in rows:
        for number, (ip, uuid) in enumerate(zip(ips, on, strict=True)):
            if uuid in found:
                found[uuid].setdefault(name, []).append(f"{number}:{ip}")
    return found


def _usage(network: Mapping[str, Any]) -> Iterator[str]:
    free = network["free_count"]
    size = free + network["reserved_count"]
    yield f"  Size: {size}"
    yield f"  Free: {free} ({100 * free / size:.2f}%)"
    yield "  Usage map:"
    for first in range(0, size, _WIDTH):
        line = network["map"][first:first + _WIDTH]
        yield f"     {first:>4} {line:<{_WIDTH}} {first + _WIDTH - 1}"
    yield "         (X) used    (.) free"
    if network["external_reservations"]:
        yield "  externally reserved IPs:"
        for line in textwrap.wrap(network["external_reservations"], width=_WIDTH):
            yield f"    {line}"


def _lines(network: Mapping[str, Any], cards: Mapping[str, list[str]]) -> Iterator[str]:
    yield f"Network name: {network['name']}"
    yield f"UUID: {network['uuid']}"
    yield f"Serial number: {network['serial_no']}"
    for title, field in (("Subnet", "network"), ("Gateway", "gateway"),
                         ("IPv6 Subnet", "network6"), ("IPv6 Gateway", "gateway6"),
                         ("Mac Prefix", "mac_prefix")):
        yield f"  {title}: {network[field]}"
    yield from _usage(network)
    if network["group_list"]:
        yield "  connected to node groups:"
        for group, mode, link, vlan in network["group_list"]:
            yield f"    {group} (mode:{mode} link:{link} vlan:{vlan})"
    else:
        yield "  not connected to any node group"
    if network["inst_list"]:
        yield f"  used by {len(network['inst_list'])} instances:"
        for name in network["inst_list"]:
            yield f"    {name}: {', '.join(cards.get(name, ()))}"
    else:
        yield "  not used by any instances"


def _info(session: Session, arguments: list[str]) -> int:
    as_data = wants_data(session)
    networks = [dict(zip(_FIELDS, row, strict=True))
                for row in rows_of(session, "network", arguments, _FIELDS)]
    if as_data:
        print_data(networks, session.options.format)
        return 0
    cards = _cards(session, networks)
    for network in networks:
        print("\n".join(_lines(network, cards[network["uuid"]])))
    return 0


COMMANDS = {"info": Command(_info, "[<network>...]", 0, None, (FORMAT,))}
