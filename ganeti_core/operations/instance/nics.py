"""Network cards: what a client asks for, checked and made into configuration objects."""

from __future__ import annotations

import ipaddress
import re
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ganeti_core.errors import (
    ECODE_ENVIRON,
    ECODE_INVAL,
    ECODE_NOENT,
    ECODE_NORES,
    ECODE_NOTUNIQUE,
    OpPrereqError,
)
from ganeti_core.model import Nic, fill, new_uuid
from ganeti_core.model.ganeti_settings import NICPARAMS_DEFAULTS
from ganeti_core.model.ip_pool import NO_POOL_OF_6, Pool
from ganeti_core.model.names import device_name
from ganeti_core.model.params import filled_nicparams
from ganeti_core.operations.networking import check_mode, checked_nicparams, needs_ip
from ganeti_core.operations.parameters import given

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ganeti_core.model import Network, Node
    from ganeti_core.operations.context import OpContext
    from ganeti_core.plugins import PluginHost

_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")
_KEYS = frozenset({"mac", "ip", "mode", "link", "vlan", "network", "name", "bridge"})
_INHERITED = (None, "none", "default")
_DRAWN = ("auto", "generate")
_UNSAID = (*_INHERITED, "auto")
"""How a card is connected where it is as usual: the last one is of Ganeti's OVF converter."""
FROM_POOL = "pool"
"""As an address: draw one from the network's pool, once the node (and so the group) is known."""
MOST_NICS = 8


def new_nics(ctx: OpContext, asked: Sequence[Mapping[str, Any]]) -> tuple[Nic, ...]:
    """Make the network cards that were asked for; MACs are set aside for the job.

    Cards on a network are not complete before `connected_nic`.

    :raises OpPrereqError: an address or a mode is wrong, or taken
    """
    if len(asked) > MOST_NICS:
        raise OpPrereqError(f"At most {MOST_NICS} network cards are possible", ECODE_INVAL)
    return tuple(new_nic(ctx, index, nic) for index, nic in enumerate(asked))


def new_nic(ctx: OpContext, index: int, asked: Mapping[str, Any]) -> Nic:
    """Make one card.

    :raises OpPrereqError: an address or a mode is wrong, or taken
    """
    asked = _settings(index, asked)
    network = _network(ctx, asked.get("network"))
    _check_parameters(ctx.host, asked, network)
    return Nic(uuid=new_uuid(), mac=_mac(ctx, asked.get("mac"), network),
               ip=_ip(asked.get("ip"), network), name=_name(asked.get("name")),
               network=network.uuid if network else None, nicparams=_updated(ctx, {}, asked))


def changed_nic(ctx: OpContext, index: int, nic: Nic, asked: Mapping[str, Any]) -> Nic:
    """The card with other settings; what is not named stays.

    As in Ganeti the address stays, too, when the card gets another network, which must have it;
    the MAC does not where the two networks' prefixes are not alike.

    :raises OpPrereqError: as `new_nic`
    """
    asked = _settings(index, asked)
    old = ctx.snapshot.networks[nic.network] if nic.network else None
    network = _network(ctx, asked["network"]) if "network" in asked else old
    _check_parameters(ctx.host, asked, network)
    params = _updated(ctx, nic.nicparams, asked)
    mac = nic.mac
    if "mac" in asked:
        if str(asked["mac"]).lower() != nic.mac:
            mac = _mac(ctx, asked["mac"], network)
    elif _prefix_of(network) != _prefix_of(old):
        mac = _mac(ctx, None, network)
    ip = _ip(asked["ip"], network) if "ip" in asked else nic.ip
    name = _name(asked["name"]) if "name" in asked else nic.name
    return replace(nic, mac=mac, ip=ip, name=name, nicparams=params,
                   network=network.uuid if network else None)


def check_distinct(ctx: OpContext, nics: Sequence[Nic]) -> None:
    """See that no two cards of an instance have one name, one MAC or one IP address on one link.

    Against other objects the reservations check.

    :raises OpPrereqError: two have (`ECODE_NOTUNIQUE`)
    """
    links = [(nic.network or filled_nicparams(ctx.snapshot.cluster, nic)["link"], nic.ip)
             for nic in nics if nic.ip]
    for title, values in (
            ("network interface names", [nic.name for nic in nics if nic.name]),
            ("MAC addresses", [nic.mac for nic in nics]),
            ("IP addresses", links)):
        for value, count in Counter(values).items():
            if count > 1:
                shown = value if isinstance(value, str) else value[1]
                raise OpPrereqError(f"Duplicate {title} found: {shown}", ECODE_NOTUNIQUE)


def _settings(index: int, asked: Any) -> dict[str, Any]:
    """The settings of a card that are given.

    :raises OpPrereqError: one is unknown, or no text (`ECODE_INVAL`)
    """
    if not isinstance(asked, dict):
        raise OpPrereqError(f"Invalid description of network card {index}", ECODE_INVAL)
    for key, value in asked.items():
        if key not in _KEYS:
            raise OpPrereqError(f"Unknown parameter '{key}' of network card {index}, expected one "
                                f"of {', '.join(sorted(_KEYS))}", ECODE_INVAL)
        if value is not None and not isinstance(value, str):
            raise OpPrereqError(f"Invalid value {value!r} for the parameter '{key}' of network "
                                f"card {index}: expected text", ECODE_INVAL)
    return given(asked)


def _check_parameters(
    host: PluginHost, asked: Mapping[str, Any], network: Network | None
) -> None:
    named = [key for key in ("mode", "link", "vlan", "bridge")
             if key in asked and asked[key] not in _UNSAID]
    if "bridge" in named and "link" in named:
        raise OpPrereqError("Cannot pass 'bridge' and 'link' at the same time", ECODE_INVAL)
    if network is not None and named:
        raise OpPrereqError(
            f"If a network is given, no {' or '.join(named)} is allowed to be passed: they are "
            f"those of the network '{network.name}'", ECODE_INVAL)
    if (mode := asked.get("mode")) not in _UNSAID:
        check_mode(host, str(mode))


def _updated(
    ctx: OpContext, old: Mapping[str, Any], asked: Mapping[str, Any]
) -> dict[str, Any]:
    named = {key: asked[key] for key in ("mode", "link", "vlan") if key in asked}
    if "bridge" in asked:
        named["link"] = asked["bridge"]
    own = {key: value for key, value in {**old, **named}.items() if value not in _UNSAID}
    inherited = ctx.snapshot.cluster.nicparams.get("default", {})
    checked = checked_nicparams(ctx.host, fill(NICPARAMS_DEFAULTS, inherited, own))
    return {key: checked[key] for key in own}


def _network(ctx: OpContext, name: str | None) -> Network | None:
    if name in (*_INHERITED, ""):
        return None
    found: Network | None = ctx.snapshot.find("network", str(name))
    if found is None and name in _UNSAID:
        return None
    if found is None:
        raise OpPrereqError(f"Network '{name}' not found", ECODE_NOENT)
    return found


def _prefix_of(network: Network | None) -> str | None:
    return (network.mac_prefix if network else None) or None


def _mac(ctx: OpContext, asked: str | None, network: Network | None) -> str:
    reservations = ctx.services.reservations
    if asked in (*_INHERITED, *_DRAWN):
        prefix = _prefix_of(network) or ctx.snapshot.cluster.mac_prefix
        return reservations.mac(prefix, ctx.owner)
    mac = str(asked).lower()
    if not _MAC.fullmatch(mac):
        raise OpPrereqError(f"Invalid MAC address '{asked}'", ECODE_INVAL)
    reservations.reserve("mac", mac, ctx.owner)
    return mac


def _name(asked: str | None) -> str | None:
    return None if asked in (*_INHERITED, "") else device_name("network interface", asked)


def _ip(asked: str | None, network: Network | None) -> str | None:
    if asked in (*_INHERITED, ""):
        return None
    if asked == FROM_POOL:
        if network is None:
            raise OpPrereqError("If ip=pool, parameter network cannot be none", ECODE_INVAL)
        return FROM_POOL
    try:
        return str(ipaddress.ip_address(str(asked)))
    except ValueError as exc:
        raise OpPrereqError(f"Invalid IP address '{asked}'", ECODE_INVAL) from exc


def connected_nic(ctx: OpContext, nic: Nic, node: Node) -> Nic:
    """The card as it is on `node`: mode and link of its network there, an address of its pool.

    :raises OpPrereqError: the network is not connected to the node's group (`ECODE_INVAL`), its
        pool is used up (`ECODE_NORES`), or the address is taken (`ECODE_NOTUNIQUE`)
    """
    if nic.network is None:
        _check_has_address(ctx, nic)
        return nic
    network = ctx.snapshot.networks[nic.network]
    group = ctx.snapshot.groups[node.group]
    params = group.networks.get(network.uuid)
    if params is None:
        raise OpPrereqError(
            f"No netparams found for network {network.name}. Probably not connected to node's "
            f"{node.name} nodegroup", ECODE_INVAL)
    return replace(nic, nicparams=dict(params), ip=_address(ctx, nic, network))


def _check_has_address(ctx: OpContext, nic: Nic) -> None:
    if nic.ip is None and needs_ip(
            ctx.host, filled_nicparams(ctx.snapshot.cluster, nic)["mode"]):
        raise OpPrereqError("Cannot set the NIC IP address to None on a routed NIC", ECODE_INVAL)


def _address(ctx: OpContext, nic: Nic, network: Network) -> str | None:
    """The card's address on its network, set aside for the job.

    What is reserved in the network is looked at afterwards: who reserves more there asks first
    what jobs have set aside.
    """
    space = f"ip:{network.uuid}"
    if nic.ip == FROM_POOL:
        return _drawn(ctx, network, space)
    if nic.ip is None:
        return None
    if ipaddress.ip_address(nic.ip).version == 6:
        raise OpPrereqError(f"{nic.ip} cannot be the address of a card on network {network.name}: "
                            f"{NO_POOL_OF_6}", ECODE_INVAL)
    if not Pool.of(network).contains(nic.ip):
        raise OpPrereqError(
            f"IP address {nic.ip} does not belong to network {network.name} "
            f"({network.network})", ECODE_INVAL)
    if ctx.snapshot.claims.get(space, {}).get(nic.ip) not in _owners_of(ctx, nic):
        ctx.services.reservations.reserve(space, nic.ip, ctx.owner)
    if _pool_now(ctx, network).is_external(nic.ip):
        raise OpPrereqError(f"The given IP address {nic.ip} is externally reserved in network "
                            f"{network.name}", ECODE_NOTUNIQUE)
    return nic.ip


def _drawn(ctx: OpContext, network: Network, space: str) -> str:
    """:raises OpPrereqError: the network's pool is used up (`ECODE_NORES`)"""
    while found := ctx.services.reservations.first_free(
            space, _pool_now(ctx, network).assignable(), ctx.owner):
        if not _pool_now(ctx, network).is_external(found):
            ctx.info(f"Chose IP {found} from network {network.name}")
            return found
    raise OpPrereqError(f"Unable to find a free IP from the IP pool of network {network.name}",
                        ECODE_NORES)


def _pool_now(ctx: OpContext, network: Network) -> Pool:
    return Pool.of(ctx.current.networks.get(network.uuid, network))


def _owners_of(ctx: OpContext, nic: Nic) -> set[str]:
    """The uuid of the instance that has this card already, if one has."""
    return {instance.uuid for instance in ctx.snapshot.instances.values()
            if any(known.uuid == nic.uuid for known in instance.nics)}


def check_conflicts(ctx: OpContext, nics: Iterable[Nic], node: Node) -> None:
    """Refuse addresses that a network of the node's group manages, on cards that are not on it.

    :raises OpPrereqError: there is one (`ECODE_STATE`)
    """
    group = ctx.snapshot.groups[node.group]
    pools = [Pool.of(ctx.snapshot.networks[uuid]) for uuid in group.networks
             if uuid in ctx.snapshot.networks]
    for nic in nics:
        if nic.network is not None or not nic.ip:
            continue
        for pool in pools:
            if pool.contains(nic.ip):
                raise OpPrereqError(
                    f"Conflicting IP address found: '{nic.ip}' belongs to the network "
                    f"{pool.name}; name the network, or use --no-conflicts-check", ECODE_ENVIRON)
