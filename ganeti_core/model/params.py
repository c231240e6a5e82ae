"""Inheritance of parameters: cluster, group and object levels, merged in order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .base import Params
from .cluster import (
    BEPARAMS_DEFAULTS,
    DISK_STATE_DEFAULTS,
    HV_STATE_DEFAULTS,
    IPOLICY_DEFAULTS,
    NDPARAMS_DEFAULTS,
    Cluster,
    NodeGroup,
)
from .ganeti_settings import NICPARAMS_DEFAULTS
from .instance import Instance, Nic
from .node import Node


def fill(*levels: Mapping[str, Any]) -> dict[str, Any]:
    """Merge parameter levels; a later level overrides an earlier one."""
    merged: dict[str, Any] = {}
    for level in levels:
        merged.update(level)
    return merged


def filled_beparams(cluster: Cluster, instance: Instance) -> Params:
    """Memory (MiB), virtual CPUs and the like of an instance."""
    return fill(BEPARAMS_DEFAULTS, cluster.beparams.get("default", {}), instance.beparams)


def filled_hvparams(defaults: Mapping[str, Any], cluster: Cluster, instance: Instance) -> Params:
    """Hypervisor parameters of an instance; those of its OS come between cluster and instance.

    :param defaults: the driver's own, from its schema
    """
    hypervisor = instance.hypervisor
    of_os = cluster.os_hvp.get(instance.os, {}).get(hypervisor, {})
    return fill(defaults, cluster.hvparams.get(hypervisor, {}), of_os, instance.hvparams)


def filled_osparams(cluster: Cluster, instance: Instance, *, private: bool = False) -> Params:
    """Parameters of the OS definition: those of the OS, of its variant, of the instance.

    The public ones, and with `private` also those that listings never show.
    """
    names = dict.fromkeys((instance.os.partition("+")[0], instance.os))
    levels = [cluster.osparams.get(name, {}) for name in names]
    levels.append(instance.osparams)
    if private:
        levels += [cluster.osparams_private_cluster.get(name, {}) for name in names]
        levels.append(instance.osparams_private)
    return fill(*levels)


def filled_nicparams(cluster: Cluster, nic: Nic) -> Params:
    """``mode``, ``link`` and ``vlan`` of a network card."""
    return fill(NICPARAMS_DEFAULTS, cluster.nicparams.get("default", {}), nic.nicparams)


def filled_ndparams(
    cluster: Cluster, group: NodeGroup | None = None, node: Node | None = None
) -> Params:
    """Parameters of a node, or without `node` what the nodes of `group` inherit."""
    return fill(NDPARAMS_DEFAULTS, cluster.ndparams,
                group.ndparams if group else {}, node.ndparams if node else {})


def filled_hv_state(
    cluster: Cluster, group: NodeGroup | None = None, node: Node | None = None
) -> dict[str, Params]:
    """What is said of a node's processors and memory, by hypervisor; only what is said."""
    levels = _states("hv_state_static", cluster, group, node)
    names = sorted({name for level in levels for name in level})
    return _said({name: fill(*(level.get(name, {}) for level in levels)) for name in names},
                 HV_STATE_DEFAULTS)


def filled_disk_state(
    cluster: Cluster, group: NodeGroup | None = None, node: Node | None = None
) -> dict[str, dict[str, Params]]:
    """What is said of a node's storages, by disk template and storage; only what is said."""
    levels = _states("disk_state_static", cluster, group, node)
    found: dict[str, dict[str, Params]] = {}
    for level in levels:
        for template, storages in level.items():
            of_template = found.setdefault(template, {})
            for name, values in storages.items():
                of_template[name] = fill(of_template.get(name, {}), values)
    said = {template: _said(storages, DISK_STATE_DEFAULTS) for template, storages in found.items()}
    return {template: storages for template, storages in said.items() if storages}


def _said(states: Mapping[str, Params], defaults: Params) -> dict[str, Params]:
    """Leave out the values that say nothing, which Ganeti writes into every configuration."""
    said = {name: {key: value for key, value in values.items() if defaults.get(key) != value}
            for name, values in states.items()}
    return {name: values for name, values in said.items() if values}


def _states(
    field: str, cluster: Cluster, group: NodeGroup | None, node: Node | None
) -> list[Params]:
    return [getattr(level, field) for level in (cluster, group, node) if level is not None]


def filled_diskparams(
    defaults: Mapping[str, Mapping[str, Any]], cluster: Cluster, group: NodeGroup | None = None
) -> dict[str, Params]:
    """Parameters of every disk template.

    :param defaults: the drivers' own by template; templates that have none keep what is configured
    """
    of_group = group.diskparams if group else {}
    names = sorted({*defaults, *cluster.diskparams, *of_group})
    return {name: fill(defaults.get(name, {}), cluster.diskparams.get(name, {}),
                       of_group.get(name, {})) for name in names}


def filled_ipolicy(cluster: Cluster, group: NodeGroup | None = None) -> Params:
    """Limits for instances. ``std`` is merged by key; ``minmax``, a list of ranges, is replaced.

    Without a list of disk templates all that the cluster has enabled may be used.
    """
    levels = [IPOLICY_DEFAULTS, cluster.ipolicy, group.ipolicy if group else {}]
    merged = fill(*levels)
    merged["std"] = fill(*(level.get("std", {}) for level in levels))
    if not merged["disk-templates"]:
        merged["disk-templates"] = list(cluster.enabled_disk_templates)
    return merged
