"""The contract of network back ends: what a guest's network card is attached to on its node.

A card's ``mode`` is the name of a back end. The hypervisor makes the host's end of a card, an
interface of the node such as a tap device or one end of a veth pair, and has it attached by
``ctx.driver("network_backends", nic.mode, "attach", ...)``; so all hypervisors share all back ends.
"""

from __future__ import annotations

from collections.abc import Iterable

from .context import HookContext
from .data import Description, InstanceSpec, NetworkLink, NicSpec
from .kinds import Kind, hookspec, where

DEVICE_LINK = "device_link"
"""A card's link is the name of a network interface of the node, and must be given."""
NEEDS_IP = "needs_ip"
"""A card must have an IP address."""
VLANS = "vlans"
"""A card may be put into VLANs."""
USER_MODE = "user_mode"
"""A card needs no interface of the node: the hypervisor's own, unprivileged network serves it."""
BRIDGE_LINK = "bridge_link"
"""A card's link is a bridge: clients and scripts get it as the card's bridge, too."""
COMMUNICATION = "ganeti:communication:"
"""How the name of a card begins that is an instance's channel to its node; its name follows. The
node's end of it is called ``gnt.com.NUMBER``, as scripts for Ganeti expect."""
EXCLUSIVE = "exclusive"
"""The network reaches a guest through one node at a time: on the target of a migration cards are
attached when the guest has arrived, not before."""

FILTERS = "filters"
"""What a guest sends under another MAC or IP address than its card's can be dropped. A network asks
for that by the tags of `FILTER_TAGS`: `check` and `attach` must see to it."""
FILTER_TAGS = {"mac-filtered": "mac", "ip-filtered": "ip"}
"""Tags of networks, by which their cards are filtered, and the filters that they mean."""


class NetworkBackendSpec:
    """What hypervisors and the core may ask of a network back end.

    `device` is the interface of the node that stands for the card; empty for back ends with the
    capability ``user_mode``. Errors are `OpExecError`.
    """

    @hookspec(firstresult=True)
    @where("master")
    def describe(self) -> Description:
        """Describe the back end.

        Capabilities known to the core: ``device_link``, ``needs_ip``, ``vlans``, ``user_mode``,
        ``bridge_link``, ``exclusive``, ``filters``.
        """
        raise NotImplementedError

    @hookspec(firstresult=True)
    def check(self, ctx: HookContext, links: tuple[NetworkLink, ...]) -> list[str]:
        """Say which of `links` this node does not have, or what else is wrong with them.

        Empty when cards can be attached to all of them. Asked before an instance is created,
        started, changed or moved to the node, and when the cluster is verified.
        """
        raise NotImplementedError

    @hookspec(firstresult=True)
    @where(changes=True, timeout=60.0)
    def attach(
        self, ctx: HookContext, nic: NicSpec, instance: InstanceSpec, device: str
    ) -> None:
        """Attach `device`, which exists, to the card's link, and set it up. Twice is harmless.

        :raises OpExecError: it cannot be attached; `detach` has been done
        """
        raise NotImplementedError

    @hookspec(firstresult=True)
    @where(changes=True, timeout=60.0)
    def detach(
        self, ctx: HookContext, nic: NicSpec, instance: InstanceSpec, device: str
    ) -> None:
        """Take back all that `attach` did, also half of it; the device may be gone by now.

        Called whenever a guest has ended or lost the card, however that came. What was never
        attached is no error.

        :raises OpExecError: something is left; the hypervisor calls it again later
        """
        raise NotImplementedError

    @hookspec(firstresult=True)
    @where("master")
    def environment(
        self, nic: NicSpec, instance: InstanceSpec, device: str
    ) -> dict[str, str]:
        """Return what scripts get that attach cards in place of the back end; purely.

        Such as Ganeti's ``/etc/ganeti/kvm-vif-bridge``. A back end without this hook gets
        Ganeti's variables, `vif_environment`.
        """
        raise NotImplementedError


def filters_of(tags: Iterable[str]) -> tuple[str, ...]:
    """Return the filters that a network's tags ask for."""
    return tuple(sorted({FILTER_TAGS[tag] for tag in tags if tag in FILTER_TAGS}))


def link_of(nic: NicSpec) -> NetworkLink:
    """Return what a card is attached to, as `check` gets it."""
    return NetworkLink(nic.link, nic.vlan, filters_of((nic.network or {}).get("tags") or ()))


def vif_environment(nic: NicSpec, instance: InstanceSpec, device: str) -> dict[str, str]:
    """Return the variables that Ganeti gives to scripts which set up a network card."""
    variables = {
        "INSTANCE": instance.name, "MAC": nic.mac, "MODE": nic.mode, "INTERFACE": device,
        "INTERFACE_INDEX": str(nic.index), "INTERFACE_UUID": nic.uuid,
        "TAGS": " ".join(instance.tags), "VLAN": nic.vlan,
    }
    optional = {"IP": nic.ip, "INTERFACE_NAME": nic.name, "LINK": nic.link,
                "BRIDGE": nic.bridge}
    return variables | {name: value for name, value in (
        optional | _network_variables(nic)).items() if value}


def _network_variables(nic: NicSpec) -> dict[str, str | None]:
    network = nic.network
    if not network:
        return {}
    return {
        "NETWORK_NAME": network["name"], "NETWORK_UUID": network["uuid"],
        "NETWORK_TAGS": " ".join(network.get("tags") or ()),
        "NETWORK_SUBNET": network.get("network"), "NETWORK_GATEWAY": network.get("gateway"),
        "NETWORK_SUBNET6": network.get("network6"), "NETWORK_GATEWAY6": network.get("gateway6"),
        "NETWORK_MAC_PREFIX": network.get("mac_prefix")}


NETWORK_BACKENDS = Kind(
    "network_backends", NetworkBackendSpec,
    optional=frozenset({"environment"}),
    defaults=(("environment", vif_environment),),
    capabilities=frozenset({
        DEVICE_LINK, NEEDS_IP, VLANS, USER_MODE, BRIDGE_LINK, EXCLUSIVE, FILTERS}),
)
