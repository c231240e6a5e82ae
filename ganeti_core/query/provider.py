"""OS definitions and ExtStorage providers: what is installed on nodes, put together by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ganeti_core.model.names import nice_key
from ganeti_core.plugin_api.extstorage import EXTSTORAGE
from ganeti_core.plugin_api.os import OS_DEFINITIONS
from ganeti_core.query.fields import Field, Need, table
from ganeti_core.query.live import NODE_FACTS, NodeLive, os_info
from ganeti_core.query.view import Resource, View

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ganeti_core.model import Cluster, Node
    from ganeti_core.plugin_api.data import OsInfo
    from ganeti_core.plugin_api.kinds import Kind


class OsRow(NamedTuple):
    """An OS definition; `infos` by node uuid, None where the node lacks it."""

    name: str
    cluster: Cluster
    infos: Mapping[str, OsInfo | None]

    @property
    def found(self) -> list[OsInfo]:
        return [info for info in self.infos.values() if info is not None]

    @property
    def valid(self) -> bool:
        """Whether every node can use it."""
        return all(info is not None and not info.problem for info in self.infos.values())


def _common(rows: Sequence[Sequence[Any]]) -> list[Any]:
    """What all of `rows` have, in the order of the first."""
    return [item for item in rows[0] if all(item in row for row in rows[1:])] if rows else []


def _status(info: OsInfo | None) -> list[list[Any]]:
    if info is None:
        return []
    return [[info.path, not info.problem, info.problem, list(info.variants),
             [list(pair) for pair in info.parameters], list(info.api_versions), info.trusted]]


_OSES = frozenset({Need.OSES})

_OS_FIELDS: list[Field[OsRow]] = [
    Field("name", "Name", "text", "Operating system name", lambda row: row.name, _OSES),
    Field("valid", "Valid", "bool", "Whether operating system definition is valid",
          lambda row: row.valid, _OSES),
    Field("hidden", "Hidden", "bool", "Whether operating system is hidden",
          lambda row: row.name in row.cluster.hidden_os, _OSES),
    Field("blacklisted", "Blacklisted", "bool", "Whether operating system is blacklisted",
          lambda row: row.name in row.cluster.blacklisted_os, _OSES),
    Field("trusted", "Trusted", "bool", "Whether this OS is trusted",
          lambda row: all(info.trusted for info in row.found), _OSES),
    Field("variants", "Variants", "other", "Operating system variants",
          lambda row: _common([info.variants for info in row.found]), _OSES),
    Field("api_versions", "ApiVersions", "other", "Operating system API versions",
          lambda row: sorted(_common([info.api_versions for info in row.found])), _OSES),
    Field("parameters", "Parameters", "other", "Operating system parameters",
          lambda row: sorted(map(list, _common([info.parameters for info in row.found]))), _OSES),
    Field("os_hvp", "OsHypervisorParams", "other",
          "Operating system specific hypervisor parameters",
          lambda row: row.cluster.os_hvp.get(row.name, {}), _OSES),
    Field("osparams", "OsParameters", "other", "Operating system specific parameters",
          lambda row: row.cluster.osparams.get(row.name, {}), _OSES),
    Field("node_status", "NodeStatus", "other", "Status from node",
          lambda row: {uuid: _status(info) for uuid, info in row.infos.items()}, _OSES),
]


def _nodes(view: View) -> list[Node]:
    return [node for node in view.index.nodes if node.vm_capable and not node.offline]


def _drivers(view: View, nodes: Sequence[Node], kind: Kind[Any]) -> dict[str, set[str]]:
    """Which drivers of a kind each node has that told, by the node's uuid."""
    told = view.live.gather(nodes, frozenset({NODE_FACTS}))
    return {uuid: set(answer.node_facts.get("kinds", {}).get(kind.name, {}))
            for uuid, answer in told.items() if isinstance(answer, NodeLive)}


class OsResource(Resource[OsRow]):
    """Lists OS definitions. Rows exist only when nodes were asked."""

    what = "os"
    cached = False
    fields = table(_OS_FIELDS)

    def rows(
        self, view: View, names: Sequence[str | int] | None  # noqa: ARG002  # nodes know them
    ) -> Sequence[OsRow]:
        return []

    def with_live(
        self, view: View, rows: Sequence[OsRow], needs: frozenset[Need]  # noqa: ARG002  # as above
    ) -> Sequence[OsRow]:
        nodes = _nodes(view)
        have = _drivers(view, nodes, OS_DEFINITIONS)
        names = sorted({name for found in have.values() for name in found}, key=nice_key)
        told = view.live.gather(
            [node for node in nodes if node.uuid in have], frozenset(map(os_info, names)))
        answers = {uuid: found for uuid, found in told.items() if isinstance(found, NodeLive)}
        return [OsRow(name, view.index.cluster, {
            uuid: answer.os_info(name) if name in have[uuid] else None
            for uuid, answer in answers.items()}) for name in names]

    def key(self, row: OsRow) -> str:
        return row.name


class Provider(NamedTuple):
    """An ExtStorage provider as one node has it: where, what is wrong with it, its parameters."""

    location: str
    problem: str
    parameters: Sequence[Sequence[str]]


class ProviderRow(NamedTuple):
    """An ExtStorage provider.

    :param nodes: by uuid, None where the node lacks it
    :param groups: by name, whether all their nodes can use it
    """

    name: str
    nodes: Mapping[str, Provider | None]
    groups: Mapping[str, bool]

    @property
    def parameters(self) -> list[Any]:
        """Those that every node knows where it can be used."""
        return _common([found.parameters for found in self.nodes.values()
                        if found is not None and not found.problem])

    def status(self) -> dict[str, list[list[Any]]]:
        """By node: one entry for the provider that is used; none where there is none."""
        return {uuid: [] if found is None else [
            [found.location, not found.problem, found.problem, list(found.parameters)]]
            for uuid, found in self.nodes.items()}


_PROVIDERS = frozenset({Need.PROVIDERS})

_PROVIDER_FIELDS: list[Field[ProviderRow]] = [
    Field("name", "Name", "text", "ExtStorage provider name", lambda row: row.name, _PROVIDERS),
    Field("node_status", "NodeStatus", "other", "Status from node",
          ProviderRow.status, _PROVIDERS),
    Field("nodegroup_status", "NodegroupStatus", "other", "Overall Nodegroup status",
          lambda row: dict(row.groups), _PROVIDERS),
    Field("parameters", "Parameters", "other", "ExtStorage provider parameters",
          lambda row: row.parameters, _PROVIDERS),
]


class ProviderResource(Resource[ProviderRow]):
    """Lists ExtStorage providers. Rows exist only when nodes were asked."""

    what = "extstorage"
    cached = False
    fields = table(_PROVIDER_FIELDS)

    def rows(
        self, view: View, names: Sequence[str | int] | None  # noqa: ARG002  # nodes know them
    ) -> Sequence[ProviderRow]:
        return []

    def with_live(
        self, view: View, rows: Sequence[ProviderRow],  # noqa: ARG002  # there are none yet
        needs: frozenset[Need],  # noqa: ARG002  # only one is possible
    ) -> Sequence[ProviderRow]:
        nodes = _nodes(view)
        have = _providers(view, nodes)
        names = sorted({name for found in have.values() for name in found}, key=nice_key)
        groups = {group.name: [node.uuid for node in nodes if node.group == group.uuid]
                  for group in view.index.groups}
        return [ProviderRow(
            name, {uuid: found.get(name) for uuid, found in have.items()},
            {group: all(_is_usable(have.get(uuid, {}).get(name)) for uuid in members)
             for group, members in groups.items() if members}) for name in names]

    def key(self, row: ProviderRow) -> str:
        return row.name


def _providers(view: View, nodes: Sequence[Node]) -> dict[str, dict[str, Provider]]:
    """The ExtStorage providers of each node that told, those with problems, too."""
    told = view.live.gather(nodes, frozenset({NODE_FACTS}))
    return {uuid: _of_node(answer.node_facts) for uuid, answer in told.items()
            if isinstance(answer, NodeLive)}


def _of_node(facts: Mapping[str, Any]) -> dict[str, Provider]:
    rows = {row["name"]: row for row in facts.get("plugins", ())
            if row["kind"] == EXTSTORAGE.name}
    usable = facts.get("kinds", {}).get(EXTSTORAGE.name, {})
    return {name: Provider(
        rows.get(name, {}).get("distribution", ""), rows.get(name, {}).get("problem", ""),
        (usable.get(name) or {}).get("options", [])) for name in {**usable, **rows}}


def _is_usable(found: Provider | None) -> bool:
    return found is not None and not found.problem
