"""What administrators' scripts are told of an instance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ganeti_core.model.params import filled_beparams, filled_hvparams, filled_nicparams
from ganeti_core.operations.scripts import Scripts, text, texts
from ganeti_core.plugin_api.hypervisor import HYPERVISORS
from ganeti_core.specs.identities import named_parts
from ganeti_core.specs.instances import bridge_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ganeti_core.model import Disk, Instance, Nic, Node
    from ganeti_core.operations.context import OpContext


def instance_scripts(
    ctx: OpContext, name: str, instance: Instance, own: Mapping[str, str], *,
    nodes: tuple[Sequence[Node], Sequence[Node]] | None = None,
    disks: Sequence[Disk] | None = None,
) -> Scripts:
    """Scripts about one instance, as it is now, or as `instance` says if it is not there.

    :param own: variables of the operation itself
    :param nodes: for the scripts before and after, beside the master; else those of the instance
    """
    known = ctx.current.instances.get(instance.uuid, instance)
    environment = {**instance_environment(ctx, known, disks), **own}
    if nodes is None:
        first = last = (known.primary_node, *known.secondary_nodes)
    else:
        first, last = (tuple(node.uuid for node in phase) for phase in nodes)
    return Scripts(name, "INSTANCE", environment, first, last)


def instance_environment(
    ctx: OpContext, instance: Instance, disks: Sequence[Disk] | None = None
) -> dict[str, str]:
    """The variables that every script about an instance gets."""
    snapshot = ctx.current
    beparams = filled_beparams(snapshot.cluster, instance)
    defaults = (ctx.host.defaults(HYPERVISORS, instance.hypervisor)
                if ctx.host.has(HYPERVISORS, instance.hypervisor) else {})
    hvparams = filled_hvparams(defaults, snapshot.cluster, instance)
    found = disks
    if found is None:
        found = [snapshot.disks[uuid] for uuid in instance.disks if uuid in snapshot.disks]

    def names(uuids: Iterable[str]) -> str:
        return " ".join(snapshot.nodes[uuid].name for uuid in uuids if uuid in snapshot.nodes)

    return {
        "OP_TARGET": instance.name,
        **_prefixed("INSTANCE_", texts(
            name=instance.name, primary=names([instance.primary_node]),
            secondaries=names(instance.secondary_nodes), os_type=instance.os,
            status=instance.admin_state, disk_template=instance.disk_template,
            hypervisor=instance.hypervisor,
            nic_count=len(instance.nics), disk_count=len(found), tags=instance.tags)),
        **sizes(ctx, instance),
        **{f"INSTANCE_BE_{key}": text(value) for key, value in beparams.items()},
        **{f"INSTANCE_HV_{key}": text(value) for key, value in hvparams.items()},
        **_of_all("NIC", [_nic(ctx, nic) for nic in instance.nics]),
        **_of_all("DISK", [_disk(ctx, disk) for disk in found]),
    }


def sizes(ctx: OpContext, instance: Instance) -> dict[str, str]:
    """The variables about memory and processors of `instance` itself, though it be not there."""
    beparams = filled_beparams(ctx.current.cluster, instance)
    return _prefixed("INSTANCE_", texts(
        minmem=beparams["minmem"], maxmem=beparams["maxmem"], memory=beparams["maxmem"],
        vcpus=beparams["vcpus"]))


def moving(ctx: OpContext, instance: Instance, target: Node) -> dict[str, str]:
    """The variables about where an instance moves: from where it is now."""
    known = ctx.current.instances.get(instance.uuid, instance)
    source = ctx.current.nodes[known.primary_node].name
    mirrored = bool(known.secondary_nodes)
    return texts(
        old_primary=source, new_primary=target.name,
        old_secondary=target.name if mirrored else "", new_secondary=source if mirrored else "")


def _prefixed(prefix: str, values: Mapping[str, str]) -> dict[str, str]:
    return {f"{prefix}{name}": value for name, value in values.items()}


def _of_all(kind: str, devices: Sequence[Mapping[str, str]]) -> dict[str, str]:
    return {f"INSTANCE_{kind}{at}_{name}": value
            for at, device in enumerate(devices) for name, value in device.items()}


def _nic(ctx: OpContext, nic: Nic) -> dict[str, str]:
    filled = filled_nicparams(ctx.current.cluster, nic)
    told = texts(uuid=nic.uuid, ip=nic.ip or "", mac=nic.mac, mode=filled["mode"],
                 link=filled["link"], vlan=filled["vlan"])
    if nic.name:
        told["NAME"] = nic.name
    if bridge := bridge_of(ctx.host, filled):
        told["BRIDGE"] = bridge
    network = ctx.current.networks.get(nic.network) if nic.network else None
    if network is not None:
        told |= {f"NETWORK_{key}": value for key, value in texts(
            name=network.name, uuid=network.uuid, tags=network.tags, subnet=network.network,
            gateway=network.gateway or "", subnet6=network.network6 or "",
            gateway6=network.gateway6 or "", mac_prefix=network.mac_prefix or "").items()
            if value or key == "TAGS"}
    return told


def _disk(ctx: OpContext, disk: Disk) -> dict[str, str]:
    told: dict[str, Any] = texts(
        uuid=disk.uuid, size=disk.size, mode=disk.mode, dev_type=disk.template)
    if disk.name:
        told["NAME"] = disk.name
    return told | texts(**named_parts(ctx.host, disk))
