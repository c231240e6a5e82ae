"""What hooks receive of instances and disks, made from an operation's context."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ganeti_core.model.params import filled_osparams
from ganeti_core.operations import os_schema
from ganeti_core.specs.disks import disk_spec
from ganeti_core.specs.instances import instance_spec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ganeti_core.model import Disk, Instance
    from ganeti_core.operations.context import OpContext
    from ganeti_core.plugin_api.data import DiskSpec, InstanceSpec


def spec_of(ctx: OpContext, instance: Instance) -> InstanceSpec:
    """An instance as hooks get it, with its disks of the configuration, without paths."""
    return new_spec(ctx, instance, ctx.current.disks_of(instance))


def new_spec(ctx: OpContext, instance: Instance, disks: Sequence[Disk]) -> InstanceSpec:
    """An instance whose disks are not in the configuration yet."""
    return instance_spec(ctx.current, ctx.host, instance, disks)


def disks_of(ctx: OpContext, instance: Instance) -> list[DiskSpec]:
    """The instance's disks as hooks get them, without paths."""
    return [disk_spec_of(ctx, disk, index, instance.name)
            for index, disk in enumerate(ctx.current.disks_of(instance))]


def disk_spec_of(ctx: OpContext, disk: Disk, index: int, instance: str) -> DiskSpec:
    """One disk as hooks get it; it need not be in the configuration yet."""
    return disk_spec(ctx.current, ctx.host, disk, index, instance)


def with_disks(spec: InstanceSpec, disks: Sequence[DiskSpec]) -> InstanceSpec:
    """The instance with its disks as they were opened."""
    return replace(spec, disks=tuple(disks))


def installing(
    ctx: OpContext, spec: InstanceSpec, instance: Instance, secret: dict[str, str]
) -> InstanceSpec:
    """The instance as an OS definition gets it: with defaults, private and secret parameters.

    Nobody else gets them, and a call with them is never recorded.
    """
    cluster, system = ctx.snapshot.cluster, instance.os
    params = os_schema.defaults(ctx.host, system) | filled_osparams(
        cluster, instance, private=True) | secret
    of_os = [cluster.osparams_private_cluster.get(name, {})
             for name in (system.partition("+")[0], system)]
    unshown = os_schema.unshown(ctx.host, system).union(*of_os, instance.osparams_private, secret)
    return replace(spec, osparams=params, secret_osparams=tuple(sorted(unshown & params.keys())),
                   debug_level=ctx.debug_level)
