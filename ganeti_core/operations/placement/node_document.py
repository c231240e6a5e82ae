"""What the allocators' document says of one node, as a function of all that it depends on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ganeti_core.model.params import filled_ndparams
from ganeti_core.operations.placement.disk_space import NodeRoom, set_aside
from ganeti_core.operations.placement.stated import stated_memory, stated_space
from ganeti_core.plugin_api.data import StorageSpace
from ganeti_core.specs.storages import space_for_disks, space_in

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ganeti_core.config.reservations import Reserved, Storage
    from ganeti_core.model import Cluster, Node, NodeGroup
    from ganeti_core.plugin_api.data import HostFacts
    from ganeti_core.query.live import NodeLive


def is_asked(node: Node) -> bool:
    """Whether a node is asked what it has."""
    return node.vm_capable and not node.offline


class NodeView(NamedTuple):
    """All that is known of a node for one request; two that are equal make the same document.

    So nothing else may be looked at here. It is a tuple, because one is made and compared for each
    node and request.

    :param available: whether the request may choose it
    :param lacks: why it cannot take what the request is about; empty where it can
    :param live: what it said; None where it is silent, or not asked
    :param primaries: documents of the instances whose primary node it is, by name
    :param reserved: what jobs have set aside here
    :param shared: disk templates in `reserved` whose storages all nodes have in common
    :param storage: whose space counts
    :param default: whose space counts instead, where the node says nothing of that one
    """

    cluster: Cluster
    group: NodeGroup
    node: Node
    available: bool
    lacks: str
    live: NodeLive | None
    primaries: Mapping[str, Mapping[str, Any]]
    reserved: Reserved
    shared: frozenset[str]
    storage: Storage | None
    default: Storage | None

    def document(self) -> dict[str, Any]:
        """Return the node as the protocol has it.

        A node that does not answer is for allocators as one that is offline, since none can use
        what it does not know; `silent` says that it is not marked so. One that `lacks` a driver
        that the request needs is as one that is drained: nothing new comes there.
        """
        node = self.node
        figures = self._figures()
        silent = is_asked(node) and not figures
        return {
            "tags": list(node.tags), "primary_ip": node.primary_ip,
            "secondary_ip": node.secondary_ip or node.primary_ip,
            "offline": node.offline or not self.available or silent, "silent": silent,
            "drained": node.drained or bool(self.lacks), "lacks": self.lacks,
            "master_candidate": node.master_candidate, "group": node.group,
            "master_capable": node.master_capable, "vm_capable": node.vm_capable,
            "ndparams": filled_ndparams(self.cluster, self.group, node),
            **figures,
        }

    def _figures(self) -> dict[str, Any]:
        """Return what it has and what is free of it; a silent node has none, as an offline one."""
        if self.live is None or (facts := self.live.host) is None:
            return {}
        return {**self._memory(self.live, facts), **self._space(self.live)}

    def _memory(self, live: NodeLive, facts: HostFacts) -> dict[str, Any]:
        memory = {name: document["memory"] for name, document in self.primaries.items()}
        # Those that are up and live here are counted with all that they may use, below.
        up = [name for name, document in self.primaries.items()
              if document["admin_state"] == "up"]
        # A guest whose job is not over may have begun between the node's word on its memory and
        # that on its guests: it is counted twice for a moment rather than never.
        held = self.reserved.memory(self.node.uuid, settled=set(up).__contains__)
        # An instance may use less than it may have: what it does not use now is not free.
        beginning = self.reserved.names(self.node.uuid)
        unused = sum(memory[name] if name in beginning
                     else max(0, memory[name] - _used(live, name)) for name in up)
        stated = stated_memory((self.cluster, self.group, self.node), facts)
        return {
            "total_memory": stated.total, "reserved_memory": stated.reserved,
            "free_memory": facts.memory_free - stated.withheld - unused - held,
            "total_cpus": stated.cpus, "reserved_cpus": stated.reserved_cpus,
            "i_pri_memory": sum(memory.values()) + held,
            "i_pri_up_memory": sum(memory[name] for name in up) + held,
        }

    def _space(self, live: NodeLive) -> dict[str, Any]:
        space = self._counted_space(live)
        return {"total_disk": space.total, "free_disk": space.free,
                "total_spindles": space.spindles, "free_spindles": space.free_spindles}

    def _counted_space(self, live: NodeLive) -> StorageSpace:
        """Return the storage that counts, as jobs leave it; zeros if the node cannot say."""
        storage = self.storage
        if storage and not live.spaces(storage[0]):
            storage = self.default or storage
        space = space_in(live.spaces(storage[0]) or (), storage[1]) if storage else None
        if storage is None or space is None:
            return StorageSpace("", 0, 0)
        levels = self.cluster, self.group, self.node
        exclusive = filled_ndparams(*levels)["exclusive_storage"]
        space = space_for_disks(space, exclusive=exclusive)
        total, withheld = stated_space(levels, storage[0], space)
        room = NodeRoom({template: live.spaces(template) or ()
                         for template, _ in (storage, *self.reserved.storages)})
        free = space.free - withheld - set_aside(
            self.reserved, storage, self.node, room, self.shared.__contains__)
        return StorageSpace(
            space.name, total, free, space.spindles if exclusive else 0,
            space.free_spindles if exclusive else 0)


def _used(live: NodeLive, name: str) -> int:
    guest = live.guests.get(name)
    return guest.memory if guest is not None else 0
