"""A small cluster as a document of the iallocator protocol, to ask allocators about."""

from __future__ import annotations

from typing import Any

GROUP = "a4a4f791-f025-4cd8-a2e8-c29df026649f"
REQUEST_TYPES = frozenset(
    {"allocate", "allocate-secondary", "relocate", "multi-allocate", "node-evacuate",
     "change-group"})

_LOWEST = {"memory-size": 4, "disk-size": 0, "disk-count": 0, "cpu-count": 1, "nic-count": 0,
           "spindle-use": 0}
_HIGHEST = {"memory-size": 2**30, "disk-size": 2**30, "disk-count": 16, "cpu-count": 64,
            "nic-count": 8, "spindle-use": 16}
_STANDARD = {"memory-size": 128, "disk-size": 128, "disk-count": 1, "cpu-count": 1,
             "nic-count": 1, "spindle-use": 1}


def _policy() -> dict[str, Any]:
    return {
        "minmax": [{"min": dict(_LOWEST), "max": dict(_HIGHEST)}], "std": dict(_STANDARD),
        "vcpu-ratio": 1000, "spindle-ratio": 1000, "disk-templates": ["any-shared", "any-local"],
    }


def _node(number: int) -> dict[str, Any]:
    return {
        "total_memory": 8192, "reserved_memory": 512, "free_memory": 7680 - 1024 * (number == 1),
        "total_disk": 100000, "free_disk": 90000, "total_spindles": 0, "free_spindles": 0,
        "total_cpus": 8, "reserved_cpus": 1, "i_pri_memory": 1024 * (number == 1),
        "i_pri_up_memory": 1024 * (number == 1), "tags": [],
        "primary_ip": f"192.0.2.{number}", "secondary_ip": f"192.0.2.{number}",
        "offline": False, "silent": False, "drained": False, "lacks": "",
        "master_candidate": True, "master_capable": True, "vm_capable": True, "group": GROUP,
        "ndparams": {"oob_program": "", "spindle_count": 1, "exclusive_storage": False,
                     "ovs": False, "ovs_name": "switch1", "ovs_link": "", "ssh_port": 22,
                     "cpu_speed": 1.0},
    }


def _instance() -> dict[str, Any]:
    return {
        "tags": [], "admin_state": "up", "vcpus": 1, "memory": 1024, "spindle_use": 1,
        "os": "noop", "nodes": ["node1.example.com"], "nics": [], "hypervisor": "any",
        "disks": [{"dev_type": "any-shared", "size": 1024, "mode": "rw", "spindles": None}],
        "disk_template": "any-shared", "disks_active": True, "disk_space_total": 1024,
    }


def cluster_document(request: dict[str, Any]) -> dict[str, Any]:
    """Describe three nodes of which the first runs one instance on shared disks, and `request`."""
    return {
        "version": 2, "cluster_name": "cluster.example.com", "cluster_tags": [],
        "enabled_hypervisors": ["any"], "ipolicy": _policy(),
        "nodegroups": {GROUP: {"name": "default", "alloc_policy": "preferred", "networks": [],
                               "ipolicy": _policy(), "tags": []}},
        "disk_templates": {"any-shared": {"shared": True, "mirrored": False},
                           "any-local": {"shared": False, "mirrored": False}},
        "nodes": {f"node{number}.example.com": _node(number) for number in (1, 2, 3)},
        "instances": {"inst1.example.com": _instance()},
        "request": request,
    }


def allocate(memory: int = 1024) -> dict[str, Any]:
    """Ask for a node for a new instance with `memory` MiB."""
    return cluster_document({
        "type": "allocate", "name": "new.example.com", "memory": memory, "vcpus": 1,
        "spindle_use": 1, "disk_space_total": 1024, "disk_template": "any-shared",
        "disks": [{"size": 1024, "mode": "rw", "spindles": None, "dev_type": "any-shared"}],
        "nics": [], "os": "noop", "tags": [], "required_nodes": 1, "hypervisor": "any",
        "hvparams": {}, "group_name": None,
    })


def relocate() -> dict[str, Any]:
    """Ask for another node for the instance."""
    return cluster_document({
        "type": "relocate", "name": "inst1.example.com", "required_nodes": 1,
        "disk_space_total": 1024, "relocate_from": ["node1.example.com"],
    })


def evacuate() -> dict[str, Any]:
    """Ask how to empty the node of the instance."""
    return cluster_document({
        "type": "node-evacuate", "instances": ["inst1.example.com"], "evac_mode": "primary-only"})
