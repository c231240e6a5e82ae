"""Hypervisor ``plugging``: the fake one, and its running guests take and lose devices.

Installed as a third party's. What a guest has lies in a file beside it.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from ganeti_core.plugin_api import Description, HookContext, HypervisorError, InstanceSpec, hookimpl
from ganeti_core.plugin_api.data import DiskSpec, NicSpec, PluggedDevice
from ganeti_core.plugin_api.hypervisor import HOTPLUG, LIVE_MIGRATION
from ganeti_plugins.hv_fake import FakeHypervisor


class Plugging(FakeHypervisor):
    """Guests that are files, with devices."""

    @hookimpl
    def describe(self) -> Description:
        fake = super().describe()
        return replace(fake, title="The fake hypervisor, with hotplug",
                       capabilities=fake.capabilities - {LIVE_MIGRATION} | {HOTPLUG})

    @hookimpl
    def start(self, ctx: HookContext, instance: InstanceSpec, paused: bool) -> None:
        if not _devices(ctx, instance).exists():
            for disk in instance.disks:
                _check_open(disk)
            _write(ctx, instance, {device.uuid for device in (*instance.disks, *instance.nics)})
        super().start(ctx, instance, paused)

    @hookimpl
    def stop(self, ctx: HookContext, instance: InstanceSpec, force: bool, timeout: float) -> None:
        super().stop(ctx, instance, force, timeout)
        _devices(ctx, instance).unlink(missing_ok=True)

    @hookimpl
    def plug_disk(self, ctx: HookContext, instance: InstanceSpec, disk: DiskSpec) -> PluggedDevice:
        _check_open(disk)
        return self._plug(ctx, instance, disk.uuid)

    @hookimpl
    def unplug_disk(self, ctx: HookContext, instance: InstanceSpec, disk: DiskSpec) -> None:
        self._unplug(ctx, instance, disk.uuid)

    @hookimpl
    def plug_nic(self, ctx: HookContext, instance: InstanceSpec, nic: NicSpec) -> PluggedDevice:
        return self._plug(ctx, instance, nic.uuid)

    @hookimpl
    def unplug_nic(self, ctx: HookContext, instance: InstanceSpec, nic: NicSpec) -> None:
        self._unplug(ctx, instance, nic.uuid)

    @hookimpl
    def modify_nic(self, ctx: HookContext, instance: InstanceSpec, nic: NicSpec) -> PluggedDevice:
        return self._plug(ctx, instance, nic.uuid)

    def _plug(self, ctx: HookContext, instance: InstanceSpec, device: str) -> PluggedDevice:
        _write(ctx, instance, self._has(ctx, instance) | {device})
        return PluggedDevice("file", device)

    def _unplug(self, ctx: HookContext, instance: InstanceSpec, device: str) -> None:
        _write(ctx, instance, self._has(ctx, instance) - {device})

    def _has(self, ctx: HookContext, instance: InstanceSpec) -> set[str]:
        if self.info(ctx, instance) is None:
            raise HypervisorError(f"{instance.name} does not run here")
        return set(json.loads(_devices(ctx, instance).read_text()))


def _check_open(disk: DiskSpec) -> None:
    if not Path(disk.path).is_file():
        raise HypervisorError(f"disk {disk.index} has no file {disk.path!r}")


def _devices(ctx: HookContext, instance: InstanceSpec) -> Path:
    return ctx.state / f"{instance.name}.devices"


def _write(ctx: HookContext, instance: InstanceSpec, devices: set[str]) -> None:
    draft = ctx.state / f"{instance.name}.draft"
    draft.write_text(json.dumps(sorted(devices)))
    draft.replace(_devices(ctx, instance))
