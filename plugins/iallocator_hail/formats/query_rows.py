"""Clusters from the rows that the master's queries and the remote API give, by field names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..errors import LoadError
from ..records import ALLOC_POLICIES, STATUSES, Description, Disk, Group, Instance, Node, Policy
from .json_reader import (
    Fields,
    Json,
    Reader,
    as_bool,
    as_float,
    as_int,
    as_object,
    as_string,
    choice,
    list_of,
    optional,
)
from .policy_json import policy_with
from .templates import LIVE, Templates, described

GROUP = ("name", "uuid", "alloc_policy", "ipolicy", "tags")
NODE = (
    "name", "group.uuid", "offline", "drained", "vm_capable", "mtotal", "mnode", "mfree",
    "dtotal", "dfree", "ctotal", "cnos", "sptotal", "spfree", "ndparams", "tags", "pip",
)
INSTANCE = (
    "name", "disk_usage", "beparams", "status", "pnode", "snodes", "tags", "oper_ram",
    "disk_template", "disk.sizes", "disk.spindles", "forthcoming",
)
CLUSTER = ("tags", "ipolicy", "enabled_hypervisors", "master", "disk_template_needs")
"""The fields to ask a master for."""

Row = Mapping[str, Json]
"""Values by field name; a value that nobody knows is missing or null."""


@dataclass(frozen=True, slots=True)
class Tables:
    """Everything that was asked."""

    groups: Sequence[Row]
    nodes: Sequence[Row]
    instances: Sequence[Row]
    cluster: Row


def describe(tables: Tables) -> Description:
    """Make a description.

    :raises LoadError: a field is missing or malformed, or names something unknown.
    """
    cluster = Fields("cluster", tables.cluster)
    # Ganeti's own masters say nothing of templates.
    templates = cluster.maybe("disk_template_needs", described, LIVE)
    as_policy = policy_with(templates)
    groups = tuple(_group(row, as_policy) for row in tables.groups)
    by_uuid = {group.uuid: index for index, group in enumerate(groups)}
    master = cluster.maybe("master", optional(as_string), None)
    nodes = tuple(_node(row, by_uuid, master) for row in tables.nodes)
    by_name = {node.name: index for index, node in enumerate(nodes)}
    hypervisors = cluster.maybe("enabled_hypervisors", _names, ())
    return Description(
        groups=groups,
        nodes=nodes,
        instances=tuple(_instance(row, by_name, templates) for row in tables.instances),
        tags=cluster.maybe("tags", _names, ()),
        policy=cluster.get("ipolicy", as_policy),
        hypervisor=hypervisors[0] if hypervisors else None,
        master=master,
        likes=templates.likes,
    )


_names = list_of(as_string)


def _what(kind: str, row: Row) -> Fields:
    return Fields(f"{kind} '{row.get('name')}'", row)


def _group(row: Row, as_policy: Reader[Policy]) -> Group:
    fields = _what("Group", row)
    return Group(
        name=fields.get("name", as_string),
        uuid=fields.get("uuid", as_string),
        alloc_policy=fields.get("alloc_policy", choice(ALLOC_POLICIES, "AllocPolicy")),
        tags=fields.maybe("tags", _names, ()),
        policy=fields.get("ipolicy", as_policy),
    )


_AMOUNTS = ("mtotal", "mfree", "ctotal")
"""What a node that answers always says; only storage of some kinds can tell its room."""


def _node(row: Row, groups: Mapping[str, int], master: str | None) -> Node:
    fields = _what("Node", row)
    name = fields.get("name", as_string)
    uuid = fields.get("group.uuid", as_string)
    if uuid not in groups:
        raise LoadError(f"Unknown group '{uuid}' for node {name}")
    params = Fields(fields.what, fields.get("ndparams", as_object))
    asked = not fields.get("offline", as_bool) and fields.maybe("vm_capable", as_bool, True)
    live = asked and all(row.get(key) is not None for key in _AMOUNTS)
    exclusive = params.maybe("exclusive_storage", as_bool, False)

    def whole(key: str) -> int:
        return fields.maybe(key, as_int, 0) if live else 0

    def real(key: str) -> float:
        return fields.maybe(key, as_float, 0.0) if live else 0.0

    spindles = whole("sptotal") if exclusive else params.maybe("spindle_count", as_int, 1)
    return Node(
        name=name,
        group=groups[uuid],
        total_memory=real("mtotal"),
        node_memory=whole("mnode"),
        free_memory=whole("mfree"),
        total_disk=real("dtotal"),
        free_disk=whole("dfree"),
        total_cpus=real("ctotal"),
        node_cpus=whole("cnos"),
        cpu_speed=params.maybe("cpu_speed", as_float, 1.0),
        spindles=spindles,
        free_spindles=whole("spfree"),
        exclusive=exclusive,
        offline=not live or fields.get("drained", as_bool),
        silent=asked and not live,
        master=name == master,
        tags=fields.maybe("tags", _names, ()),
        address=fields.maybe("pip", as_string, ""),
    )


def _instance(row: Row, nodes: Mapping[str, int], templates: Templates) -> Instance:
    fields = _what("Instance", row)
    name = fields.get("name", as_string)
    places = [fields.get("pnode", as_string), *fields.get("snodes", _names)][:2]
    for place in places:
        if place not in nodes:
            raise LoadError(f"Unknown node '{place}' for instance {name}")
    params = Fields(fields.what, fields.get("beparams", as_object))
    status = fields.get("status", as_string)
    if status not in STATUSES:
        raise LoadError(f"Invalid InstanceStatus value: '{status}'")
    running = status == "running"
    memory = fields.maybe("oper_ram", optional(as_int), None) if running else None
    sizes = fields.maybe("disk.sizes", list_of(as_int), ())
    spindles = fields.maybe("disk.spindles", list_of(optional(as_int)), ())
    known = [*spindles, *([None] * len(sizes))]
    template = fields.get("disk_template", templates.read)
    return Instance(
        name=name,
        memory=_configured_memory(params) if memory is None else memory,
        disk=fields.maybe("disk_usage", as_int, 0),
        vcpus=params.get("vcpus", as_int),
        template=template,
        like=templates.like(template),
        status=status,
        primary=nodes[places[0]],
        secondary=nodes[places[1]] if len(places) > 1 else -1,
        disks=tuple(Disk(size, known[index]) for index, size in enumerate(sizes)),
        tags=fields.maybe("tags", _names, ()),
        spindle_use=params.maybe("spindle_use", as_int, 1),
        auto_balance=params.maybe("auto_balance", as_bool, True),
        forthcoming=fields.maybe("forthcoming", as_bool, False),
    )


def _configured_memory(params: Fields) -> int:
    """What an instance may have at most; `memory` is an old name for it."""
    most = params.maybe("maxmem", as_int, None)
    return params.get("memory", as_int) if most is None else most
