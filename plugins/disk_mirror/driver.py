"""The driver: what a disk is, and what a node does for it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ganeti_core.plugin_api import (
    BlockDeviceError,
    Description,
    DiskSpec,
    HookContext,
    hookimpl,
    processes,
)
from ganeti_core.plugin_api.data import (
    DiskRequest,
    DiskStatus,
    JsonDict,
    NodeRef,
    OpenDisk,
    StorageSpace,
)
from ganeti_core.plugin_api.disk import GROWABLE, LOCAL_SPACE, MIRRORED, PlanChild
from ganeti_core.plugin_api.disk_steps import ChildSteps, DiskStep, Verb

from . import growing, plans, states
from .notes import Note
from .places import SUFFIX
from .side import Patience, Side
from .stores import PROGRAM, program_of

PARAMETERS: dict[str, Any] = {"type": "object", "properties": {
    "fence-timeout": {
        "type": "integer", "default": 0, "minimum": 0, "maximum": 86400,
        "description": "After how many seconds writes go on without the other node although the"
        " master could not be told; 0: they wait until it is told, or the other node is back"},
}}
SETTINGS: dict[str, Any] = {"type": "object", "properties": {"mirror_device_template": {
    "type": "string", "default": "file",
    "description": "The disk template of the devices that new mirrored disks lie on, one on each"
    " node"}}, "required": ["mirror_device_template"]}


@dataclass(frozen=True)
class MirrorTemplate:
    """Disks that processes keep alike on two nodes."""

    patience: Patience = field(default_factory=Patience)

    # On the master

    @hookimpl
    def describe(self) -> Description:
        return Description(
            api_version=0, title="A device on each of two nodes, kept alike by processes",
            nodes=2, pools=frozenset({"port", "secret"}),
            capabilities=frozenset({MIRRORED, LOCAL_SPACE, GROWABLE}),
            parameters=PARAMETERS, settings=SETTINGS)

    @hookimpl
    def layout(
        self, request: DiskRequest, settings: JsonDict, plan_child: PlanChild
    ) -> DiskSpec:
        plan_child(str(settings["mirror_device_template"]),
                   replace(request, options={}, params={}, name=None))
        return DiskSpec(
            uuid=request.uuid, index=request.index, template="mirror", size=request.size,
            mode=request.mode, params={**request.params, **request.options}, name=request.name,
            spindles=request.spindles, instance=request.instance_name)

    @hookimpl
    def steps(
        self, verb: Verb, disk: DiskSpec, nodes: tuple[NodeRef, ...], arguments: JsonDict,
        child_steps: ChildSteps,
    ) -> list[DiskStep]:
        return plans.steps(verb, disk, nodes, arguments, child_steps)

    @hookimpl
    def identity(self, disk: DiskSpec) -> str:
        return disk.uuid

    # A node

    @hookimpl
    def space(self, ctx: HookContext) -> list[StorageSpace]:
        return list(ctx.driver(
            "disk_templates", str(ctx.config["mirror_device_template"]), "space"))

    @hookimpl
    def verify(self, ctx: HookContext) -> list[str]:
        return [problem] if (problem := _problem(ctx)) else []

    @hookimpl
    def devices(self, ctx: HookContext) -> list[str]:
        return sorted(path.stem for path in ctx.keep.glob(f"*{SUFFIX}"))

    # One disk on a node

    @hookimpl
    def create(self, ctx: HookContext, disk: DiskSpec) -> None:
        side = self._side(ctx, disk)
        if Note.load(side.places.note) is not None and side.child("status").exists:
            return
        if problem := _problem(ctx):
            raise BlockDeviceError(f"node {ctx.node}: {problem}")
        side.child("create")
        (Note().renewed() if disk.role == "primary" else Note()).save(side.places.note)

    @hookimpl
    def remove(self, ctx: HookContext, disk: DiskSpec) -> None:
        side = self._side(ctx, disk)
        side.await_disuse()
        side.close()
        if disk.children:
            side.child("remove")
        for left in (side.places.note, side.places.note.with_suffix(".draft"),
                     *ctx.logs.glob(f"*-{side.places.uuid}.log")):
            left.unlink(missing_ok=True)

    @hookimpl
    def open(self, ctx: HookContext, disk: DiskSpec, exclusive: bool) -> OpenDisk:
        side = self._side(ctx, disk)
        if not exclusive and side.store.role() is not None:
            side.share()
        elif disk.role == "primary":
            side.write_here()
        else:
            side.follow()
            return OpenDisk()
        return OpenDisk(str(side.places.device))

    @hookimpl
    def promote(self, ctx: HookContext, disk: DiskSpec, force: bool) -> OpenDisk:
        side = self._side(ctx, disk)
        side.write_alone(force=force)
        return OpenDisk(str(side.places.device))

    @hookimpl
    def demote(self, ctx: HookContext, disk: DiskSpec) -> None:
        side = self._side(ctx, disk)
        if side.store.role() == "primary":
            side.follow()

    @hookimpl
    def close(self, ctx: HookContext, disk: DiskSpec) -> None:
        side = self._side(ctx, disk)
        side.await_disuse()
        side.close()

    @hookimpl
    def status(self, ctx: HookContext, disk: DiskSpec) -> DiskStatus:
        side = self._side(ctx, disk)
        note, below = Note.load(side.places.note), side.child("status")
        if note is None or not below.exists:
            return DiskStatus(exists=False)
        return states.shown(side, note, processes.kept(ctx).keys())

    @hookimpl
    def grow(self, ctx: HookContext, disk: DiskSpec, size: int) -> None:
        growing.grow(self._side(ctx, disk), size)

    def _side(self, ctx: HookContext, disk: DiskSpec) -> Side:
        return Side(ctx, disk, self.patience)


def _problem(ctx: HookContext) -> str:
    """Say why this node cannot hold such disks; empty where it can."""
    if program_of(ctx) is None:
        return f"{PROGRAM} not found: install qemu-system-common, or qemu-utils"
    if not Path("/dev/fuse").exists():
        return "there is no /dev/fuse: load the kernel's module fuse"
    return ""
