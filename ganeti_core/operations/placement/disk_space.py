"""Disk space of nodes: set aside and checked, in each storage that a device lies in.

Storages of a node may lie on one device, such as two folders in one file system: what is set aside
in one of them is missing in the other.
"""

from __future__ import annotations

from collections import defaultdict
from functools import partial
from typing import TYPE_CHECKING

from ganeti_core.config.reservations import Resources
from ganeti_core.errors import ECODE_NORES, GanetiError, OpPrereqError
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.model.params import filled_ndparams
from ganeti_core.operations.disks import is_shared
from ganeti_core.plugin_api.disk import DISK_TEMPLATES
from ganeti_core.specs.storages import space_for_disks, space_in

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ganeti_core.config.reservations import Reserved, Storage
    from ganeti_core.model import Node
    from ganeti_core.operations.context import OpContext
    from ganeti_core.plugin_api.data import StorageSpace
    from ganeti_core.specs.storages import SpaceNeeded


def reserve_space(
    ctx: OpContext, instance: str, nodes: Sequence[Node], needed: SpaceNeeded
) -> None:
    """Set space aside on nodes for disks that are about to be made or grown, if there is as much.

    :param instance: its name
    :raises OpPrereqError: as `check_space`
    """
    ctx.services.reservations.hold_resources(
        instance, {node.uuid: Resources(disk=needed.storages) for node in nodes}, ctx.owner)
    for node in nodes:
        check_space(ctx, node, needed)


def check_space(ctx: OpContext, node: Node, needed: SpaceNeeded) -> None:
    """Check that a node has the space, beside what running jobs have set aside in the storages.

    :raises OpPrereqError: it has not (`ECODE_NORES`)
    """
    reserved = ctx.services.reservations.reserved_before(ctx.owner)
    room = _ask(ctx, node, needed, reserved)
    wanted: dict[Storage, int] = defaultdict(int)
    for storage, amount in needed.storages.items():
        wanted[room.device(storage)] += amount
    for storage in needed.storages:
        if not (spaces := room.spaces[storage[0]]):
            continue  # one that cannot say
        free = _free(ctx, node, storage, spaces) - set_aside(
            reserved, storage, node, room, partial(is_shared, ctx))
        if free < (together := wanted[room.device(storage)]):
            where = f" (storage {storage[1]} of disk template {storage[0]})" if storage[1] else ""
            raise OpPrereqError(
                f"Not enough disk space on target node {node.name}{where}: required {together} "
                f"MiB, available {free} MiB", ECODE_NORES)


@dataclass(frozen=True)
class NodeRoom:
    """What a node said of its storages. `spaces`: by disk template."""

    spaces: Mapping[str, Sequence[StorageSpace]]

    def device(self, storage: Storage) -> Storage:
        """What the room of a storage is of; the same for all that share it."""
        found = space_in(self.spaces.get(storage[0]) or (), storage[1])
        if found is None:
            return storage
        return ("", found.device) if found.device else (storage[0], found.name)


def _ask(ctx: OpContext, node: Node, needed: SpaceNeeded, reserved: Reserved) -> NodeRoom:
    """Ask a node for the storages that are needed, and those in which something is set aside."""
    spaces = {template: ctx.hook(node, DISK_TEMPLATES, template, "space")
              for template in dict.fromkeys(template for template, _ in needed.storages)}
    for template in {template for template, _ in reserved.storages} - spaces.keys():
        try:
            spaces[template] = ctx.hook(node, DISK_TEMPLATES, template, "space")
        except GanetiError:
            spaces[template] = ()  # others may use it on other nodes
    return NodeRoom(spaces)


def set_aside(
    reserved: Reserved, storage: Storage, node: Node, room: NodeRoom, shared: Callable[[str], bool]
) -> int:
    """Return what jobs have set aside of the room of a node's storage, MiB.

    :param shared: whether all nodes share the storages of a disk template: then it is what is set
        aside on any of them
    """
    device = room.device(storage)
    return sum(reserved.disk(one, None if shared(one[0]) else node.uuid)
               for one in reserved.storages if room.device(one) == device)


def _free(
    ctx: OpContext, node: Node, storage: Storage, spaces: Sequence[StorageSpace]
) -> int:
    template, name = storage
    found = space_in(spaces, name)
    if found is None:
        raise OpPrereqError(
            f"Node {node.name} has no storage {name} of disk template {template} (there are: "
            f"{', '.join(space.name for space in spaces)})", ECODE_NORES)
    exclusive = filled_ndparams(
        ctx.current.cluster, ctx.current.groups.get(node.group), node)["exclusive_storage"]
    return space_for_disks(found, exclusive=exclusive).free
