"""Instances as the allocator protocol's documents tell them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ..errors import LoadError
from ..records import TEMPLATES, Disk, Instance
from .json_reader import (
    Fields,
    Json,
    as_bool,
    as_int,
    as_object,
    as_string,
    choice,
    list_of,
    optional,
)
from .templates import STRICT, Templates

_ADMIN_STATES = {"up": "running", "down": "ADMIN_down", "offline": "ADMIN_offline"}


class InstanceMemory:
    """Instances that were read before.

    A document that holds the very same object for an instance again, as the master's do for those
    that did not change, need not be read again there. Safe to use from several threads.
    """

    def __init__(self) -> None:
        self._order: tuple[tuple[str, ...], Templates] = (), STRICT
        self._known: dict[str, tuple[Json, tuple[tuple[str, ...], Templates], Instance]] = {}

    def instances(
        self, documents: Mapping[str, Json], nodes: Sequence[str], templates: Templates = STRICT
    ) -> list[Instance]:
        """The instances of a document whose nodes have these names, in this order.

        :raises LoadError: one is malformed
        """
        order = tuple(nodes), templates
        if order == self._order:
            order = self._order
        self._order = order
        indexes = {name: index for index, name in enumerate(order[0])}
        known, now = self._known, {}
        found: list[Instance] = []
        for name, data in documents.items():
            entry = known.get(name)
            if entry is None or entry[0] is not data or entry[1] is not order:
                usual = _usual(name, data, indexes)
                entry = (data, order, usual or _placed(name, data, indexes, templates))
            now[name] = entry
            found.append(entry[2])
        self._known = now
        return found


def _disk(value: Json) -> Disk:
    fields = Fields("disk", as_object(value))
    return Disk(fields.get("size", as_int), fields.maybe("spindles", optional(as_int), None))


def _network(value: Json) -> str | None:
    return Fields("nic", as_object(value)).maybe("network", optional(as_string), None)


def read_instance(name: str, data: Json, templates: Templates = STRICT) -> Instance:
    """An instance as a request describes it, without nodes.

    :raises LoadError: it is malformed
    """
    fields = Fields(f"invalid data for instance '{name}'", as_object(data))
    disk = fields.get("disk_space_total", as_int)
    networks = fields.get("nics", list_of(_network))
    state = fields.maybe("admin_state", choice(tuple(_ADMIN_STATES), "AdminState"), "up")
    template = fields.get("disk_template", templates.read)
    return Instance(
        name=name,
        disks=fields.get("disks", list_of(_disk)),
        memory=fields.get("memory", as_int),
        disk=disk,
        vcpus=fields.get("vcpus", as_int),
        template=template,
        like=templates.like(template),
        status=_ADMIN_STATES[state],
        tags=fields.get("tags", list_of(as_string)),
        networks=tuple(network for network in networks if network is not None),
        spindle_use=fields.get("spindle_use", as_int),
        forthcoming=fields.maybe("forthcoming", as_bool, False),
    )


def _placed(
    name: str, data: Json, nodes: Mapping[str, int], templates: Templates
) -> Instance:
    instance = read_instance(name, data, templates)
    fields = Fields(f"invalid data for instance '{name}'", as_object(data))
    names = fields.get("nodes", list_of(as_string))
    if not names:
        raise LoadError(f"empty node list for instance {name}")
    for node in names[:2]:
        if node not in nodes:
            raise LoadError(f"Unknown node '{node}' for instance {name}")
    second = nodes[names[1]] if len(names) > 1 else -1
    return replace(instance, primary=nodes[names[0]], secondary=second)


def _usual(name: str, data: Json, nodes: Mapping[str, int]) -> Instance | None:
    """An instance of the usual form, read at once: there may be very many.

    None where anything is unusual, be it right or wrong, and has to be read with care.
    """
    try:
        lists = data["disks"], data["nics"], data["tags"], data["nodes"]
        disks, nics, tags, places = lists
        sizes, spindles = [disk["size"] for disk in disks], [disk.get("spindles") for disk in disks]
        networks = [word for nic in nics if (word := nic.get("network")) is not None]
        memory, disk_space, vcpus, use = (data[key] for key in _NUMBERS)
        counted = [number for number in spindles if number is not None]
        if (
            any(type(value) is not list for value in lists)
            or any(type(word) is not str for word in (*tags, *places, *networks))
            or set(map(type, (memory, disk_space, vcpus, use, *sizes, *counted))) != {int}
            or data.get("forthcoming", False) is not False
            or data["disk_template"] not in TEMPLATES
        ):
            return None
        return Instance(
            name=name,
            memory=memory,
            disk=disk_space,
            vcpus=vcpus,
            template=data["disk_template"],
            status=_ADMIN_STATES[data.get("admin_state", "up")],
            primary=nodes[places[0]],
            secondary=nodes[places[1]] if len(places) > 1 else -1,
            disks=tuple(map(Disk, sizes, spindles)),
            tags=tuple(tags),
            networks=tuple(networks),
            spindle_use=use,
        )
    except (KeyError, TypeError, AttributeError, IndexError):
        return None


_NUMBERS = ("memory", "disk_space_total", "vcpus", "spindle_use")
