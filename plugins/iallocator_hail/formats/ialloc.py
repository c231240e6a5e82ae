"""The allocator protocol's documents: cluster data and one request in, one answer out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ..errors import LoadError
from ..records import ALLOC_POLICIES, Description, Group, Instance, Node, Policy
from .instance_json import InstanceMemory, read_instance
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
    parse_json,
)
from .names import find_name
from .policy_json import policy_with
from .templates import STRICT, Templates, described

EVACUATION_MODES = ("primary-only", "secondary-only", "all")


@dataclass(frozen=True, slots=True)
class NewInstance:
    """An instance to place: on one node, or on a pair."""

    instance: Instance
    required_nodes: int


@dataclass(frozen=True, slots=True)
class Allocate:
    """Place instances one after the other; `several` tells the form of the answer."""

    items: tuple[NewInstance, ...]
    group_name: str | None
    restrict_to: tuple[str, ...] | None
    several: bool


@dataclass(frozen=True, slots=True)
class AllocateSecondary:
    """Find a secondary for an instance that has none; with it, it will have this template."""

    instance: int
    template: str = "drbd"


@dataclass(frozen=True, slots=True)
class Relocate:
    """Find another node for an instance, in place of the ones named."""

    instance: int
    required_nodes: int
    relocate_from: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Evacuate:
    """Move instances off their nodes; `mode` says which of the nodes."""

    instances: tuple[int, ...]
    mode: str


@dataclass(frozen=True, slots=True)
class ChangeGroup:
    """Move instances to other groups; no targets means any other."""

    instances: tuple[int, ...]
    targets: tuple[int, ...]


MESSAGE: Final = "Parsing input IAllocator message"
"""How errors call the reading of a document."""

Request = Allocate | AllocateSecondary | Relocate | Evacuate | ChangeGroup


def load_ialloc(text: str) -> Description:
    """The cluster data of a document's text.

    :raises LoadError: it is malformed.
    """
    return parse_document(parse_json(text, MESSAGE))[0]


def parse_document(
    document: Json, memory: InstanceMemory | None = None
) -> tuple[Description, Request]:
    """Cluster data and request of a parsed document.

    :raises LoadError: it is malformed, or names something unknown.
    """
    top = _top(document)
    members = top.get("request", as_object)
    description = parse_description(document, memory)
    fields = Fields("invalid request dict", members)
    return description, _request(fields, description, _templates(top))


def _top(document: Json) -> Fields:
    if not isinstance(document, dict):
        raise LoadError(f"{MESSAGE}: Unable to read JSObject")
    return Fields("invalid iallocator message", document)


def _templates(top: Fields) -> Templates:
    """The master says what its disk templates are; only then may there be unknown ones."""
    return top.maybe("disk_templates", described, STRICT)


def parse_description(document: Json, memory: InstanceMemory | None = None) -> Description:
    """The cluster data of a parsed document.

    :raises LoadError: it is malformed, or refers to something unknown.
    """
    top = _top(document)
    templates = _templates(top)
    policies = policy_with(templates)
    groups = tuple(
        _group(uuid, data, policies) for uuid, data in top.get("nodegroups", as_object).items())
    by_uuid = {group.uuid: index for index, group in enumerate(groups)}
    nodes = tuple(_node(name, data, by_uuid) for name, data in top.get("nodes", as_object).items())
    instances = (memory or InstanceMemory()).instances(
        top.get("instances", as_object), [node.name for node in nodes], templates)
    hypervisors = top.maybe("enabled_hypervisors", list_of(as_string), ())
    return Description(
        groups=groups,
        nodes=nodes,
        instances=tuple(instances),
        tags=top.get("cluster_tags", list_of(as_string)),
        hypervisor=hypervisors[0] if hypervisors else None,
        likes=templates.likes,
    )


def _group(uuid: str, data: Json, policies: Reader[Policy]) -> Group:
    fields = Fields(f"invalid data for group '{uuid}'", as_object(data))
    return Group(
        name=fields.get("name", as_string),
        uuid=uuid,
        alloc_policy=fields.get("alloc_policy", choice(ALLOC_POLICIES, "AllocPolicy")),
        networks=fields.get("networks", list_of(as_string)),
        policy=fields.get("ipolicy", policies),
        tags=fields.get("tags", list_of(as_string)),
    )


def _node(name: str, data: Json, groups: Mapping[str, int]) -> Node:
    fields = Fields(f"invalid data for node '{name}'", as_object(data))
    offline = fields.get("offline", as_bool)
    drained = fields.get("drained", as_bool)
    uuid = fields.get("group", as_string)
    if uuid not in groups:
        raise LoadError(f"Unknown group '{uuid}' for node {name}")
    params = Fields(fields.what, fields.get("ndparams", as_object))
    exclusive = params.get("exclusive_storage", as_bool)
    silent = fields.maybe("silent", as_bool, False)
    live = not offline and not silent and fields.maybe("vm_capable", as_bool, True)

    def whole(key: str) -> int:
        return fields.get(key, as_int) if live else 0

    spindles = whole("total_spindles") if exclusive else params.get("spindle_count", as_int)
    return Node(
        name=name,
        group=groups[uuid],
        total_memory=fields.get("total_memory", as_float) if live else 0.0,
        node_memory=whole("reserved_memory"),
        free_memory=whole("free_memory"),
        total_disk=fields.get("total_disk", as_float) if live else 0.0,
        free_disk=whole("free_disk"),
        total_cpus=fields.get("total_cpus", as_float) if live else 0.0,
        node_cpus=whole("reserved_cpus"),
        spindles=spindles,
        free_spindles=fields.maybe("free_spindles", as_int, 0) if live else 0,
        exclusive=exclusive,
        offline=not live or drained,
        silent=silent,
        tags=fields.maybe("tags", list_of(as_string), ()),
    )


def _request(fields: Fields, description: Description, templates: Templates) -> Request:
    kind = fields.get("type", as_string)
    if kind not in _READERS:
        raise LoadError(f"Invalid request type '{kind}'")
    return _READERS[kind](fields, description, templates)


def _read_allocate(
    fields: Fields, _description: Description, templates: Templates
) -> Request:
    name = fields.get("name", as_string)
    group = fields.maybe("group_name", as_string, None)
    item = NewInstance(
        required_nodes=fields.get("required_nodes", as_int),
        instance=read_instance(name, fields.members, templates),
    )
    restrict = fields.maybe("restrict-to-nodes", list_of(as_string), None)
    return Allocate((item,), group, restrict, several=False)


def _read_multi(fields: Fields, _description: Description, templates: Templates) -> Request:
    group = fields.maybe("group_name", as_string, None)
    items = []
    for members in fields.get("instances", list_of(as_object)):
        each = Fields(fields.what, members)
        name = each.get("name", as_string)
        required = each.get("required_nodes", as_int)
        items.append(NewInstance(read_instance(name, members, templates), required))
    return Allocate(tuple(items), group, None, several=True)


def _known_instance(fields: Fields, description: Description) -> int:
    name = fields.get("name", as_string)
    for index, instance in enumerate(description.instances):
        if instance.name == name:
            return index
    raise LoadError(f"Unknown instance '{name}'")


def _read_secondary(fields: Fields, description: Description, _templates: Templates) -> Request:
    # Ganeti knows one mirrored template, and does not say which is meant.
    template = fields.maybe("disk_template", as_string, "drbd")
    return AllocateSecondary(_known_instance(fields, description), template)


def _read_relocate(fields: Fields, description: Description, _templates: Templates) -> Request:
    instance = _known_instance(fields, description)
    required = fields.get("required_nodes", as_int)
    names = fields.get("relocate_from", list_of(as_string))
    nodes = [node.name for node in description.nodes]
    return Relocate(instance, required, tuple(find_name(description, nodes, n) for n in names))


def _named_instances(fields: Fields, description: Description) -> tuple[int, ...]:
    names = [instance.name for instance in description.instances]
    wanted = fields.get("instances", list_of(as_string))
    return tuple(find_name(description, names, name) for name in wanted)


def _read_evacuate(fields: Fields, description: Description, _templates: Templates) -> Request:
    instances = _named_instances(fields, description)
    return Evacuate(instances, fields.get("evac_mode", choice(EVACUATION_MODES, "EvacMode")))


def _read_change_group(fields: Fields, description: Description, _templates: Templates) -> Request:
    instances = _named_instances(fields, description)
    wanted = fields.get("target_groups", list_of(as_string))
    return ChangeGroup(instances, tuple(find_group(description, name) for name in wanted))


def find_group(description: Description, name: str) -> int:
    """The position of the one group with this name or UUID.

    :raises LoadError: there is none, or several.
    """
    hits = [i for i, group in enumerate(description.groups) if name in (group.name, group.uuid)]
    if len(hits) != 1:
        raise LoadError(f"Wrong number of elems found with name {name}")
    return hits[0]


_READERS = {
    "allocate": _read_allocate,
    "multi-allocate": _read_multi,
    "allocate-secondary": _read_secondary,
    "relocate": _read_relocate,
    "node-evacuate": _read_evacuate,
    "change-group": _read_change_group,
}
