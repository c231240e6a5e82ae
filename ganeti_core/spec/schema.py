"""The JSON Schema of a cluster's file; the reference is generated from it."""

from __future__ import annotations

from typing import Any

from ganeti_core.model.ganeti_settings import GANETI_SETTINGS

Schema = dict[str, Any]

VERSION = 1
STATES = ["up", "down", "offline"]
POLICIES = ["preferred", "last_resort", "unallocable"]


def _text(meaning: str, **more: Any) -> Schema:
    return {"type": "string", "description": meaning, **more}


def _number(meaning: str, least: int = 0) -> Schema:
    return {"type": "integer", "minimum": least, "description": meaning}


def _flag(meaning: str) -> Schema:
    return {"type": "boolean", "description": meaning}


def _names(meaning: str) -> Schema:
    return {"type": "array", "items": {"type": "string", "minLength": 1}, "uniqueItems": True,
            "description": meaning}


def _object(meaning: str, properties: Schema, required: tuple[str, ...] = ()) -> Schema:
    return {"type": "object", "properties": properties, "required": list(required),
            "additionalProperties": False, "description": meaning}


def _by_name(meaning: str, entry: Schema, pattern: str = "^.{1,255}$") -> Schema:
    return {"type": "object", "additionalProperties": entry, "description": meaning,
            "propertyNames": {"pattern": pattern}}


_VALUE: Schema = {"type": ["string", "integer", "number", "boolean", "array"]}
_DEFAULT: Schema = {"const": "default"}


def _parameters(meaning: str, value: Schema | None = None) -> Schema:
    """Parameters whose names and types the master checks, for they are the plugins'."""
    return _by_name(meaning, value or _VALUE)


def _known(meaning: str, types: dict[str, Schema]) -> Schema:
    return _object(meaning, {name: {"anyOf": [form, _DEFAULT]} for name, form in types.items()})


TAGS = {"type": "array", "uniqueItems": True, "description": "Tags",
        "items": {"type": "string", "pattern": r"^[A-Za-z0-9_.+*/:@-]{1,128}$"}}
_WHOLE: Schema = {"type": "integer", "minimum": 0}
_ANY_TEXT: Schema = {"type": "string"}
_BOOLEAN: Schema = {"type": "boolean"}
BEPARAMS = _known("Back-end parameters; memory in MiB", {
    "maxmem": _WHOLE, "minmem": _WHOLE, "vcpus": _WHOLE, "spindle_use": _WHOLE,
    "auto_balance": _BOOLEAN, "always_failover": _BOOLEAN})
NDPARAMS = _known("Parameters of nodes", {
    "cpu_speed": {"type": "number"}, "exclusive_storage": _BOOLEAN, "oob_program": _ANY_TEXT,
    "ovs": _BOOLEAN, "ovs_link": _ANY_TEXT, "ovs_name": _ANY_TEXT, "spindle_count": _WHOLE,
    "ssh_port": _WHOLE})
_MODE = _text("Network back end", minLength=1)
NIC_DEFAULTS = _known("What network cards inherit", {
    "mode": _MODE, "link": _ANY_TEXT, "vlan": _ANY_TEXT})
_AMOUNTS = _object("Amounts of one instance", dict.fromkeys(
    ("cpu-count", "disk-count", "disk-size", "memory-size", "nic-count", "spindle-use"), _WHOLE))
_RANGES: Schema = {"type": "array", "minItems": 1, "items": _object(
    "A range", {"min": _AMOUNTS, "max": _AMOUNTS}, ("min", "max"))}
_GROUP_POLICY = {
    "minmax": _RANGES, "vcpu-ratio": {"type": "number"}, "spindle-ratio": {"type": "number"},
    "disk-templates": {"type": "array", "items": _ANY_TEXT, "minItems": 1}}
_OS_PARAMETERS = _parameters("Parameters of an OS definition, by name",
                             {"type": ["string", "integer"]})
_HV_PARAMETERS = _by_name("Parameters of hypervisors, by hypervisor",
                          _parameters("Parameters by name"))
_DISK_PARAMETERS = _by_name("Parameters of disk templates, by template",
                            _parameters("Parameters by name"))

CLUSTER = _object("Settings of the cluster; their names are those of `OP_CLUSTER_SET_PARAMS`", {
    "enabled_hypervisors": _names("Hypervisors; the first one is the default"),
    "enabled_disk_templates": _names("Disk templates"),
    "candidate_pool_size": _number("Master candidates wanted", 1),
    "max_running_jobs": _number("Jobs that may run at once", 1),
    "max_tracked_jobs": _number("Jobs that are tracked at once", 1),
    "mac_prefix": _text("First three groups of generated MAC addresses"),
    "master_netdev": _text("Device of the master's address"),
    "master_netmask": _number("Its netmask, in bits", 1),
    "use_external_mip_script": _flag("Let the administrator's script set the master's address"),
    "reserved_lvs": _names("Patterns of logical volumes that are not the cluster's"),
    **{setting.parameter: _text(setting.title) for setting in GANETI_SETTINGS},
    "settings": _parameters("Settings that other drivers declare"),
    "default_iallocator": _text("Allocator used where none is named"),
    "default_iallocator_params": _parameters("Its parameters; they are replaced as a whole"),
    "install_image": _text("Image used to install instances"),
    "zeroing_image": _text("Image of the helper guests that overwrite what is free on disks"),
    "compression_tools": _names("Programs that may compress disks in transit"),
    "maintain_node_health": _flag("End guests that still run on nodes that are offline"),
    "enabled_user_shutdown": _flag("Let users of guests shut them down for good"),
    "prealloc_wipe_disks": _flag("Overwrite new disks with zeros before a guest gets them"),
    "modify_etc_hosts": _flag("Name the nodes in the master's hosts file"),
    "job_queue_files": _flag("Keep files of jobs beside the database"),
    "hidden_os": _names("OS definitions that listings hide"),
    "blacklisted_os": _names("OS definitions that may not be installed"),
    "beparams": BEPARAMS, "nicparams": NIC_DEFAULTS, "ndparams": NDPARAMS,
    "hvparams": _HV_PARAMETERS,
    "os_hvp": _by_name("Parameters of hypervisors, by OS and hypervisor", _HV_PARAMETERS),
    "diskparams": _DISK_PARAMETERS,
    "osparams": _by_name("Public parameters, by OS", _OS_PARAMETERS),
    "ipolicy": _known("Limits for instances; each key is replaced as a whole", {
        **_GROUP_POLICY, "std": _AMOUNTS}),
    "enabled_data_collectors": _parameters("Data collectors, by name: on or off", _BOOLEAN),
    "data_collector_interval": _parameters("Microseconds between two runs, by name", _WHOLE),
    "tags": TAGS})
GROUP = _object("A node group", {
    "alloc_policy": {"enum": POLICIES, "description": "Whether new instances go here"},
    "ndparams": NDPARAMS, "diskparams": _DISK_PARAMETERS,
    "ipolicy": _known("Limits for instances; each key is replaced as a whole", _GROUP_POLICY),
    "tags": TAGS})
NODE = _object("A node; it must be in the cluster", {
    "group": _text("Its group", minLength=1), "ndparams": NDPARAMS, "tags": TAGS})
CONNECTION = _object("What cards on the network are in this group", {
    "mode": _MODE, "link": _text("Link", minLength=1), "vlan": _text("VLANs")},
    ("mode", "link"))
NETWORK = _object("A network", {
    "network": _text("IPv4 range, which cannot be changed", minLength=1),
    "gateway": _text("IPv4 gateway, or `none`", minLength=1),
    "network6": _text("IPv6 range, or `none`", minLength=1),
    "gateway6": _text("IPv6 gateway, or `none`", minLength=1),
    "mac_prefix": _text("First three groups of MAC addresses on it, or `none`", minLength=1),
    "reserved": _names("Addresses that instances do not get"),
    "groups": _by_name("Node groups that it is connected to", CONNECTION),
    "tags": TAGS}, ("network",))
DISK = _object("A disk; `name` identifies it, a disk without one is known by its place", {
    "name": _text("Name", minLength=1), "size": _number("Size in MiB; it can only grow", 1),
    "mode": {"enum": ["rw", "ro"], "description": "Whether the guest may write"},
    "spindles": _number("Spindles; only for a new disk"),
    "params": _parameters("What the disk template takes of one disk; only for a new disk")},
    ("size",))
NIC = _object("A network card; known by its name, else by its MAC address, else by its place", {
    "name": _text("Name", minLength=1),
    "mac": _text("MAC address; drawn if it is not given",
                 pattern="^[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}$"),
    "ip": _text("Address, `pool` for one of the network's, or `none`", minLength=1),
    "network": _text("Network, or `none`; it decides on mode, link and VLANs", minLength=1),
    "mode": _text("Network back end, or `default`", minLength=1),
    "link": _text("Link, or `default`", minLength=1), "vlan": _text("VLANs, or `default`")})
INSTANCE = _object("An instance", {
    "state": {"enum": STATES, "description": "What it is to be; a new one is `up`"},
    "hypervisor": _text("Hypervisor; only for a new instance", minLength=1),
    "os": _text("OS definition, installed on a new instance", minLength=1),
    "disk_template": _text("Disk template; only for a new instance", minLength=1),
    "primary_node": _text("Node; without it an allocator chooses", minLength=1),
    "secondary_node": _text("Node of the second copy of its disks", minLength=1),
    "beparams": BEPARAMS, "hvparams": _parameters("Parameters of its hypervisor"),
    "osparams": _OS_PARAMETERS,
    "disks": {"type": "array", "items": DISK, "maxItems": 16, "description": "Disks, in order"},
    "nics": {"type": "array", "items": NIC, "maxItems": 8, "description": "Cards, in order"},
    "tags": TAGS})
SCHEMA: Schema = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "A cluster, described",
    **_object("A cluster. What a file does not name is left as it is", {
        "version": {"const": VERSION, "description": "Version of this form"},
        "cluster": CLUSTER,
        "groups": _by_name("Node groups by name", GROUP),
        "nodes": _by_name("Nodes by full name", NODE),
        "networks": _by_name("Networks by name", NETWORK),
        "instances": _by_name("Instances by full name", INSTANCE, "^[A-Za-z0-9._-]{1,255}$"),
    }, ("version",))}
