"""What network back ends say of cards: modes, what each needs, which links exist."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from ganeti_core.errors import ECODE_ENVIRON, ECODE_INVAL, GanetiError, OpPrereqError
from ganeti_core.model.names import link_name, vlans
from ganeti_core.model.params import filled_nicparams
from ganeti_core.plugin_api.data import NetworkLink
from ganeti_core.plugin_api.hypervisor import HYPERVISORS, NODE_NETWORKS, USER_NETWORKS
from ganeti_core.plugin_api.network import (
    DEVICE_LINK,
    FILTERS,
    NEEDS_IP,
    NETWORK_BACKENDS,
    USER_MODE,
    VLANS,
    filters_of,
)
from ganeti_core.plugin_api.network_services import (
    NETWORK_SERVICES,
    ServedNetwork,
    served_network,
    services_of,
)
from ganeti_core.rpc.calls import hook_answers
from ganeti_core.specs.instances import nic_spec

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.model import Instance, Nic, Node
    from ganeti_core.operations.context import OpContext
    from ganeti_core.plugin_api.kinds import Kind
    from ganeti_core.plugins import PluginHost
    from ganeti_core.rpc.calls import Call

Links = dict[str, frozenset[NetworkLink]]
"""Links by mode."""
Services = dict[str, tuple[ServedNetwork, ...]]
"""Networks by the service that they have."""


def check_mode(host: PluginHost, mode: str) -> None:
    """:raises OpPrereqError: there is no such network back end (`ECODE_INVAL`)"""
    if not host.has(NETWORK_BACKENDS, mode):
        raise OpPrereqError(f"Invalid NIC mode '{mode}', expected one of "
                            f"{', '.join(host.names(NETWORK_BACKENDS))}", ECODE_INVAL)


def needs_ip(host: PluginHost, mode: str) -> bool:
    """Whether cards of this mode must have an IP address."""
    return host.has(NETWORK_BACKENDS, mode) and NEEDS_IP in _capabilities(host, mode)


def checked_nicparams(host: PluginHost, params: Mapping[str, str]) -> dict[str, str]:
    """Return filled parameters of network cards in final form.

    :raises OpPrereqError: a mode, a link or VLANs that cannot be (`ECODE_INVAL`)
    """
    mode = params["mode"]
    check_mode(host, mode)
    able = _capabilities(host, mode)
    if params["vlan"] and VLANS not in able:
        raise OpPrereqError(f"Cards of mode '{mode}' cannot be in VLANs, but vlan="
                            f"{params['vlan'][:80]!r} is given", ECODE_INVAL)
    return {**params, "link": link_name(params["link"], is_device=DEVICE_LINK in able),
            "vlan": vlans(params["vlan"])}


def _capabilities(host: PluginHost, mode: str) -> frozenset[str]:
    return host.describe(NETWORK_BACKENDS, mode).capabilities


def uses_node_networks(host: PluginHost, hypervisor: str) -> bool:
    """Whether a hypervisor attaches its guests' cards to networks of the node."""
    return host.has(HYPERVISORS, hypervisor) and (
        NODE_NETWORKS in host.describe(HYPERVISORS, hypervisor).capabilities)


def links_of(snapshot: Snapshot, nics: Iterable[Nic]) -> Links:
    """What cards are attached to."""
    found: dict[str, set[NetworkLink]] = {}
    for nic in nics:
        params = filled_nicparams(snapshot.cluster, nic)
        network = snapshot.networks.get(nic.network) if nic.network else None
        found.setdefault(params["mode"], set()).add(NetworkLink(
            params["link"], params["vlan"], filters_of(network.tags if network else ())))
    return {mode: frozenset(links) for mode, links in found.items()}


def check_services(host: PluginHost, services: Iterable[str]) -> None:
    """:raises OpPrereqError: there is no such network service (`ECODE_INVAL`)"""
    for service in services:
        if not host.has(NETWORK_SERVICES, service):
            there = ", ".join(host.names(NETWORK_SERVICES)) or "none"
            raise OpPrereqError(f"Unknown network service '{service[:80]}' (there are: {there})",
                                ECODE_INVAL)


def services_for(snapshot: Snapshot, host: PluginHost, nics: Iterable[Nic]) -> Services:
    """The services that the networks of cards have, and these networks."""
    found: dict[str, dict[tuple[str, ...], ServedNetwork]] = {}
    for nic in nics:
        if (network := served_network(nic_spec(snapshot, host, nic, 0))) is None:
            continue
        key = (network.uuid, network.mode, network.link, network.vlan)
        for service in services_of((network.network or {})["tags"]):
            found.setdefault(service, {})[key] = network
    return {service: tuple(networks[key] for key in sorted(networks))
            for service, networks in sorted(found.items())}


def check_links(ctx: OpContext, instance: Instance, nics: Iterable[Nic], node: Node) -> None:
    """See that a node has what the cards of an instance are attached to.

    :raises OpPrereqError: it lacks some (`ECODE_ENVIRON`), or the hypervisor cannot have such
        cards (`ECODE_INVAL`)
    """
    if not uses_node_networks(ctx.host, instance.hypervisor):
        return
    nics = list(nics)
    links = links_of(ctx.current, nics)
    own = USER_NETWORKS in ctx.host.describe(HYPERVISORS, instance.hypervisor).capabilities
    for mode, wanted in links.items():
        check_mode(ctx.host, mode)
        _check_filters(ctx.host, mode, wanted)
        if USER_MODE in _capabilities(ctx.host, mode) and not own:
            raise OpPrereqError(f"The hypervisor {instance.hypervisor} has no network of its own, "
                                f"which cards of mode '{mode}' need", ECODE_INVAL)
    _check_addresses(ctx.current, nics)
    services = services_for(ctx.current, ctx.host, nics)
    check_services(ctx.host, services)
    if problems := link_problems(ctx, [node], links, services)[node.uuid]:
        raise OpPrereqError(f"Error checking network links on destination node '{node.name}': "
                            f"{'; '.join(problems)}", ECODE_ENVIRON)


def _check_filters(host: PluginHost, mode: str, links: Iterable[NetworkLink]) -> None:
    """:raises OpPrereqError: a network asks for filters that the mode does not have"""
    wanted = sorted({one for link in links for one in link.filters})
    if wanted and FILTERS not in _capabilities(host, mode):
        raise OpPrereqError(f"Cards of mode '{mode}' cannot be filtered, but the tags of their "
                            f"network ask for filters by {' and '.join(wanted)}", ECODE_INVAL)


def _check_addresses(snapshot: Snapshot, nics: Iterable[Nic]) -> None:
    """:raises OpPrereqError: a card has no IP address, but its network is filtered by it"""
    for nic in nics:
        network = snapshot.networks.get(nic.network) if nic.network else None
        if network is not None and not nic.ip and "ip" in filters_of(network.tags):
            raise OpPrereqError(f"The network '{network.name}' is filtered by IP address: the card "
                                f"{nic.mac} needs one (ip=pool draws it)", ECODE_INVAL)


def _same(call: Call, _node: Node) -> Call:
    return call


def link_problems(
    ctx: OpContext, nodes: Iterable[Node], links: Links, services: Services
) -> dict[str, list[str]]:
    """Return what is wrong on nodes (by uuid) with links, and with services for their networks.

    Silence counts as a problem.
    """
    nodes = list(nodes)
    found: dict[str, list[str]] = {node.uuid: [] for node in nodes}
    asked: list[tuple[Kind[Any], Call]] = [
        *((NETWORK_BACKENDS, ctx.hook_call(NETWORK_BACKENDS, mode, "check", links=tuple(
            sorted(wanted, key=lambda one: (one.link, one.vlan)))))
          for mode, wanted in sorted(links.items())),
        *((NETWORK_SERVICES, ctx.hook_call(NETWORK_SERVICES, service, "check", networks=networks))
          for service, networks in services.items())]
    for kind, call in asked:
        answers = hook_answers(kind, str(call.args["driver"]), "check",
                               ctx.fan_out(nodes, partial(_same, call)))
        for uuid, answer in answers.items():
            found[uuid] += [answer.message] if isinstance(answer, GanetiError) else answer
    return found
