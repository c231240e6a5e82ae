"""Changes of an instance's disks: each request turns one list of disks into the next."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ganeti_core.errors import (
    ECODE_INVAL,
    ECODE_STATE,
    OpPrereqError,
)
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.operations.detached_disks import attached, set_aside, shown, takes_any
from ganeti_core.operations.disk_work import close_calls, make_clean_disks, open_disks
from ganeti_core.operations.disks import check_disk_names, plan_disk
from ganeti_core.operations.instance.adoption import OPTION
from ganeti_core.operations.instance.device_changes import DeviceChange, find_device
from ganeti_core.operations.instance.hardware import (
    MOST_DISKS,
    check_disk_count,
    disk_name,
    disk_requests,
)
from ganeti_core.operations.instance.syncing import have_copies, wait_for_sync
from ganeti_core.operations.placement.disk_space import reserve_space
from ganeti_core.operations.specs import disk_spec_of
from ganeti_core.plugin_api.disk import DISK_TEMPLATES, NO_DISKS
from ganeti_core.specs.storages import space_needed

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from ganeti_core.model import Disk, Instance, Node
    from ganeti_core.operations.context import OpContext
    from ganeti_core.operations.disk_work import Owed
    from ganeti_core.plugin_api.data import DiskSpec

_CHANGEABLE = frozenset({"mode", "name"})


@dataclass(frozen=True)
class DiskChanges:
    """The disks afterwards, what to tell, and which are made, removed or only described anew.

    :param attached: those that belonged to no instance
    :param detached: those that belong to none then, and keep their data
    """

    disks: tuple[Disk, ...]
    told: tuple[tuple[str, Any], ...] = ()
    added: tuple[Disk, ...] = ()
    removed: tuple[Disk, ...] = ()
    modified: tuple[Disk, ...] = ()
    attached: tuple[Disk, ...] = ()
    detached: tuple[Disk, ...] = ()

    @property
    def new(self) -> tuple[Disk, ...]:
        """Those that the instance did not have."""
        return (*self.added, *self.attached)

    @property
    def gone(self) -> tuple[Disk, ...]:
        """Those that it will not have."""
        return (*self.removed, *self.detached)


def plan_disks(
    ctx: OpContext, instance: Instance, nodes: Sequence[Node], changes: Sequence[DeviceChange]
) -> DiskChanges:
    """Apply the changes one after the other; the disk template plans new disks.

    :raises OpPrereqError: one makes no sense, or there is no room
    """
    state = DiskChanges(ctx.snapshot.disks_of(instance))
    for change in changes:
        match change.action:
            case "add":
                state = _add(ctx, state, instance, nodes, change)
            case "remove":
                state = _remove(state, change)
            case "modify":
                state = _modify(state, change)
            case "attach":
                state = _attach(ctx, state, instance, nodes, change)
            case _:
                state = _detach(state, change)
                set_aside(ctx, state.detached[-1])
    _check(ctx, state, nodes, instance)
    return state


def _add(
    ctx: OpContext, state: DiskChanges, instance: Instance, nodes: Sequence[Node],
    change: DeviceChange,
) -> DiskChanges:
    template = instance.disk_template
    if NO_DISKS in ctx.host.describe(DISK_TEMPLATES, template).capabilities:
        raise OpPrereqError("Must specify disk type on diskless instance", ECODE_INVAL)
    at = change.insert_at(len(state.disks), "disk")
    (asked,) = disk_requests(instance.name, [change.params], no_disks=False)
    if OPTION in asked.options:
        raise OpPrereqError("Disk adoption is only possible for new instances", ECODE_INVAL)
    disk = plan_disk(ctx, template, replace(asked, index=at), nodes, instance.uuid)
    return replace(
        state, disks=(*state.disks[:at], disk, *state.disks[at:]), added=(*state.added, disk),
        told=(*state.told, (f"disk/{at}", f"add:size={disk.size},mode={disk.mode}")))


def _attach(
    ctx: OpContext, state: DiskChanges, instance: Instance, nodes: Sequence[Node],
    change: DeviceChange,
) -> DiskChanges:
    at = change.insert_at(len(state.disks), "disk")
    disk = attached(ctx, instance, nodes, change.params)
    if any(disk.uuid == other.uuid for other in state.attached):
        raise OpPrereqError(f"The disk {shown(disk)} is attached twice", ECODE_INVAL)
    return replace(
        state, disks=(*state.disks[:at], disk, *state.disks[at:]),
        attached=(*state.attached, disk),
        told=(*state.told, (f"disk/{at}", f"attach:size={disk.size},mode={disk.mode}")))


def _remove(state: DiskChanges, change: DeviceChange) -> DiskChanges:
    state, gone = _without(state, change)
    return replace(state, removed=(*state.removed, gone))


def _detach(state: DiskChanges, change: DeviceChange) -> DiskChanges:
    state, gone = _without(state, change)
    return replace(state, detached=(*state.detached, gone))


def _without(state: DiskChanges, change: DeviceChange) -> tuple[DiskChanges, Disk]:
    at = find_device(change, state.disks, "disk")
    gone = state.disks[at]
    if gone in state.new:
        raise OpPrereqError("A disk cannot be added and removed at once", ECODE_INVAL)
    return replace(
        state, disks=(*state.disks[:at], *state.disks[at + 1:]),
        told=(*state.told, (f"disk/{at}", change.action)),
        modified=tuple(disk for disk in state.modified if disk.uuid != gone.uuid)), gone


def _modify(state: DiskChanges, change: DeviceChange) -> DiskChanges:
    at = find_device(change, state.disks, "disk")
    unknown = sorted(change.params.keys() - _CHANGEABLE)
    if unknown:
        hint = "; use grow-disk to change its size" if unknown[0] == "size" else ""
        raise OpPrereqError(
            f"Changing the disk parameter '{unknown[0]}' is not supported{hint}", ECODE_INVAL)
    old = state.disks[at]
    mode = change.params.get("mode", old.mode)
    if mode not in ("rw", "ro"):
        raise OpPrereqError(f"Invalid disk access mode '{mode}'", ECODE_INVAL)
    name = disk_name(change.params["name"]) if "name" in change.params else old.name
    new = replace(old, mode=mode, name=name)
    told = [(f"disk.{key}/{at}", getattr(new, key)) for key in ("mode", "name")
            if key in change.params]
    return replace(
        state, disks=(*state.disks[:at], new, *state.disks[at + 1:]),
        told=(*state.told, *told),
        added=tuple(new if disk is old else disk for disk in state.added),
        attached=tuple(new if disk is old else disk for disk in state.attached),
        modified=state.modified if old in state.new else (
            *(disk for disk in state.modified if disk.uuid != new.uuid), new))


def _check(
    ctx: OpContext, state: DiskChanges, nodes: Sequence[Node], instance: Instance
) -> None:
    if len(state.disks) > MOST_DISKS:
        raise OpPrereqError(
            f"Instance has too many disks ({len(state.disks)}), cannot add more", ECODE_STATE)
    check_disk_names(disk.name for disk in state.disks)
    if state.new or state.gone:
        check_disk_count(ctx, instance.hypervisor, len(state.disks))
    # A disk that nobody opens yet is attached even where nodes are lost: then it can be moved.
    used = state.new if instance.disks_active else state.added
    for node in (ctx.snapshot.nodes[uuid] for disk in used for uuid in disk.nodes):
        if node.offline:
            raise OpPrereqError(f"Node '{node.name}' is offline", ECODE_STATE)
    if state.added:
        name = instance.name
        reserve_space(ctx, name, nodes, space_needed(ctx.on_master, (
            disk_spec_of(ctx, disk, state.disks.index(disk), name) for disk in state.added)))


def attached_instance(
    ctx: OpContext, instance: Instance, changes: DiskChanges
) -> Instance:
    """Return an instance with disks that were attached to it; one without disks gets their
    template, and their nodes.

    :raises OpPrereqError: they are of several templates, or on other nodes each (`ECODE_INVAL`)
    """
    before = ctx.snapshot.instances[instance.uuid]
    if not changes.attached or not takes_any(ctx, before):
        return instance
    templates = sorted({disk.template for disk in changes.new})
    if len(templates) > 1:
        raise OpPrereqError(f"The disks are of several templates ({', '.join(templates)}), and an"
                            " instance has one", ECODE_INVAL)
    if len({disk.nodes for disk in changes.attached}) > 1:
        raise OpPrereqError("The disks have their copies on different nodes, and those of an"
                            " instance have them on the same ones", ECODE_INVAL)
    return replace(instance, disk_template=templates[0],
                   secondary_nodes=changes.attached[0].nodes[1:])


def make_added(
    ctx: OpContext, instance: Instance, nodes: Sequence[Node], disks: Sequence[DiskSpec], *,
    wait: bool, kept: Collection[str] = (),
) -> list[Owed]:
    """Make new disks, open if the others of their instance are; removing them is the undo.

    :param nodes: that hold them, the primary node first
    :param wait: until their copies are filled
    :param kept: as for `make_disks`
    :returns: the calls that close them after the commit
    :raises OpExecError: a node cannot make one, or its copy cannot be filled
    """
    closing = make_clean_disks(ctx, nodes, instance.uuid, disks, kept=kept)
    if disks and (instance.disks_active or (wait and have_copies(ctx, disks))):
        open_disks(ctx, nodes, instance.uuid, disks, undo=True)
        closing = close_calls(ctx, nodes, instance.uuid, disks)
    if wait:
        wait_for_sync(ctx, instance, disks)
    return [] if instance.disks_active else closing
