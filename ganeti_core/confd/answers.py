"""What confd says, for every type of question: pure, from one state of the configuration."""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ganeti_core.confd_client.messages import (
    ADDRESSES,
    ARGUMENT_ERROR,
    CANDIDATES,
    COLLECTORS,
    CONFIG,
    ERROR,
    INSTANCE_DISKS,
    MASTER,
    NODE_INSTANCES,
    NODE_MINORS,
    NODE_OF_ADDRESS,
    NODE_ROLE,
    NODES,
    OK,
    PING,
    UNKNOWN_ENTRY,
    Answer,
    Choice,
    Query,
)
from ganeti_core.config.ganeti_format import (
    DEFAULT_VERSION,
    write_config,
    write_disk,
    write_instance,
)
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.model.params import filled_nicparams

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.model import Disk, Instance, Node

ROLE_MASTER, ROLE_CANDIDATE, ROLE_OFFLINE, ROLE_DRAINED, ROLE_REGULAR = range(5)
SECRET = "<redacted>"  # noqa: S105  # what is shown in the place of one
MINORS = "minor"
_DISK = ("logical_id", "dev_type", "children", "nodes", "iv_name", "size", "mode", "name",
         "spindles", "params", "uuid", "serial_no", "ctime", "mtime")
_INSTANCE = ("name", "primary_node", "os", "hypervisor", "hvparams", "beparams", "osparams",
             "osparams_private", "admin_state", "admin_state_source", "nics", "disks",
             "disks_active", "network_port", "ctime", "mtime", "uuid", "serial_no", "tags")
"""The order of an object's keys in Ganeti's answers."""
_PRIVATE = frozenset({"osparams_private", "osparams_private_cluster"})
_DEFAULT_INTERVAL = 5_000_000


class Refused(Exception):
    """There is no answer to this question; the text is the client's."""


@dataclass(frozen=True)
class Answers:
    """The answers from one state of the configuration.

    Datagrams are signed, and anybody on the way can read them: parameters that are private and
    secrets of disks are not in them.

    :param intervals: microseconds between two runs of each data collector that there is, where the
        cluster sets no other
    """

    snapshot: Snapshot
    intervals: Mapping[str, int]

    def of(self, kind: int, query: Query) -> Answer:
        """Answer one question."""
        try:
            return _ANSWERS[kind](self, query)
        except Refused as exc:
            return Answer.of(ERROR, str(exc))

    @property
    def serial(self) -> int:
        """By which clients find the newest of several answers.

        Ganeti gives the cluster's, which rises there with nodes and instances that come and go;
        here only the configuration's own does.
        """
        return self.snapshot.serial

    @cached_property
    def default_link(self) -> str:
        found = self.snapshot.cluster.nicparams.get("default", {}).get("link")
        return str(found) if found is not None else "br0"

    @cached_property
    def by_link(self) -> dict[str, dict[str, Instance]]:
        """Which instance has an address, by the link of the card and the address."""
        found: dict[str, dict[str, Instance]] = {}
        for _, instance in sorted(self.snapshot.instances.items()):
            for nic in instance.nics:
                if nic.ip:
                    link = str(filled_nicparams(self.snapshot.cluster, nic)["link"])
                    found.setdefault(link, {})[nic.ip] = instance
        return found

    @cached_property
    def document(self) -> dict[str, Any]:
        """The whole configuration as Ganeti has it, without secrets."""
        whole: dict[str, Any] = _without_secrets(write_config(self.snapshot))
        return whole

    def node(self, query: Query, *, shown: Callable[[str], str]) -> Node:
        """:raises Refused: it is no name, or there is no such node; `shown` makes the text"""
        name = _name(query)
        found: Node | None = self.snapshot.find("node", name)
        if found is None:
            raise Refused(shown(self._missing("Node", "node", name)))
        return found

    def instance(self, query: Query) -> Instance:
        """:raises Refused: it is no name, or there is no such instance"""
        name = _name(query)
        found: Instance | None = self.snapshot.find("instance", name)
        if found is None:
            raise Refused("Instance not found in the configuration: "
                          + _shown_error(self._missing("Instance", "instance", name)))
        return found

    def _missing(self, title: str, kind: str, name: str) -> str:
        several = [full for full in self.snapshot.names.get(kind, {})
                   if full.startswith(f"{name}.")]
        return f"{title} name {name} {'has multiple matches' if len(several) > 1 else 'not found'}"

    def node_of(self, link: str, address: str) -> tuple[int, Any, int]:
        """Status, answer and serial: the address of the node on which a guest runs."""
        instance = self.by_link.get(link, {}).get(address)
        node = self.snapshot.nodes.get(instance.primary_node) if instance else None
        return (OK, node.primary_ip, self.serial) if node else (ERROR, UNKNOWN_ENTRY, 0)


def _name(query: Query) -> str:
    match query:
        case str():
            return query
        case None:
            raise Refused("Invalid query type EmptyQuery")
    raise Refused("Invalid query type DictQuery")


def _pretty(missing: str) -> str:
    return ("Failure: prerequisites not met for this operation:\n"
            f"error type: ECodeNoEnt, error details:\n{missing}")


def _shown_error(missing: str) -> str:
    text = missing.replace("\\", "\\\\").replace('"', '\\"')
    return f'OpPrereqError "{text}" ECodeNoEnt'


def _ping(_answers: Answers, _query: Query) -> Answer:
    return Answer.of(OK, DEFAULT_VERSION)


def _master(answers: Answers, query: Query) -> Answer:
    master, cluster = answers.snapshot.master, answers.snapshot.cluster
    if isinstance(query, str):
        return Answer.of(ERROR, ARGUMENT_ERROR)
    if query is None:
        return Answer.of(OK, master.name, answers.serial)
    parts = (master.name, cluster.master_ip, master.primary_ip)
    return Answer.of(OK, [parts[field] for field in query.fields], answers.serial)


def _node_role(answers: Answers, query: Query) -> Answer:
    node = answers.node(query, shown=_pretty)
    role = next(role for role, applies in (
        (ROLE_MASTER, node.uuid == answers.snapshot.cluster.master_node),
        (ROLE_DRAINED, node.drained), (ROLE_OFFLINE, node.offline),
        (ROLE_CANDIDATE, node.master_candidate), (ROLE_REGULAR, True)) if applies)
    return Answer.of(OK, role, answers.serial)


def _nodes(answers: Answers, _query: Query) -> Answer:
    found = sorted(answers.snapshot.nodes.items(), reverse=True)
    return Answer.of(OK, [node.primary_ip for _, node in found], answers.serial)


def _candidates(answers: Answers, _query: Query) -> Answer:
    found = sorted(answers.snapshot.nodes.items(), reverse=True)
    return Answer.of(OK, [node.primary_ip for _, node in found if node.master_candidate],
                     answers.serial)


def _addresses(answers: Answers, query: Query) -> Answer:
    if isinstance(query, Choice):
        raise Refused("Invalid query type")
    link = answers.default_link if query is None else query
    return Answer.of(OK, sorted(answers.by_link.get(link, {})), answers.serial)


def _node_of_address(answers: Answers, query: Query) -> Answer:
    if not isinstance(query, Choice):
        return Answer.of(ERROR, ARGUMENT_ERROR)
    link = answers.default_link if query.link is None else query.link
    if query.address is not None:
        return Answer.of(*answers.node_of(link, query.address))
    return Answer.of(OK, [answers.node_of(link, one) for one in query.addresses], answers.serial)


def _node_minors(answers: Answers, query: Query) -> Answer:
    """The numbers that disks of two nodes have on this node, with what they belong to."""
    node = answers.node(query, shown=_shown_error)
    rows = [
        [node.name, minor, instance.name, f"disk/{index}",
         "primary" if instance.primary_node == node.uuid else "secondary", peer.name]
        for _, instance in sorted(answers.snapshot.instances.items())
        for index, disk in enumerate(answers.snapshot.disks_of(instance))
        for minor, uuid in _minors(disk, node.uuid)
        if (peer := answers.snapshot.nodes.get(uuid)) is not None]
    return Answer.of(OK, rows, node.serial_no)


def _minors(disk: Disk, node: str) -> Iterator[tuple[int, str]]:
    """The numbers on `node`, each with the other node."""
    match disk.granted.get(MINORS):
        case dict(minors) if len(minors) == 2 and node in minors:
            other = next(uuid for uuid in minors if uuid != node)
            yield minors[node], other
    for child in disk.children:
        yield from _minors(child, node)


def _node_instances(answers: Answers, query: Query) -> Answer:
    node = answers.node(query, shown=lambda missing: (
        f"Node not found in the configuration: {_shown_error(missing)}"))
    here: list[list[Any]] = [[], []]
    for _, instance in sorted(answers.snapshot.instances.items()):
        if node.uuid not in (instance.primary_node, *instance.secondary_nodes):
            continue
        document = _in_order(_without_secrets(write_instance(instance)), _INSTANCE)
        here[instance.primary_node != node.uuid].append(document)
    return Answer.of(OK, here, node.serial_no)


def _instance_disks(answers: Answers, query: Query) -> Answer:
    instance = answers.instance(query)
    disks = [_without_secrets(write_disk(disk, answers.snapshot))
             for disk in answers.snapshot.disks_of(instance)]
    return Answer.of(OK, [_disk(disk) for disk in disks], instance.serial_no)


def _disk(document: Mapping[str, Any]) -> dict[str, Any]:
    return _in_order({**document, "children": [_disk(one) for one in document["children"]]}, _DISK)


def _in_order(document: Mapping[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    """The document with these keys first; whether it is only reserved is said before all."""
    first = {"forthcoming": True} if document.get("forthcoming") else {}
    known = {key: document[key] for key in keys if key in document}
    return {**first, **known, **{key: value for key, value in document.items()
                                 if key not in known and key != "forthcoming"}}


def _config(answers: Answers, query: Query) -> Answer:
    """A part of the configuration, by a path as of RFC 6901."""
    path = _name(query)
    if not path.startswith("/"):
        return Answer.of(ERROR, ARGUMENT_ERROR)
    found: Any = answers.document
    for token in path[1:].split("/"):
        key = token.replace("~1", "/").replace("~0", "~")
        match found:
            case dict() if key in found:
                found = found[key]
            case list() if (at := re.match("[0-9]{1,9}", key)) and int(at[0]) < len(found):
                found = found[int(at[0])]
            case _:
                return Answer.of(ERROR, ARGUMENT_ERROR)
    return Answer.of(OK, found, answers.serial)


def _collectors(answers: Answers, _query: Query) -> Answer:
    configured: dict[str, Any] = answers.snapshot.cluster.other.get("data_collectors", {})
    return Answer.of(OK, {
        name: {"active": name in answers.intervals
               and configured.get(name, {}).get("active", True) is not False,
               "interval": configured.get(name, {}).get("interval")
               or answers.intervals.get(name, _DEFAULT_INTERVAL)}
        for name in sorted({*answers.intervals, *configured})}, answers.serial)


def _without_secrets(value: Any, key: str = "") -> Any:
    match value:
        case dict() if key in _PRIVATE:
            return {name: SECRET if isinstance(one, str) else _without_secrets(one, key)
                    for name, one in value.items()}
        case dict():
            return {name: _without_secrets(one, name) for name, one in value.items()}
        case [str(), str(), int(), int(), int(), str()] if key == "logical_id":
            return [*value[:5], SECRET]
        case list():
            return [_without_secrets(one) for one in value]
    return value


_ANSWERS: dict[int, Callable[[Answers, Query], Answer]] = {
    PING: _ping, NODE_ROLE: _node_role, NODE_OF_ADDRESS: _node_of_address, MASTER: _master,
    NODES: _nodes, CANDIDATES: _candidates, ADDRESSES: _addresses, NODE_MINORS: _node_minors,
    NODE_INSTANCES: _node_instances, INSTANCE_DISKS: _instance_disks, CONFIG: _config,
    COLLECTORS: _collectors,
}
