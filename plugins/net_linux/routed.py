"""Cards whose address the node routes to their interface, without any common segment."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from ganeti_core.plugin_api import (
    CommandFailed,
    HookContext,
    InstanceSpec,
    NetworkLink,
    NicSpec,
    OpExecError,
)
from ganeti_core.plugin_api.network import EXCLUSIVE, FILTERS, NEEDS_IP

from . import filters
from .base import LinuxNetwork
from .interfaces import interface, ip, shown

SETTINGS = Path("/proc/sys/net")
FAMILIES = ("-4", "-6")


class RoutedNetwork(LinuxNetwork):
    """Routes the card's addresses to its interface; the link, if any, is a routing table.

    What comes from the interface is looked up in that table, too. The node answers for others on
    the interface (proxy ARP, proxy NDP), so the guest needs no gateway in its segment.
    """

    mode = "routed"
    title = "Addresses that the node routes to their guests"
    capabilities = frozenset({NEEDS_IP, EXCLUSIVE, FILTERS})

    def missing(self, ctx: HookContext, links: tuple[NetworkLink, ...]) -> list[str]:
        return [f"Unknown routing table {link}: neither a number nor a name in "
                "/etc/iproute2/rt_tables"
                for link in sorted({one.link for one in links if one.link})
                if not _is_table(link)]

    def join(self, ctx: HookContext, nic: NicSpec, instance: InstanceSpec, device: str) -> None:
        if nic.ip is None:
            raise OpExecError(f"NIC {nic.index} of {instance.name} is routed, but has no IP "
                              "address")
        _forget_rules(device)
        ip("link", "set", "dev", device, "up")
        table = ["table", nic.link] if nic.link else []
        for family, addresses in _by_family(nic):
            if table:
                ip(family, "rule", "add", "dev", device, *table)
            for address in addresses:
                ip(family, "route", "replace", address, *table, "proto", "static", "dev", device)
        _forward(device)

    def leave(self, ctx: HookContext, nic: NicSpec, instance: InstanceSpec, device: str) -> None:
        # Routes go with their interface, rules stay behind it.
        _forget_rules(device)
        if interface(device) is not None:
            for family in FAMILIES:
                with suppress(CommandFailed):
                    ip(family, "route", "flush", "table", "all", "proto", "static", "dev", device)


def _by_family(nic: NicSpec) -> Iterator[tuple[str, list[str]]]:
    """The card's addresses: its own, and the one that it makes of its network's prefix."""
    own = ipaddress.ip_address(str(nic.ip)).version
    for version, found in zip((4, 6), filters.addresses(nic), strict=True):
        # A node may do without IPv6, and its guests then have none but what they were given.
        if found and (version == own or (SETTINGS / f"ipv{version}").is_dir()):
            yield f"-{version}", found


def _is_table(name: str) -> bool:
    try:
        ip("rule", "show", "table", name)
    except CommandFailed:
        return False
    return True


def _forget_rules(device: str) -> None:
    for family in FAMILIES:
        for rule in shown(family, "rule", "show"):
            if device in (rule.get("iif"), rule.get("iif_name")):
                ip(family, "rule", "del", "dev", device, "priority", str(rule["priority"]))


def _forward(device: str) -> None:
    for family, proxy in (("ipv4", "proxy_arp"), ("ipv6", "proxy_ndp")):
        folder = SETTINGS / family / "conf" / device
        if folder.is_dir():
            (folder / proxy).write_text("1\n")
            (folder / "forwarding").write_text("1\n")
