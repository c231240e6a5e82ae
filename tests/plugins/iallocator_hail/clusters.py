"""Made-up clusters, reproducible from a seed, in the text format or as allocator requests."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

from ganeti_plugins.iallocator_hail.formats.text_dump import dump_text
from ganeti_plugins.iallocator_hail.records import (
    DEFAULT_POLICY,
    LOCAL_TEMPLATES,
    Description,
    Disk,
    Group,
    Instance,
    Node,
    Policy,
    Spec,
)

SIZES = ((1024, 20480), (2048, 40960), (4096, 40960))


@dataclass(frozen=True)
class Shape:
    """How big a cluster is, and what is on it; `skew` above 1 prefers the first nodes."""

    nodes: int
    instances: int
    templates: tuple[str, ...] = ("drbd",)
    memory: int = 131072
    disk: int = 8 << 20
    cpus: int = 32
    fill: float = 0.8
    skew: float = 1.15
    policy: Policy = field(default=DEFAULT_POLICY)


def build(shape: Shape, seed: int) -> Description:
    """A cluster of one group with equal nodes and randomly placed instances."""
    rng = random.Random(f"{shape}/{seed}")
    free_memory = [shape.memory - 4096] * shape.nodes
    free_disk = [shape.disk] * shape.nodes
    instances: list[Instance] = []
    for _ in range(shape.instances * 20):
        if len(instances) == shape.instances:
            break
        made = _instance(rng, shape, f"inst-{len(instances):04}")
        if free_memory[made.primary] - made.memory < (1 - shape.fill) * shape.memory:
            continue
        free_memory[made.primary] -= made.memory
        if made.template in LOCAL_TEMPLATES:
            for node in {made.primary, made.secondary} - {-1}:
                free_disk[node] -= made.disk
        instances.append(made)
    nodes = tuple(
        Node(
            name=f"node-{index:04}",
            group=0,
            total_memory=float(shape.memory),
            node_memory=4096,
            free_memory=free_memory[index],
            total_disk=float(shape.disk),
            free_disk=free_disk[index],
            total_cpus=float(shape.cpus),
            spindles=8,
            master=index == 0,
        )
        for index in range(shape.nodes)
    )
    group = Group("group-01", "uuid-01", policy=shape.policy)
    return Description((group,), nodes, tuple(instances), policy=shape.policy)


def _instance(rng: random.Random, shape: Shape, name: str) -> Instance:
    template = rng.choice(shape.templates)
    memory, disk = rng.choice(SIZES)
    if rng.random() < 0.3:
        memory += 64 * rng.randint(0, 8)
        disk += 256 * rng.randint(0, 8)
    primary, secondary = _pick(rng, shape), -1
    while template == "drbd" and secondary in (-1, primary):
        secondary = _pick(rng, shape)
    return Instance(
        name=name,
        memory=memory,
        disk=disk,
        vcpus=rng.choice((1, 2, 2, 4)),
        template=template,
        primary=primary,
        secondary=secondary,
        disks=(Disk(disk),),
    )


def _pick(rng: random.Random, shape: Shape) -> int:
    return min(shape.nodes - 1, int(shape.nodes * rng.random() ** shape.skew))


def text(shape: Shape, seed: int) -> str:
    """The cluster in the text format."""
    return dump_text(build(shape, seed))


def request(description: Description, members: dict[str, Any]) -> dict[str, Any]:
    """An allocator document with the cluster and a request."""
    names = [node.name for node in description.nodes]
    return {
        "version": 2,
        "cluster_name": "cluster",
        "cluster_tags": list(description.tags),
        "enabled_hypervisors": ["xen-pvm"],
        "nodegroups": {group.uuid: _group(group) for group in description.groups},
        "nodes": {node.name: _node(node, description.groups) for node in description.nodes},
        "instances": {item.name: _placed(item, names) for item in description.instances},
        "request": members,
    }


def _spec(spec: Spec) -> dict[str, int]:
    return {
        "memory-size": spec.memory,
        "cpu-count": spec.cpus,
        "disk-size": spec.disk_size,
        "disk-count": spec.disk_count,
        "nic-count": spec.nics,
        "spindle-use": spec.spindles,
    }


def _group(group: Group) -> dict[str, Any]:
    policy = group.policy
    return {
        "name": group.name,
        "alloc_policy": group.alloc_policy,
        "networks": list(group.networks),
        "tags": list(group.tags),
        "ipolicy": {
            "minmax": [{"min": _spec(low), "max": _spec(high)} for low, high in policy.pairs],
            "std": _spec(policy.std),
            "disk-templates": list(policy.templates),
            "vcpu-ratio": policy.vcpu_ratio,
            "spindle-ratio": policy.spindle_ratio,
        },
    }


def _node(node: Node, groups: tuple[Group, ...]) -> dict[str, Any]:
    return {
        "group": groups[node.group].uuid,
        "offline": node.offline,
        "drained": False,
        "tags": list(node.tags),
        "ndparams": {"spindle_count": node.spindles, "exclusive_storage": node.exclusive},
        "total_memory": int(node.total_memory),
        "reserved_memory": node.node_memory,
        "free_memory": node.free_memory,
        "total_disk": int(node.total_disk),
        "free_disk": node.free_disk,
        "total_cpus": int(node.total_cpus),
        "reserved_cpus": node.node_cpus,
        "free_spindles": node.free_spindles,
    }


def new_instance(name: str, template: str, memory: int, disk: int) -> dict[str, Any]:
    """An instance as requests describe it."""
    return {
        "name": name,
        "memory": memory,
        "vcpus": 2,
        "disks": [{"size": disk, "mode": "rw"}],
        "disk_space_total": disk,
        "disk_template": template,
        "spindle_use": 1,
        "tags": [],
        "nics": [],
        "required_nodes": 2 if template == "drbd" else 1,
    }


def _placed(item: Instance, names: list[str]) -> dict[str, Any]:
    nodes = [names[node] for node in (item.primary, item.secondary) if node >= 0]
    known = new_instance(item.name, item.template, item.memory, item.disk)
    return {**known, "vcpus": item.vcpus, "nodes": nodes}
