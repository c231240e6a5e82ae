"""The driver: plans volumes, and has them made on the node."""

from __future__ import annotations

from typing import Any

from ganeti_core.plugin_api import (
    ECODE_INVAL,
    ECODE_STATE,
    BlockDeviceError,
    Description,
    DiskSpec,
    HookContext,
    OpPrereqError,
    hookimpl,
)
from ganeti_core.plugin_api.data import (
    DiskRequest,
    DiskStatus,
    JsonDict,
    OpenDisk,
    StorageSpace,
    StorageUnit,
    Volume,
)
from ganeti_core.plugin_api.disk import (
    ADOPTION,
    EXCLUSIVE_STORAGE,
    GROWABLE,
    LOCAL_SPACE,
    SNAPSHOTS,
)
from ganeti_core.plugin_api.disk_streams import plain_wipe
from ganeti_core.plugin_api.node_findings import Agreement, NodeProblem

from . import units, volumes
from .lvm import Lvm
from .names import adopted_name, checked_name, place

SETTING = "volume_group_name"
PARAMETERS = {"type": "object", "properties": {
    "stripes": {
        "type": "integer", "minimum": 1, "default": 1,
        "description": "Over how many physical volumes a new disk is spread, if there are as many"},
    "thin_pool": {
        "type": "string", "default": "",
        "description": "A thin pool of the volume group, in which new disks take the room that"
                       " was written to; empty for none"},
    "vg": {
        "type": "string", "x-disk": True,
        "description": "The volume group, in place of the cluster's"},
    "adopt": {
        "type": "string", "x-disk": True,
        "description": "A volume of this group that becomes the disk, with its data"},
}}


class LvmTemplate:
    """Logical volumes of the instance's node.

    :param program: LVM's program, where it is not the system's
    """

    def __init__(self, program: str = "lvm") -> None:
        self._lvm = Lvm(program)

    @hookimpl
    def describe(self) -> Description:
        return Description(
            api_version=0, title="Volumes of LVM on a node", parameters=PARAMETERS,
            capabilities=frozenset({GROWABLE, LOCAL_SPACE, SNAPSHOTS, EXCLUSIVE_STORAGE, ADOPTION}),
            id_parts=("vg", "lv"), storage_types=(units.GROUPS, units.PHYSICAL), settings={
                "type": "object", "required": [SETTING], "properties": {SETTING: {
                    "type": "string", "default": "xenvg",
                    "description": "The volume group of disks that name no other"}}})

    @hookimpl
    def layout(self, request: DiskRequest, settings: dict[str, Any]) -> DiskSpec:
        options = dict(request.options)
        group = checked_name(
            "volume group", str(options.pop("vg", None) or settings.get(SETTING) or ""))
        params = {**request.params, **options}
        for name, what in (("adopt", "volume"), ("thin_pool", "thin pool")):
            if params.get(name):
                checked_name(what, str(params[name]))
        if params.get("thin_pool") and request.spindles is not None:
            raise OpPrereqError(
                f"Disk {request.index} cannot have spindles for itself in thin pool"
                f" {params['thin_pool']}: it shares its physical volumes", ECODE_INVAL)
        return DiskSpec(
            uuid=request.uuid, index=request.index, template="plain", size=request.size,
            logical_id=(group, f"{request.uuid}.disk{request.index}"), mode=request.mode,
            params=params, name=request.name, spindles=request.spindles,
            instance=request.instance_name)

    @hookimpl
    def identity(self, disk: DiskSpec) -> str:
        return "/".join(place(disk))

    @hookimpl
    def storage_of(self, disk: DiskSpec) -> str:
        group, _ = place(disk)
        pool = disk.params.get("thin_pool")
        return f"{group}/{pool}" if pool else group

    # The node

    @hookimpl
    def space(self, ctx: HookContext) -> list[StorageSpace]:
        return units.spaces(self._lvm, _group(ctx))

    @hookimpl
    def verify(self, ctx: HookContext) -> list[str | NodeProblem]:
        return units.problems(self._lvm, _group(ctx))

    @hookimpl
    def agreements(self, ctx: HookContext) -> list[Agreement]:
        return units.sizes_of_spindles(self._lvm, _group(ctx))

    @hookimpl
    def devices(self, ctx: HookContext) -> list[str]:
        """The volumes of the cluster's group, and those elsewhere that have an instance's tag."""
        own = _group(ctx)
        return sorted(
            one.full_name for one in self._lvm.logical() if not one.is_pool
            and (one.group == own or any(tag.startswith(volumes.OWNER) for tag in one.tags)))

    @hookimpl
    def volumes(self) -> list[Volume]:
        return units.listed_volumes(self._lvm)

    @hookimpl
    def storage_units(self, storage_type: str) -> list[StorageUnit]:
        return units.listed(self._lvm, storage_type)

    @hookimpl
    def modify_storage(self, storage_type: str, name: str, changes: JsonDict) -> None:
        units.modify(self._lvm, storage_type, name, changes)

    @hookimpl
    def repair_storage(self, storage_type: str, name: str) -> None:
        units.repair(self._lvm, storage_type, name)

    # One volume

    @hookimpl
    def create(self, disk: DiskSpec) -> None:
        volumes.create(self._lvm, disk, *place(disk))

    @hookimpl
    def remove(self, disk: DiskSpec) -> None:
        volumes.remove(self._lvm, *place(disk))

    @hookimpl
    def open(self, disk: DiskSpec) -> OpenDisk:
        return OpenDisk(volumes.activate(self._lvm, disk, *place(disk)).path)

    @hookimpl
    def close(self, disk: DiskSpec) -> None:
        """It stays active, as in Ganeti: that costs nothing, and nobody uses it."""

    @hookimpl
    def status(self, disk: DiskSpec) -> DiskStatus:
        found = self._lvm.find(*place(disk))
        if found is None:
            return DiskStatus(exists=False)
        return DiskStatus(
            True, found.path, found.size, is_open=found.is_active, degraded=found.is_degraded,
            local="faulty" if found.is_faulty else "ok",
            reason=(found.health or "its data are lost") if found.is_degraded else "",
            spindles=None if found.is_thin else len(found.physical) or None)

    @hookimpl
    def grow(self, disk: DiskSpec, size: int) -> None:
        volumes.grow(self._lvm, disk, size, volumes.existing(self._lvm, *place(disk)))

    @hookimpl
    def wipe(self, ctx: HookContext, disk: DiskSpec, start: int) -> None:
        # The volume says what it is: the parameter thin_pool is for new ones.
        if not volumes.existing(self._lvm, *place(disk)).reads_as_zeros:
            plain_wipe(ctx, disk, start)

    # Copies of a moment

    @hookimpl
    def snapshot(self, disk: DiskSpec, name: str) -> str:
        volume = volumes.existing(self._lvm, *place(disk))
        return volumes.snapshot(self._lvm, volume, _snapshot(disk, name)).path

    @hookimpl
    def remove_snapshot(self, disk: DiskSpec, name: str) -> None:
        group, _ = place(disk)
        volumes.remove(self._lvm, group, _snapshot(disk, name))

    # Volumes that were there before

    @hookimpl
    def adopts(self, disk: DiskSpec) -> str:
        return "/".join((place(disk)[0], adopted_name(disk)))

    @hookimpl
    def adoptable(self, disk: DiskSpec) -> int:
        found = self._lvm.find(place(disk)[0], adopted_name(disk))
        if found is None:
            raise OpPrereqError(f"Missing logical volume(s): {self.adopts(disk)}", ECODE_INVAL)
        if found.is_pool or found.is_snapshot or found.is_faulty:
            what = "a thin pool" if found.is_pool else (
                "a snapshot" if found.is_snapshot else "one that has lost data")
            raise OpPrereqError(f"Volume {found.full_name} is {what}, cannot adopt it", ECODE_INVAL)
        if found.is_open:
            raise OpPrereqError(
                f"Online logical volumes found, cannot adopt: {found.full_name} is used"
                f" ({volumes.users(found)})", ECODE_STATE)
        return found.size

    @hookimpl
    def adopt(self, disk: DiskSpec) -> None:
        group, name = place(disk)
        if self._lvm.find(group, name) is not None:
            return
        try:
            self.adoptable(disk)
        except OpPrereqError as exc:
            raise BlockDeviceError(exc.message) from exc
        self._lvm.run("lvrename", group, adopted_name(disk), name)

    @hookimpl
    def give_back(self, disk: DiskSpec) -> None:
        group, name = place(disk)
        if (found := self._lvm.find(group, name)) is not None:
            volumes.untag(self._lvm, found)
            self._lvm.run("lvrename", group, name, adopted_name(disk))


def _group(ctx: HookContext) -> str:
    return str(ctx.config.get(SETTING) or "")


def _snapshot(disk: DiskSpec, name: str) -> str:
    return checked_name("snapshot", f"{place(disk)[1]}.{name}")
