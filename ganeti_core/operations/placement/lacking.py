"""Which nodes cannot take the instances that an allocator is asked about, for want of a driver."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ganeti_core.model.ganeti_settings import NICPARAMS_DEFAULTS
from ganeti_core.model.params import fill, filled_nicparams
from ganeti_core.operations.driver_needs import templates_of
from ganeti_core.operations.networking import uses_node_networks
from ganeti_core.plugin_api.disk import DISK_TEMPLATES
from ganeti_core.plugin_api.hypervisor import HYPERVISORS
from ganeti_core.plugin_api.network import NETWORK_BACKENDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.model import Instance, Node
    from ganeti_core.operations.context import OpContext
    from ganeti_core.operations.node_drivers import Driver


def lacking(
    ctx: OpContext, snapshot: Snapshot, nodes: Sequence[Node], request: Mapping[str, Any],
    template: str = "",
) -> dict[str, str]:
    """Return why nodes (uuids) cannot take what a request is about; those that can are left out.

    A node that has the instance already is not left out: it goes on to have it.

    :param template: that existing instances are to have in the place of their own
    """
    instances = list(_existing(snapshot, request))
    at_home = {uuid for one in instances for uuid in (one.primary_node, *one.secondary_nodes)}
    drivers = {*_of_new(ctx, request), *(
        driver for one in instances for driver in _of_instance(ctx, snapshot, one))}
    if template:
        drivers.add((DISK_TEMPLATES, template))
    return ctx.services.drivers.lacking(
        [node for node in nodes if node.uuid not in at_home], frozenset(drivers))


def _existing(snapshot: Snapshot, request: Mapping[str, Any]) -> Iterator[Instance]:
    named = [one for one in request.get("instances", ()) if isinstance(one, str)]
    if request["type"] in ("relocate", "allocate-secondary"):
        named.append(str(request["name"]))
    for name in named:
        if (instance := snapshot.find("instance", name)) is not None:
            yield instance


def _of_instance(ctx: OpContext, snapshot: Snapshot, instance: Instance) -> Iterator[Driver]:
    modes = (filled_nicparams(snapshot.cluster, nic)["mode"] for nic in instance.nics)
    yield from _running(ctx, instance.hypervisor, modes)
    for disk in snapshot.disks_of(instance):
        for template in templates_of(disk):
            yield DISK_TEMPLATES, template


def _running(ctx: OpContext, hypervisor: str, modes: Iterable[str]) -> Iterator[Driver]:
    yield HYPERVISORS, hypervisor
    if uses_node_networks(ctx.host, hypervisor):
        for mode in modes:
            yield NETWORK_BACKENDS, mode


def _of_new(ctx: OpContext, request: Mapping[str, Any]) -> Iterator[Driver]:
    """The drivers of instances that are to be made; of all of them, where they are several."""
    wanted = [one for one in request.get("instances", ()) if isinstance(one, dict)]
    mode = fill(NICPARAMS_DEFAULTS, ctx.current.cluster.nicparams.get("default", {})).get("mode")
    for one in [request] if request["type"] == "allocate" else wanted:
        modes = [found for nic in one["nics"] if (found := nic.get("mode") or mode)]
        yield from _running(ctx, one["hypervisor"], map(str, modes))
        yield DISK_TEMPLATES, one["disk_template"]
