"""Ganeti's ``config.data``, versions 2.16, 3.0 and 3.1, to and from our objects. Pure: no I/O.

What we have no use for is kept in each object's `other` and comes out again unchanged; keys of the
file itself are kept with the cluster. What Ganeti has no place for (a node's port and certificate,
search paths, disabled plugins) comes out only if it is asked for, under `OWN_KEY`.
"""

from __future__ import annotations

import json
import math
from dataclasses import MISSING, fields, replace
from typing import TYPE_CHECKING, Any, cast

import cattrs
from cattrs.errors import CattrsError

from ganeti_core.errors import ConfigurationError
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.model import (
    KINDS,
    Cluster,
    ConfigObject,
    Disk,
    FilterRule,
    Instance,
    Network,
    Nic,
    Node,
    NodeGroup,
)
from ganeti_core.model.ganeti_settings import GANETI_SETTINGS, other_settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ganeti_core.config.snapshot import Snapshot

VERSIONS = {2_160_000: "2.16", 3_000_000: "3.0", 3_010_000: "3.1"}
DEFAULT_VERSION = 3_000_000
OWN_KEY = "ganeti_core"
_FILE_KEY = "config.data"
"""In the cluster's `other`: what the file says of itself."""
_SECRET = "osparams_secret"  # noqa: S105  # the name of a key

Data = dict[str, Any]

UNREADABLE = (cattrs.BaseValidationError, CattrsError, AttributeError, IndexError, KeyError,
              OverflowError, RecursionError, TypeError, ValueError)
"""What reading values of another form than ours ends in."""
MOST_SERIAL = 1 << 62


def _strict() -> cattrs.Converter:
    """A converter that takes a value for what it is: a table is no text, a text no number."""
    converter = cattrs.Converter(detailed_validation=False)

    def number(value: Any, _type: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(
                value):
            raise TypeError(f"{value!r} is not a number")
        return float(value)

    def whole(value: Any, _type: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise TypeError(f"{value!r} is not a whole number")
        return value

    def flag(value: Any, _type: Any) -> bool:
        if not isinstance(value, bool):
            raise TypeError(f"{value!r} is not true or false")
        return value

    def text(value: Any, _type: Any) -> str:
        # Parameters of operating systems may be numbers.
        if not isinstance(value, str | int | float) or isinstance(value, bool):
            raise TypeError(f"{value!r} is not text")
        return str(value)

    converter.register_structure_hook(float, number)
    converter.register_structure_hook(int, whole)
    converter.register_structure_hook(bool, flag)
    converter.register_structure_hook(str, text)
    return converter


_converter = _strict()


@dataclass(frozen=True)
class _Form:
    """How one of our classes is written.

    :param names: our field → their key, where they differ
    :param own: fields that have no place in the file
    :param derived: fields that other parts of the file say
    :param sparse: fields that are written only if they say something
    """

    cls: type
    names: Mapping[str, str]
    own: frozenset[str] = frozenset()
    derived: frozenset[str] = frozenset()
    sparse: frozenset[str] = frozenset()

    def keys(self) -> dict[str, str]:
        """Our field → their key, for all that is written."""
        return {field.name: self.names.get(field.name, field.name) for field in fields(self.cls)
                if field.name not in self.own | self.derived and field.name != "other"}

    def read(self, data: Data, **derived: Any) -> Any:
        """:raises ConfigurationError: a value is missing or of another type"""
        keys = self.keys()
        values = {name: data[key] for name, key in keys.items() if data.get(key) is not None}
        other = {key: value for key, value in data.items()
                 if key not in keys.values() and key != _SECRET}
        if any(field.name == "other" for field in fields(self.cls)):
            values["other"] = other
        try:
            return _converter.structure({**values, **derived}, self.cls)
        except UNREADABLE as exc:
            raise ConfigurationError(
                f"{self.cls.__name__} {data.get('uuid', '')} cannot be read: {exc!r}") from exc

    def write(self, value: Any) -> Data:
        plain = _plain(value)
        written = dict(plain.get("other", {}))
        for name, key in self.keys().items():
            if name in self.sparse and plain[name] in (None, "", {}, [], False):
                continue
            written[key] = plain[name]
        return written

    def own_values(self, value: Any) -> Data:
        """The fields without a place that differ from their defaults."""
        plain = _plain(value)
        return {field.name: plain[field.name] for field in fields(self.cls)
                if field.name in self.own and field.default is not MISSING
                and getattr(value, field.name) != field.default}


def _plain(value: Any) -> Data:
    """As it is in JSON: lists, no tuples."""
    return cast("Data", json.loads(json.dumps(_converter.unstructure(value))))


_STATES = frozenset({"hv_state_static", "disk_state_static"})
_CLUSTER = _Form(
    Cluster, {"name": "cluster_name"},
    own=frozenset({"os_search_path", "iallocator_search_path", "disabled_plugins",
                   "queue_drained", "job_queue_files", "watcher_pause", "settings", "upgrade_to",
                   "upgrade_keeps_drained"}))
_GROUP = _Form(NodeGroup, {}, sparse=_STATES)
_NODE = _Form(Node, {}, own=frozenset({"port", "fingerprint", "renewing"}),
              sparse=_STATES)
_INSTANCE = _Form(Instance, {}, own=frozenset({"secondary_nodes", "disk_template"}),
                  sparse=frozenset({"network_port", "forthcoming"}))
_NIC = _Form(Nic, {}, sparse=frozenset({"ip", "name", "network"}))
_DISK = _Form(Disk, {"template": "dev_type"}, own=frozenset({"granted", "stale"}),
              derived=frozenset({"instance"}),
              sparse=frozenset({"name", "spindles", "tags", "uuid"}))
_NETWORK = _Form(Network, {}, sparse=frozenset(
    {"gateway", "network6", "gateway6", "mac_prefix"}))
_FILTER = _Form(FilterRule, {"reason": "reason_trail"})
_PLAIN_FORMS: dict[type[ConfigObject], _Form] = {
    NodeGroup: _GROUP, Node: _NODE, Network: _NETWORK, FilterRule: _FILTER}
PLAIN_TABLES = {
    "nodegroups": "nodegroup", "nodes": "node", "networks": "network", "filters": "filter"}
"""Tables of the file by their names there, with the kinds of their objects."""


def read_config(data: Data) -> list[ConfigObject]:
    """Read a whole ``config.data``.

    :raises ConfigurationError: it is of another version, or something in it cannot be read
    """
    try:
        return _read_all(data)
    except UNREADABLE as exc:
        raise ConfigurationError(f"the configuration cannot be read: {exc!r}") from exc


def _read_all(data: Data) -> list[ConfigObject]:
    version = data.get("version")
    if version not in VERSIONS:
        raise ConfigurationError(
            f"a configuration of version {version!r} cannot be read; known are "
            f"{', '.join(f'{number} ({name})' for number, name in VERSIONS.items())}")
    own = data.get(OWN_KEY, {})
    instances = [_read_instance(entry, data.get("disks", {}))
                 for entry in _entries(data, "instances")]
    places = {uuid: (instance.uuid, index) for instance in instances
              for index, uuid in enumerate(instance.disks)}
    for key, most in (("serial_no", MOST_SERIAL), ("ctime", math.inf), ("mtime", math.inf)):
        if not 0 <= _converter.structure(data.get(key, 1), float) <= most:
            raise ConfigurationError(f"'{key}' of the configuration cannot be {data[key]!r}")
    objects: list[ConfigObject] = [
        _read_cluster(data),
        *(_GROUP.read(entry) for entry in _entries(data, "nodegroups")),
        *(_NODE.read(entry) for entry in _entries(data, "nodes")),
        *(_NETWORK.read(entry) for entry in _entries(data, "networks")),
        *(_read_disk(entry, *places.get(entry["uuid"], ("", None)))
          for entry in _entries(data, "disks")),
        *instances,
        *(_FILTER.read(entry) for entry in _entries(data, "filters")),
    ]
    return [_with_own(value, own.get(value.uuid, {})) for value in objects]


def _entries(data: Data, kind: str) -> list[Data]:
    """The objects of a kind; each has its uuid, whatever the file repeats of it."""
    found = data.get(kind, {})
    if not isinstance(found, dict):
        raise ConfigurationError(f"'{kind}' is no table of objects")
    return [{"uuid": uuid, **entry} for uuid, entry in found.items()]


def _with_own(value: ConfigObject, own: Data) -> ConfigObject:
    if not own:
        return value
    if isinstance(value, Cluster):
        own = {**own, "settings": {**value.settings, **own.get("settings", {})}}
    return _converter.structure({**_converter.unstructure(value), **own}, type(value))


def _read_cluster(data: Data) -> Cluster:
    # The serial becomes the database's own.
    objects = {*(f"{kind}s" for kind in KINDS if kind != "cluster"), "cluster", "serial_no",
               OWN_KEY}
    of_file = {key: value for key, value in data.items() if key not in objects}
    try:
        found = dict(data["cluster"])
    except KeyError as exc:
        raise ConfigurationError("the configuration has no cluster") from exc
    settings = {setting.name: _converter.structure(found.pop(setting.name, None) or "", str)
                for setting in GANETI_SETTINGS}
    cluster: Cluster = _CLUSTER.read(found)
    return replace(cluster, settings=settings, other=cluster.other | {_FILE_KEY: of_file})


def write_cluster(cluster: Cluster) -> Data:
    """Write the cluster's own entry."""
    other = {key: value for key, value in cluster.other.items() if key != _FILE_KEY}
    settings = {setting.name: value for setting in GANETI_SETTINGS
                if (value := cluster.settings.get(setting.name) or setting.empty) is not None}
    return {**_CLUSTER.write(replace(cluster, other=other)), **settings}


def _read_instance(entry: Data, disks: Mapping[str, Data]) -> Instance:
    held = [disks[uuid] for uuid in entry.get("disks", ()) if uuid in disks]
    nodes = dict.fromkeys(node for disk in held for node in disk.get("nodes", ()))
    nodes.pop(entry.get("primary_node", ""), None)
    return cast("Instance", _INSTANCE.read(
        entry, nics=[_converter.unstructure(_NIC.read(nic)) for nic in entry.get("nics", ())],
        secondary_nodes=list(nodes),
        disk_template=held[0]["dev_type"] if held else "diskless"))


def _read_disk(entry: Data, instance: str = "", index: int | None = None) -> Disk:
    entry = dict(entry)
    entry.pop("forthcoming", None)  # its instance says it
    if index is not None and entry.get("iv_name") == f"disk/{index}":
        del entry["iv_name"]
    children = [_converter.unstructure(_read_disk({"uuid": "", **child}))
                for child in entry.get("children", ())]
    disk: Disk = _DISK.read(entry, children=children, instance=instance)
    match disk.logical_id:
        case (str(first), str(second), int(port), int(one), int(two), str(secret)):
            # All that identifies a disk which two nodes mirror was drawn from the pools.
            return replace(disk, logical_id=(), granted={
                "minor": {first: one, second: two}, "port": port, "secret": secret})
    return disk


def logical_id(disk: Disk) -> list[Any]:
    """The identity of a disk as Ganeti has it.

    What a disk of two nodes drew from all pools is it: node, node, port, minor, minor, secret.
    """
    match disk.granted:
        case {"minor": dict(minors), "port": port, "secret": secret} if len(minors) == 2:
            return [*minors, port, *minors.values(), secret]
    return list(disk.logical_id)


def write_config(snapshot: Snapshot, *, own: bool = False) -> Data:
    """Write the whole configuration.

    :param own: with what only this project knows, for `read_config`; Ganeti would refuse it
    """
    data = {
        **write_heading(snapshot),
        "cluster": write_cluster(snapshot.cluster),
        **{table: {uuid: write_plain(value) for uuid, value in snapshot.of_kind(kind).items()}
           for table, kind in PLAIN_TABLES.items()},
        "instances": {uuid: write_instance(instance)
                      for uuid, instance in snapshot.instances.items()},
        "disks": {uuid: write_disk(disk, snapshot) for uuid, disk in snapshot.disks.items()},
    }
    if own:
        data[OWN_KEY] = {value.uuid: found for value in _everything(snapshot)
                         if (found := _own_of(value))}
    return data


def write_heading(snapshot: Snapshot) -> Data:
    """Write what is of the configuration as a whole and of none of its objects."""
    of_file = dict(snapshot.cluster.other.get(_FILE_KEY, {}))
    return {
        **of_file,
        "version": of_file.get("version", DEFAULT_VERSION),
        "serial_no": snapshot.serial,
        "ctime": of_file.get("ctime", snapshot.cluster.ctime),
        "mtime": max([of_file.get("mtime", 0.0),
                      *(value.mtime for value in _everything(snapshot))]),
    }


def write_plain(value: ConfigObject) -> Data:
    """Write an object of one of `PLAIN_TABLES`, whose entries depend on nothing else."""
    return _PLAIN_FORMS[type(value)].write(value)


def _everything(snapshot: Snapshot) -> Iterator[ConfigObject]:
    return (value for kind in KINDS for value in snapshot.of_kind(kind).values())


def _own_of(value: ConfigObject) -> Data:
    form = {Cluster: _CLUSTER, Node: _NODE, Disk: _DISK}.get(type(value))
    own = form.own_values(value) if form else {}
    if form is _DISK and logical_id(cast("Disk", value)) != list(cast("Disk", value).logical_id):
        own.pop("granted", None)  # it is in the identity
    if isinstance(value, Cluster) and (settings := other_settings(value.settings)):
        own["settings"] = settings
    return own


def write_instance(instance: Instance) -> Data:
    """Write one instance."""
    return {**_INSTANCE.write(instance), "nics": [_NIC.write(nic) for nic in instance.nics]}


def write_disk(disk: Disk, snapshot: Snapshot | None = None, *, real: bool = True) -> Data:
    """Write one disk, with the part that its instance in `snapshot` has in it."""
    instance = snapshot.instances.get(disk.instance) if snapshot else None
    real = real and not (instance and instance.forthcoming)
    written = {**_DISK.write(replace(disk, children=())), "logical_id": logical_id(disk),
               "children": [write_disk(child, real=real) for child in disk.children],
               **({} if real else {"forthcoming": True})}
    if instance is not None and disk.uuid in instance.disks:
        written.setdefault("iv_name", f"disk/{instance.disks.index(disk.uuid)}")
    return written
