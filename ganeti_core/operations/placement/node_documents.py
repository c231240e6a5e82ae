"""The nodes' part of the allocators' document: each node's made anew when anything of it changed.

Between two requests little changes but the node that got the last instance, so the documents of
most nodes are the very same dicts as in the document before. Documents are read-only.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from ganeti_core.errors import OpPrereqError
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.memo import Memo
from ganeti_core.operations.disks import is_shared
from ganeti_core.operations.placement.node_document import NodeView, is_asked
from ganeti_core.query.live import NodeLive, host_facts, running, spaces

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ganeti_core.config.reservations import Reserved, Storage
    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.operations.context import OpContext
    from ganeti_core.query.live import Question

NodeDocuments = Memo[str, dict[str, Any]]
"""The newest document of each node (uuid), which a master keeps from request to request."""


@dataclass(frozen=True)
class CountedStorages:
    """Whose space counts on nodes.

    :param first: by node group (uuid)
    :param default: the same, for nodes that say of no such storage at all
    """

    first: Mapping[str, Storage]
    default: Mapping[str, Storage]

    @property
    def all(self) -> tuple[Storage, ...]:
        return *self.first.values(), *self.default.values()


def node_documents(
    ctx: OpContext, snapshot: Snapshot, lacks: Mapping[str, str], storages: CountedStorages,
    reserved: Reserved, instances: Mapping[str, dict[str, Any]],
) -> dict[str, dict[str, Any]]:
    """Return the documents of all nodes by name.

    :param lacks: why nodes (uuids) cannot take what the request is about
    :param reserved: what jobs have set aside, read before the nodes are asked here
    :param instances: the documents of all instances, by name
    """
    nodes = snapshot.nodes.values()
    live = ctx.services.live.gather(
        [node for node in nodes if is_asked(node)], _questions(snapshot, storages, reserved))
    primaries = _by_primary(instances)
    shared = _shared(ctx, reserved)
    held = reserved.by_node(snapshot.nodes.keys(), shared)
    memo, chosen = ctx.services.node_documents, ctx.chosen
    documents = {}
    for node in nodes:
        said = live.get(node.uuid)
        view = NodeView(
            snapshot.cluster, snapshot.groups[node.group], node,
            available=chosen is None or node.uuid in chosen, lacks=lacks.get(node.uuid, ""),
            live=said if isinstance(said, NodeLive) else None,
            primaries=primaries.get(node.name, {}),
            reserved=held[node.uuid], shared=shared,
            storage=storages.first.get(node.group), default=storages.default.get(node.group))
        documents[node.name] = memo.find(node.uuid, view) or memo.keep(
            node.uuid, view, view.document())
    memo.forget_others(snapshot.nodes.keys())
    return documents


def _questions(
    snapshot: Snapshot, storages: CountedStorages, reserved: Reserved
) -> frozenset[Question]:
    return frozenset({
        *(question(name) for name in snapshot.cluster.enabled_hypervisors
          for question in (host_facts, running)),
        *(spaces(template) for template, _ in (*storages.all, *reserved.storages))})


def _by_primary(
    instances: Mapping[str, dict[str, Any]]
) -> dict[str, dict[str, dict[str, Any]]]:
    """Sort documents of instances by the names of their primary nodes."""
    found: dict[str, dict[str, dict[str, Any]]] = defaultdict(dict)
    for name, document in instances.items():
        found[document["nodes"][0]][name] = document
    return found


def _shared(ctx: OpContext, reserved: Reserved) -> frozenset[str]:
    """Return the disk templates of which what is set aside counts on every node."""
    return frozenset(template for template in {template for template, _ in reserved.storages}
                     if _may_be_shared(ctx, template))


def _may_be_shared(ctx: OpContext, template: str) -> bool:
    try:
        return is_shared(ctx, template)
    except OpPrereqError:
        return True  # its driver has gone meanwhile: what jobs hold must not seem free anywhere
