"""What hooks are told of instances and disks, as operations need it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ganeti_core.model.params import filled_osparams
from ganeti_core.query.specs import disk_params, disk_spec, instance_spec, node_ref

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ganeti_core.model import Cluster, Disk, Instance
    from ganeti_core.operations.context import OpContext
    from ganeti_core.plugin_api.data import DiskSpec, InstanceSpec

__all__ = ["disks_of", "installing", "node_ref", "spec_of", "with_disks", "with_paths"]


def spec_of(ctx: OpContext, instance: Instance) -> InstanceSpec:
    """An instance of the configuration as hooks get it, disks without paths."""
    return instance_spec(ctx.current, ctx.host, instance)


def disks_of(ctx: OpContext, instance: Instance) -> list[DiskSpec]:
    """The instance's disks as hooks get them, without paths."""
    return [disk_spec_of(ctx, disk, index, instance.name)
            for index, disk in enumerate(ctx.current.disks_of(instance))]


def disk_spec_of(ctx: OpContext, disk: Disk, index: int, instance: str) -> DiskSpec:
    """One disk as hooks get it; it need not be in the configuration yet."""
    snapshot = ctx.current
    node = snapshot.nodes.get(disk.nodes[0]) if disk.nodes else None
    group = snapshot.groups.get(node.group) if node else None
    params = disk_params(ctx.host, snapshot.cluster, group, disk)
    peers = tuple(node_ref(snapshot.nodes[uuid]) for uuid in disk.nodes if uuid in snapshot.nodes)
    return replace(disk_spec(disk, index, params, instance), peers=peers)


def with_paths(disks: Sequence[DiskSpec], paths: Sequence[str]) -> list[DiskSpec]:
    """The disks with the paths under which their node opened them."""
    return [replace(disk, path=path) for disk, path in zip(disks, paths, strict=True)]


def with_disks(spec: InstanceSpec, disks: Sequence[DiskSpec]) -> InstanceSpec:
    """The instance with its disks as they were opened."""
    return replace(spec, disks=tuple(disks))


def installing(
    spec: InstanceSpec, cluster: Cluster, instance: Instance, secret: dict[str, str]
) -> InstanceSpec:
    """The instance as an OS definition gets it: with private and secret parameters.

    Nobody else gets them, and a call with them is never recorded.
    """
    return replace(spec, osparams=filled_osparams(cluster, instance, private=True) | secret)
