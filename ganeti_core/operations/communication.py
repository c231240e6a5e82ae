"""The channel between instances and their nodes: a network of its own, and a card on it.

The network is the cluster's ``instance_communication_network``; its name, the names of the cards
and the addresses are Ganeti's. A network that this makes is routed and leads nowhere. One that is
there already is taken as it is, also one whose services tell guests their addresses and metadata.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ganeti_core.errors import ECODE_INVAL, OpPrereqError
from ganeti_core.model.ganeti_settings import COMMUNICATION_MODE
from ganeti_core.opcodes.network import NetworkAdd, NetworkConnect
from ganeti_core.operations.instance.device_changes import DeviceChange
from ganeti_core.plugin_api.network import COMMUNICATION

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.model import Instance, Network
    from ganeti_core.opcodes.base import OpCode
    from ganeti_core.opcodes.instance import InstanceCreate
    from ganeti_core.operations.cluster.settings_context import SettingsContext
    from ganeti_core.operations.context import OpContext

NETWORK, NETWORK6, MAC_PREFIX = "169.254.0.0/16", "fe80::/10", "52:54:00"
LINK = "communication_rt"
METADATA = "169.254.169.254"
"""Where guests look for metadata; Ganeti may give it to an instance, which then finds none."""


def network_jobs(snapshot: Snapshot, name: str, groups: Sequence[str]) -> list[list[OpCode]]:
    """The job, if one is needed, that makes the network and connects it to groups (names)."""
    known: Network | None = snapshot.find("network", name)
    ops: list[OpCode] = []
    if known is None:
        ops.append(NetworkAdd(network_name=name, network=NETWORK, network6=NETWORK6,
                              mac_prefix=MAC_PREFIX, add_reserved_ips=[METADATA], reason=[]))
    ops += [NetworkConnect(network_name=name, group_name=group, network_mode=COMMUNICATION_MODE,
                           network_link=LINK, reason=[])
            for group in groups
            if known is None or known.uuid not in snapshot.group(group).networks]
    return [ops] if ops else []


def warn_of_network(ctx: SettingsContext, name: str) -> None:
    """Warn of what makes a network that is there already less fit than one that would be made."""
    known: Network | None = ctx.snapshot.find("network", name)
    if known is None:
        return
    for what, value, usual in (
            ("has an IPv4 gateway", known.gateway, None),
            ("has a non-standard IPv4 network address", known.network, NETWORK),
            ("has an IPv6 gateway", known.gateway6, None),
            ("has a non-standard IPv6 network address", known.network6, NETWORK6),
            ("has a non-standard MAC prefix", known.mac_prefix, MAC_PREFIX)):
        if value != usual:
            ctx.warn(f"Supplied instance communication network '{name}' {what} '{value}', this "
                     f"might pose a security risk (default is '{usual}').")


def card_name(instance: str) -> str:
    """The name of the card of the instance with this name."""
    return COMMUNICATION + instance


def with_card(op: InstanceCreate, ctx: OpContext, instance: str) -> list[Any]:
    """The cards that are asked for, with the one for communication, if it is wanted.

    :raises OpPrereqError: the cluster has no such network (`ECODE_INVAL`)
    """
    name = card_name(instance)
    if not op.instance_communication or any(
            isinstance(nic, dict) and nic.get("name") == name for nic in op.nics):
        return list(op.nics)
    return [*op.nics, _card(ctx, name)]


def card_changes(ctx: OpContext, instance: Instance, wanted: bool | None) -> list[DeviceChange]:
    """The change by which an instance has the card or not, if it is one.

    :raises OpPrereqError: as `with_card`
    """
    name = card_name(instance.name)
    has = any(nic.name == name for nic in instance.nics)
    if wanted and not has:
        return [DeviceChange("add", -1, _card(ctx, name))]
    if wanted is False and has:
        return [DeviceChange("remove", name, {})]
    return []


def renamed_instance(instance: Instance, name: str) -> Instance:
    """The instance with another name, which its card's has in it."""
    old = card_name(instance.name)
    return replace(instance, name=name, nics=tuple(
        replace(nic, name=card_name(name)) if nic.name == old else nic for nic in instance.nics))


def _card(ctx: OpContext, name: str) -> dict[str, Any]:
    network = ctx.snapshot.cluster.instance_communication_network
    if not network:
        raise OpPrereqError(
            "There is no network for the communication with instances; gnt-cluster modify "
            "--instance-communication-network names it", ECODE_INVAL)
    return {"name": name, "mac": "generate", "ip": "pool", "network": network}
