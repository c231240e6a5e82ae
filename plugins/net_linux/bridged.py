"""Cards in a bridge of the node, in its VLANs where it filters them."""

from __future__ import annotations

from collections.abc import Sequence

from ganeti_core.plugin_api import (
    CommandFailed,
    HookContext,
    InstanceSpec,
    NetworkLink,
    NicSpec,
    OpExecError,
    run_command,
)
from ganeti_core.plugin_api.network import BRIDGE_LINK, DEVICE_LINK, FILTERS, VLANS

from .base import LinuxNetwork
from .interfaces import LIMIT, bridges, interface, ip, ports
from .vlans import tagged, untagged

GUESTS = ("tap", "vif", "veth", "gnt.com.")
"""How interfaces of guests begin; a bridge's other ports lead out of the node."""
GUEST_MAC = "fe"
"""First octet of a tap device: a bridge takes the lowest address of its ports for its own."""


class BridgedNetwork(LinuxNetwork):
    """Puts the guest's interface into the bridge that the card's link names.

    VLANs are set up on the bridge's other ports, too, and stay there, since other guests may be in
    the same ones.
    """

    mode = "bridged"
    title = "Bridges of the node"
    capabilities = frozenset({DEVICE_LINK, VLANS, BRIDGE_LINK, FILTERS})

    def missing(self, ctx: HookContext, links: tuple[NetworkLink, ...]) -> list[str]:
        known = bridges()
        missing = sorted({one.link for one in links} - known.keys())
        unable = sorted({one.link for one in links if one.vlan and known.get(one.link) is False})
        return [*([f"Missing bridges {', '.join(missing)}"] if missing else []),
                *(f"Bridge {link} has VLAN filtering disabled, so no card can be in VLANs there "
                  f"(ip link set dev {link} type bridge vlan_filtering 1)" for link in unable)]

    def join(self, ctx: HookContext, nic: NicSpec, instance: InstanceSpec, device: str) -> None:
        bridge, own = interface(nic.link), interface(device)
        if bridge is None or own is None:
            raise OpExecError(f"There is no interface {device if bridge else nic.link}")
        mac = GUEST_MAC + str(own["address"])[2:]
        ip("link", "set", "dev", device, "address", mac, "mtu", str(bridge["mtu"]))
        if nic.vlan:
            # A guest that runs has it: nothing may pass before it is in its own VLANs alone.
            ip("link", "set", "dev", device, "down")
        ip("link", "set", "dev", device, "master", nic.link)
        if nic.vlan:
            _join_vlans(nic, device)
        ip("link", "set", "dev", device, "up")

    def leave(self, ctx: HookContext, nic: NicSpec, instance: InstanceSpec, device: str) -> None:
        found = interface(device)
        if found is not None and "master" in found:
            try:
                ip("link", "set", "dev", device, "nomaster")
            except CommandFailed:
                if interface(device) is not None:  # else it went meanwhile, with its guest
                    raise


def vlan_commands(vlan: str, device: str, uplinks: Sequence[str]) -> list[list[str]]:
    """Return the commands that put a bridge's port into VLANs, and lead these out of the node."""
    # The VLAN that a bridge gives to each of its ports is none that was asked for.
    commands = [["bridge", "vlan", "del", "dev", device, "vid", "1-4094"]]
    own, others = untagged(vlan), tagged(vlan)
    for vid in (*([own] if own else ()), *others):
        how = ("pvid", "untagged") if vid == own else ()
        commands.append(["bridge", "vlan", "add", "dev", device, "vid", vid, *how, "master"])
        commands += [["bridge", "vlan", "add", "dev", uplink, "vid", vid, "master"]
                     for uplink in uplinks]
    return commands


def _join_vlans(nic: NicSpec, device: str) -> None:
    uplinks = [port for port in ports(nic.link) if not port.startswith(GUESTS)]
    for command in vlan_commands(nic.vlan, device, uplinks):
        run_command(command, timeout=LIMIT)
