"""The driver: what a disk is, what each verb does, and what a node does for it."""

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
    run_command,
)
from ganeti_core.plugin_api.data import (
    DiskRequest,
    DiskStatus,
    JsonDict,
    NodeRef,
    OpenDisk,
    StorageSpace,
)
from ganeti_core.plugin_api.disk import (
    GROWABLE,
    LOCAL_SPACE,
    MIRRORED,
    SNAPSHOTS,
    WRAPS,
    PlanChild,
)
from ganeti_core.plugin_api.disk_steps import ChildSteps, DiskStep, Verb
from ganeti_core.plugin_api.node_findings import Agreement, NodeProblem

from . import kernel, parameters, plans, roles
from .device import HELPER, Device, Patience, is_program
from .tools import Run, Tools

NOTES_SIZE = 128
"""MiB of a volume of DRBD's notes: enough for 4 TiB of data."""


@dataclass(frozen=True)
class DrbdTemplate:
    """Disks that the kernel keeps alike on two nodes."""

    run: Run = field(default=run_command)
    patience: Patience = field(default_factory=Patience)

    # On the master

    @hookimpl
    def describe(self) -> Description:
        return Description(
            api_version=0, title="Two volumes on two nodes each, kept alike by the kernel (DRBD)",
            nodes=2, pools=frozenset({"minor", "port", "secret"}),
            capabilities=frozenset({MIRRORED, GROWABLE, LOCAL_SPACE, SNAPSHOTS, WRAPS}),
            parameters=parameters.PARAMETERS, settings=parameters.SETTINGS)

    @hookimpl
    def layout(
        self, request: DiskRequest, settings: JsonDict, plan_child: PlanChild
    ) -> DiskSpec:
        options, params = dict(request.options), request.params
        parameters.check(options, params)
        volumes = str(settings["drbd_volume_template"])
        below = replace(request, params={}, name=None)
        data = {"vg": options.pop("vg", ""), "stripes": _many(params, options, "data-stripes")}
        notes = {"vg": options.get("metavg", params.get("metavg", "")),
                 "stripes": _many(params, options, "meta-stripes")}
        plan_child(volumes, replace(below, options=_given(data)))
        plan_child(volumes, replace(below, size=NOTES_SIZE, spindles=None, options=_given(notes)))
        return DiskSpec(
            uuid=request.uuid, index=request.index, template="drbd", size=request.size,
            mode=request.mode, params={**params, **options}, name=request.name,
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

    @hookimpl
    def around(self, disk: DiskSpec, device: DiskSpec) -> int | None:
        is_data = disk.children and disk.children[0].template == device.template
        return 0 if is_data and not device.children else None

    # A node

    @hookimpl
    def space(self, ctx: HookContext) -> list[StorageSpace]:
        return list(ctx.driver("disk_templates", str(ctx.config["drbd_volume_template"]), "space"))

    @hookimpl
    def verify(self, ctx: HookContext) -> list[str | NodeProblem]:
        tools = Tools(ctx, self.run)
        if problem := tools.problem():
            return [NodeProblem(problem, "ENODEDRBD")]
        wanted, found = ctx.config["drbd_usermode_helper"], tools.helper()
        if found is not None and found != wanted:
            shown = found.replace("\n", "\\n")
            return [_wrong_helper(
                f"the kernel module drbd calls {shown}, and the cluster's drbd_usermode_helper is "
                f"{wanted}: run printf %s {wanted} > /sys/module/drbd/parameters/usermode_helper "
                "(without an end of line), and write it into its options of modprobe")]
        if Path(wanted).name == HELPER and not is_program(wanted):
            return [_wrong_helper(
                f"the kernel module drbd is to call {wanted}, which is no program here: install "
                "the package of the cluster on this node")]
        return []

    @hookimpl
    def agreements(self, ctx: HookContext) -> list[Agreement]:
        found = kernel.release(Tools(ctx, self.run).proc())
        return [Agreement("version of the kernel module drbd", found, "ENODEDRBDVERSION")] * bool(
            found)

    @hookimpl
    def devices(self, ctx: HookContext) -> list[str]:
        tools = Tools(ctx, self.run)
        noted = {path.stem: Device.noted_minor(path) for path in ctx.keep.glob("*.disk")}
        foreign = kernel.minors(tools.proc()).keys() - set(noted.values())
        return [*sorted(noted), *(f"minor {number}" for number in sorted(foreign))]

    # One device on a node

    @hookimpl
    def create(self, ctx: HookContext, disk: DiskSpec) -> None:
        device = self._device(ctx, disk)
        if device.note() and device.volumes_exist():
            return
        if problem := device.tools.problem():
            raise BlockDeviceError(f"node {ctx.node}: {problem}")
        try:
            for which in (0, 1):
                device.child(which, "create")
            device.make_notes(holds_data=disk.role == "primary")
        except BlockDeviceError:
            device.remove_what_was_made()
            raise

    @hookimpl
    def remove(self, ctx: HookContext, disk: DiskSpec) -> None:
        self._device(ctx, disk).remove()

    @hookimpl
    def open(self, ctx: HookContext, disk: DiskSpec, exclusive: bool) -> OpenDisk:
        device = self._opened(ctx, disk, both=not exclusive)
        if disk.role == "primary" or not exclusive:
            roles.write_here(device, both=not exclusive)
        elif (state := device.own_state()) is not None and state.role == "Primary":
            device.become_secondary()
        return OpenDisk(device.path)

    @hookimpl
    def promote(self, ctx: HookContext, disk: DiskSpec, force: bool) -> OpenDisk:
        device = self._opened(ctx, disk, both=False)
        roles.write_alone(device, force=force)
        return OpenDisk(device.path)

    @hookimpl
    def demote(self, ctx: HookContext, disk: DiskSpec) -> None:
        device = self._device(ctx, disk)
        found = device.configured()
        state = device.own_state()
        if found is None or state is None:
            return
        if state.role == "Primary":
            device.become_secondary()
        device.share(found, both=False)

    @hookimpl
    def renew(self, ctx: HookContext, disk: DiskSpec) -> None:
        device = self._device(ctx, disk)
        if problem := device.tools.problem():
            raise BlockDeviceError(f"node {ctx.node}: {problem}")
        state = device.state()
        if state is not None:
            roles.check_peer_is_whole(device, state)
            device.detach()
        elif device.volumes_exist():
            roles.check_holds_nothing(device, device.generation(activate=True))
        device.remove_volumes()
        for which in (0, 1):
            device.child(which, "create")
        device.make_notes(holds_data=False)
        if state is not None:
            device.attach()

    @hookimpl
    def wrap(self, ctx: HookContext, disk: DiskSpec) -> None:
        device = self._device(ctx, disk)
        if device.note() and device.volumes_exist():
            return
        if problem := device.tools.problem():
            raise BlockDeviceError(f"node {ctx.node}: {problem}")
        if not device.volume(0).exists:
            raise BlockDeviceError(f"the data of {device.title} are not on node {ctx.node}")
        if (have := device.volume(0).size) > disk.size:
            raise BlockDeviceError(
                f"the volume of {device.title} has {have} MiB on node {ctx.node}, and the disk has"
                f" {disk.size} MiB: its guest may use the rest, which it would lose; run"
                f" gnt-cluster repair-disk-sizes {disk.instance} first")
        try:
            device.child(1, "create")
            device.make_notes(holds_data=True)
        except BlockDeviceError:
            device.unwrap_what_was_made()
            raise

    @hookimpl
    def unwrap(self, ctx: HookContext, disk: DiskSpec) -> None:
        self._device(ctx, disk).unwrap()

    @hookimpl
    def close(self, ctx: HookContext, disk: DiskSpec) -> None:
        device = self._device(ctx, disk)
        device.take_down()
        for which in range(len(disk.children)):
            device.child(which, "close")

    @hookimpl
    def status(self, ctx: HookContext, disk: DiskSpec) -> DiskStatus:
        device = self._device(ctx, disk)
        if not device.volumes_exist():
            return DiskStatus(exists=False)
        if problem := device.tools.foreign_module():
            return DiskStatus(exists=True, size=device.volume(0).size, degraded=True,
                              local="unknown", reason=problem)
        state = device.state()
        if state is not None:
            return roles.shown(device, state, device.size())
        try:
            return roles.closed(device, device.generation(), device.size())
        except BlockDeviceError as exc:
            return DiskStatus(exists=True, size=device.size(), degraded=True, local="unknown",
                              reason=exc.message)

    @hookimpl
    def grow(self, ctx: HookContext, disk: DiskSpec, size: int) -> None:
        device = self._device(ctx, disk)
        device.child(0, "grow", size=size)
        state = device.state()
        # The kernel grows both sides, when the one that writes is asked; both volumes are larger.
        if state is not None and state.role == "Primary" and size > device.size():
            device.tools.setup("resize", str(device.number), f"--size={size}m")

    @hookimpl
    def snapshot(self, ctx: HookContext, disk: DiskSpec, name: str) -> str:
        device = self._device(ctx, disk)
        roles.check_data_are_here(device)
        return str(device.child(0, "snapshot", name=name))

    @hookimpl
    def remove_snapshot(self, ctx: HookContext, disk: DiskSpec, name: str) -> None:
        self._device(ctx, disk).child(0, "remove_snapshot", name=name)

    def _device(self, ctx: HookContext, disk: DiskSpec) -> Device:
        return Device(ctx, disk, Tools(ctx, self.run), self.patience)

    def _opened(self, ctx: HookContext, disk: DiskSpec, *, both: bool) -> Device:
        """Attach and connect the device.

        :raises BlockDeviceError: it is not there, or cannot be used
        """
        device = self._device(ctx, disk)
        known: kernel.Configured | None = None
        try:
            if not device.volumes_exist():
                raise BlockDeviceError(f"there is no {device.title} on node {ctx.node}")
            known = device.attach()
        except BlockDeviceError as exc:
            if not device.lives_by_peer():
                raise
            # One in use stays so: a guest could not even be stopped otherwise.
            ctx.feedback(f"{device.title} goes on with the data of its other copy: {exc.message}")
        # Where the cluster knows which side is old, that one gives up what it has beside.
        device.connect(known, both=both, discard=roles.is_marked(disk) and disk.role == "secondary")
        return device


def _many(params: JsonDict, options: JsonDict, name: str) -> int:
    """How many stripes; 0 where it is one, as without any."""
    count = int(options.get(name) or params.get(name) or 1)
    return count if count > 1 else 0


def _given(options: dict[str, Any]) -> JsonDict:
    return {name: value for name, value in options.items() if value}


def _wrong_helper(message: str) -> NodeProblem:
    return NodeProblem(message, "ENODEDRBDHELPER")
