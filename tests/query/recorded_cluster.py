"""The recorded cluster of Ganeti: its configuration as a snapshot, its answers, its nodes."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cache
from pathlib import Path
from typing import Any

from ganeti_core.config.snapshot import Snapshot
from ganeti_core.errors import GanetiError, OpExecError
from ganeti_core.model import (
    Cluster,
    Disk,
    FilterRule,
    Instance,
    Network,
    Nic,
    Node,
    NodeGroup,
)
from ganeti_core.model.ganeti_settings import GANETI_SETTINGS
from ganeti_core.plugin_api.data import (
    Console,
    DiskStatus,
    HostFacts,
    OsInfo,
    RunningInstance,
    StorageSpace,
)
from ganeti_core.query.live import ConsoleRequest, DiskQuestion, NodeLive, Question

DATA = Path(__file__).parents[1] / "data/query/recorded.json.gz"


@cache
def recorded() -> dict[str, Any]:
    with gzip.open(DATA) as file:
        return json.load(file)


def answer(number: str) -> Any:
    """The result of one recorded exchange, by the number that its name starts with."""
    found = exchange(number)["answer"]
    return found["result"]


def exchange(number: str) -> dict[str, Any]:
    return next(item for item in recorded()["exchanges"] if item["name"].startswith(f"{number}-"))


def columns(number: str) -> dict[str, list[Any]]:
    """A recorded listing as name of field → its cells."""
    result = answer(number)
    names = [field["name"] for field in result["fields"]]
    return {name: [row[at] for row in result["data"]] for at, name in enumerate(names)}


def _build(cls: type, data: Mapping[str, Any], **more: Any) -> Any:
    known = {field.name for field in fields(cls)}
    values = {key: value for key, value in data.items() if key in known} | more
    tuples = {"tags", "disks", "nodes", "logical_id", "enabled_hypervisors", "hidden_os",
              "enabled_disk_templates", "blacklisted_os", "reserved_lvs", "compression_tools",
              "uid_pool", "tcpudp_port_pool"}
    return cls(**{key: tuple(value) if key in tuples else value for key, value in values.items()})


def _disk(data: Mapping[str, Any]) -> Disk:
    return _build(Disk, {**data, "children": ()}, template=data["dev_type"])


def _instance(data: Mapping[str, Any], disks: Mapping[str, Disk]) -> Instance:
    nics = tuple(_build(Nic, nic) for nic in data["nics"])
    templates = {disks[uuid].template for uuid in data["disks"]}
    return _build(Instance, {**data, "nics": nics},
                  disk_template=templates.pop() if templates else "diskless")


def snapshot_of(config: Mapping[str, Any]) -> Snapshot:
    """Turn Ganeti's configuration into a snapshot; enough of it for queries."""
    settings = {setting.name: config["cluster"].get(setting.name)
                for setting in GANETI_SETTINGS}
    cluster = _build(Cluster, config["cluster"], name=config["cluster"]["cluster_name"],
                     settings=settings,
                     other={"data_collectors": config["cluster"]["data_collectors"]})
    disks = {uuid: _disk(data) for uuid, data in config["disks"].items()}
    objects = {
        "cluster": {cluster.uuid: cluster},
        "nodegroup": {u: _build(NodeGroup, d) for u, d in config["nodegroups"].items()},
        "node": {u: _build(Node, d) for u, d in config["nodes"].items()},
        "network": {u: _build(Network, d) for u, d in config["networks"].items()},
        "disk": disks,
        "instance": {u: _instance(d, disks) for u, d in config["instances"].items()},
        "filter": {u: _build(FilterRule, d) for u, d in config["filters"].items()},
    }
    return snapshot_from(objects)


def snapshot_from(objects: Mapping[str, Mapping[str, Any]]) -> Snapshot:
    """A snapshot of objects, with its index of names."""
    named = ("nodegroup", "node", "instance", "network")
    names = {kind: {found.name: uuid for uuid, found in objects.get(kind, {}).items()}
             for kind in named}
    return Snapshot(serial=1, objects=objects, names=names)


def with_objects(snapshot: Snapshot, kind: str, *changed: Any) -> Snapshot:
    """The next snapshot, with objects added or replaced; the others stay the same objects."""
    objects = {**snapshot.objects,
               kind: {**snapshot.of_kind(kind), **{found.uuid: found for found in changed}}}
    return replace(snapshot_from(objects), serial=snapshot.serial + 1)


def at_recording() -> Snapshot:
    """The configuration as it was when the listings were recorded.

    The recorded configuration is of some hours later: what had been changed meanwhile is put
    back, from the columns that show an object's own attributes.
    """
    later = snapshot_of(recorded()["config"])
    groups = _restored(later.groups, columns("031"), _common)
    nodes = _restored(later.nodes, columns("030"), _common)
    rows = columns("029")
    by_name = {node.name: uuid for uuid, node in nodes.items()}

    def attributes(cell: Callable[[str], Any]) -> dict[str, Any]:
        return {**_common(cell), "os": cell("os"), "beparams": cell("custom_beparams"),
                "osparams": cell("custom_osparams"), "disks": tuple(cell("disk.uuids")),
                "primary_node": by_name[cell("pnode")]}

    instances = _restored(later.instances, rows, attributes)
    sizes = {uuid: size for uuids, sizes in zip(rows["disk.uuids"], rows["disk.sizes"], strict=True)
             for uuid, size in zip(uuids[1], sizes[1], strict=True)}
    disks = {uuid: replace(later.disks[uuid], size=size) for uuid, size in sizes.items()}
    networks = _restored(later.networks, columns("032"), _common)
    info = answer("001")
    cluster = replace(later.cluster, tags=tuple(info["tags"]), mtime=info["mtime"],
                      candidate_pool_size=info["candidate_pool_size"])
    return snapshot_from({
        **later.objects, "cluster": {cluster.uuid: cluster}, "nodegroup": groups, "node": nodes,
        "instance": instances, "disk": disks, "network": networks})


def _common(cell: Callable[[str], Any]) -> dict[str, Any]:
    return {"mtime": cell("mtime"), "serial_no": cell("serial_no"), "tags": tuple(cell("tags"))}


def _restored(
    objects: Mapping[str, Any], rows: Mapping[str, list[Any]],
    attributes: Callable[[Callable[[str], Any]], dict[str, Any]],
) -> dict[str, Any]:
    found = {}
    for at, (_, uuid) in enumerate(rows["uuid"]):
        found[uuid] = replace(objects[uuid], **attributes(lambda name, at=at: rows[name][at][1]))
    return found


@dataclass
class FakeNodes:
    """A `LiveSource` of nodes that tell what the test says; counts what it was asked."""

    guests: dict[str, list[RunningInstance]] = field(default_factory=dict)
    facts: dict[str, HostFacts] = field(default_factory=dict)
    space: StorageSpace | None = None
    silent: set[str] = field(default_factory=set)
    disk_paths: bool = True
    stored: dict[str, list[str]] = field(default_factory=dict)
    oses: dict[str, dict[str, OsInfo]] = field(default_factory=dict)
    providers: dict[str, list[str]] = field(default_factory=dict)
    asked: list[tuple[tuple[str, ...], frozenset[Question]]] = field(default_factory=list)

    @classmethod
    def as_recorded(cls) -> FakeNodes:
        """The nodes as they were when the listings were recorded."""
        of_node, of_instance = columns("030"), columns("029")
        guests: dict[str, list[RunningInstance]] = {}
        for at, (_, name) in enumerate(of_instance["name"]):
            status, memory = of_instance["oper_ram"][at]
            if status == 0:
                guests.setdefault(of_instance["pnode"][at][1], []).append(RunningInstance(
                    name, of_instance["uuid"][at][1], "running", memory,
                    of_instance["oper_vcpus"][at][1]))
        facts = {
            name: HostFacts(*(of_node[field][at][1] for field in (
                "mtotal", "mfree", "mnode", "ctotal", "csockets", "cnodes")))
            for at, (_, name) in enumerate(of_node["name"])}
        room = StorageSpace("/srv", of_node["dtotal"][0][1], of_node["dfree"][0][1])
        return cls(guests, facts, room)

    def gather(
        self, nodes: Sequence[Node], questions: frozenset[Question]
    ) -> Mapping[str, NodeLive | GanetiError]:
        self.asked.append((tuple(node.name for node in nodes), questions))
        return {node.uuid: GanetiError("silent") if node.name in self.silent
                else self._tell(node, questions) for node in nodes}

    def _tell(self, node: Node, questions: frozenset[Question]) -> NodeLive:
        answers: dict[Question, Any] = {}
        for question in questions:
            match question.hook:
                case "running":
                    answers[question] = self.guests.get(node.name, [])
                case "host_facts" if node.name in self.facts:
                    answers[question] = self.facts[node.name]
                case "space" if self.space:
                    answers[question] = [self.space]
                case "info" if question.driver in self.oses.get(node.name, {}):
                    answers[question] = self.oses[node.name][question.driver]
                case "info":
                    answers[question] = GanetiError("no such OS")
                case "node.facts":
                    answers[question] = {
                        "boot_id": "1cfc9809-ce65-41c2-990c-01f8b7c67cac", "kinds": {
                            "os": dict.fromkeys(self.oses.get(node.name, {})),
                            "extstorage": dict.fromkeys(self.providers.get(node.name, []))}}
        return NodeLive(answers)

    def consoles(self, requests: Sequence[ConsoleRequest]) -> Mapping[str, Console | GanetiError]:
        return {request.instance.uuid: Console(
            "msg", request.instance.name,
            message=f"Console not available for {request.instance.hypervisor} hypervisor")
            for request in requests}

    def disk_states(
        self, questions: Sequence[DiskQuestion]
    ) -> Mapping[tuple[str, str], DiskStatus | GanetiError]:
        return {asked.key: DiskStatus(exists=self.disk_paths, path=asked.disk.logical_id[1])
                for asked in questions}

    def exports(self, nodes: Sequence[Node]) -> Mapping[str, Sequence[str] | GanetiError]:
        none = OpExecError("No exports directory")
        return {node.uuid: self.stored.get(node.name, none) for node in nodes}


@dataclass
class FakeJobs:
    """A `JobSource` of given documents."""

    documents: list[Mapping[str, Any]] = field(default_factory=list)

    def jobs(self, ids: Sequence[int] | None, archived: bool) -> list[Mapping[str, Any]]:
        if ids is not None:
            return [job for job in self.documents if job["id"] in ids]
        return [job for job in self.documents if archived or not job.get("archived")]


@dataclass
class FakeLocks:
    """A `LockSource` of given locks."""

    held: list[Any] = field(default_factory=list)

    def locks(self) -> list[Any]:
        return self.held
