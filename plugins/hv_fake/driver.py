"""The driver: each hook changes the file of one guest."""

from __future__ import annotations

import json
import os
import time
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from ganeti_core.plugin_api import (
    ECODE_INVAL,
    Console,
    Description,
    DiskSpec,
    HookContext,
    HypervisorError,
    InstanceSpec,
    NodeRef,
    OpPrereqError,
    hookimpl,
)
from ganeti_core.plugin_api.data import (
    HostFacts,
    MigrationOffer,
    MigrationStatus,
    MigrationTarget,
    MirrorStatus,
    RunningInstance,
)
from ganeti_core.plugin_api.hypervisor import (
    BALLOON,
    DISK_MIRROR,
    DISK_RESIZE,
    HELPER_GUESTS,
    LIVE_MIGRATION,
    QUIET,
    SIMULATED,
    USAGE,
)
from ganeti_core.plugin_api.testing.faults import steerable
from ganeti_core.plugin_api.usage import GuestUsage

from . import mirroring
from .guests import STATE_VERSION, Guest, GuestFiles

MIGRATION_MODES = ("live", "non-live")
PARAMETERS = {
    "type": "object",
    "properties": {
        "migration_mode": {
            "type": "string",
            "enum": list(MIGRATION_MODES),
            "default": "live",
            "description": "Whether guests are moved while they run or are stopped meanwhile",
            "x-global": True,
        },
    },
}
MIB = 1024 * 1024
SETTINGS = "etc/ganeti/fake-node.json"
"""Settings of one node, below its root; they come before those in ``ctx.config``."""
FIRST_PORT, PORTS = 20000, 10000
POWER_CYCLES = "power-cycles"

steered = steerable("fake-faults.json", HypervisorError)


class FakeHypervisor:
    """Runs guests that are files."""

    @hookimpl
    def describe(self) -> Description:
        return Description(
            api_version=0, title="Fake hypervisor for tests: guests are files",
            parameters=PARAMETERS,
            capabilities=frozenset({
                BALLOON, DISK_MIRROR, DISK_RESIZE, HELPER_GUESTS, LIVE_MIGRATION, QUIET,
                SIMULATED, USAGE}),
            state_version=STATE_VERSION)

    @hookimpl
    @steered
    def validate(self, ctx: HookContext, params: dict[str, Any]) -> None:
        mode = params.get("migration_mode", "live")
        if mode not in MIGRATION_MODES:
            raise OpPrereqError(
                f"hypervisor parameter migration_mode: {mode!r} is none of"
                f" {', '.join(MIGRATION_MODES)}", ECODE_INVAL)

    @hookimpl
    @steered
    def verify(self, ctx: HookContext) -> list[str]:
        if not os.access(ctx.state, os.W_OK | os.X_OK):
            return [f"{ctx.state} cannot be written: create it or correct its owner"]
        return []

    @hookimpl
    @steered
    def host_facts(self, ctx: HookContext) -> HostFacts:
        settings = {**ctx.config, **_own_settings(ctx)}
        total, free = _host_memory()
        if "fake_memory" in settings:
            total = free = int(settings["fake_memory"])
        used = sum(guest.memory for guest in GuestFiles(ctx.state).all() if guest.listed)
        return HostFacts(
            memory_total=total, memory_free=max(0, free - used), memory_host=total - free,
            cpu_total=int(settings.get("fake_cpus") or os.cpu_count() or 1),
            version=str(settings.get("fake_version", "")))

    @hookimpl
    @steered
    def running(self, ctx: HookContext) -> list[RunningInstance]:
        return [_as_seen(guest) for guest in GuestFiles(ctx.state).all() if guest.listed]

    @hookimpl
    @steered
    def usage(self, ctx: HookContext) -> list[GuestUsage]:
        # They keep one processor busy; of their disks and cards nothing is counted.
        return [GuestUsage(one.name, one.uuid, one.cpu_time, one.memory)
                for one in self.running(ctx)]

    @hookimpl
    @steered
    def info(self, ctx: HookContext, instance: InstanceSpec) -> RunningInstance | None:
        guest = GuestFiles(ctx.state).find(instance.name)
        return _as_seen(guest) if guest is not None and guest.listed else None

    @hookimpl
    @steered
    def start(self, ctx: HookContext, instance: InstanceSpec, paused: bool) -> None:
        guests = GuestFiles(ctx.state)
        with guests.changing():
            guest = guests.find(instance.name)
            if guest is None or not guest.listed:
                guests.put(replace(_new(instance, "paused" if paused else "running"),
                                   ends=_end_of_helper(ctx, instance)))
            elif guest.listed == "stuck":
                guests.put(replace(guest, state="running"))

    @hookimpl
    @steered
    def stop(self, ctx: HookContext, instance: InstanceSpec, force: bool, timeout: float) -> None:
        guests = GuestFiles(ctx.state)
        with guests.changing():
            guests.drop(instance.name)

    @hookimpl
    @steered
    def reboot(self, ctx: HookContext, instance: InstanceSpec) -> None:
        guests = GuestFiles(ctx.state)
        with guests.changing():
            guest = _running(guests, instance.name)
            guests.put(replace(guest, state="running", started=time.time()))

    @hookimpl
    @steered
    def set_memory(self, ctx: HookContext, instance: InstanceSpec, memory: int) -> None:
        guests = GuestFiles(ctx.state)
        with guests.changing():
            guests.put(replace(_running(guests, instance.name), memory=memory))

    @hookimpl
    @steered
    def quiet(self, ctx: HookContext, instance: InstanceSpec) -> None:
        guests = GuestFiles(ctx.state)
        with guests.changing():
            guests.put(replace(_running(guests, instance.name), is_quiet=True))

    @hookimpl
    @steered
    def resume_writes(self, ctx: HookContext, instance: InstanceSpec) -> None:
        guests = GuestFiles(ctx.state)
        with guests.changing():
            if (guest := guests.find(instance.name)) is not None:
                guests.put(replace(guest, is_quiet=False))

    @hookimpl
    @steered
    def resize_disk(self, ctx: HookContext, instance: InstanceSpec, disk: DiskSpec) -> None:
        guests = GuestFiles(ctx.state)
        with guests.changing():
            guest = _running(guests, instance.name)
            guests.put(replace(guest, grown={**guest.grown, disk.uuid: disk.size}))

    @hookimpl
    @steered
    def mirror_disk(
        self, ctx: HookContext, instance: InstanceSpec, disk: DiskSpec, onto: DiskSpec
    ) -> None:
        guests = GuestFiles(ctx.state)
        with guests.changing():
            guest = _running(guests, instance.name)
            if onto.uuid not in guest.mirrors:
                mirroring.copy(disk, onto)  # all of it at once: fake guests write nothing
                guests.put(replace(guest, mirrors={**guest.mirrors, onto.uuid: False}))

    @hookimpl
    @steered
    def mirror_status(
        self, ctx: HookContext, instance: InstanceSpec, disk: DiskSpec, onto: DiskSpec
    ) -> MirrorStatus:
        guest = GuestFiles(ctx.state).find(instance.name)
        return mirroring.status(guest.mirrors if guest is not None else {}, onto)

    @hookimpl
    @steered
    def switch_disk(
        self, ctx: HookContext, instance: InstanceSpec, disk: DiskSpec, onto: DiskSpec
    ) -> None:
        guests = GuestFiles(ctx.state)
        with guests.changing():
            guest = guests.find(instance.name)
            if guest is None or onto.uuid not in guest.mirrors:
                mirroring.copy(disk, onto)
            if guest is not None:
                guests.put(replace(guest, mirrors={**guest.mirrors, onto.uuid: True}))

    @hookimpl
    @steered
    def end_mirror(
        self, ctx: HookContext, instance: InstanceSpec, disk: DiskSpec, onto: DiskSpec
    ) -> None:
        guests = GuestFiles(ctx.state)
        with guests.changing():
            guest = guests.find(instance.name)
            if guest is None:
                return
            if guest.mirrors.get(onto.uuid):
                raise HypervisorError(f"{guest.name} has disk {disk.index} where it was copied to")
            guests.put(replace(guest, mirrors={
                uuid: has for uuid, has in guest.mirrors.items() if uuid != onto.uuid}))

    @hookimpl
    @steered
    def console(self, ctx: HookContext, instance: InstanceSpec, node: NodeRef) -> Console:
        return Console(
            "msg", instance.name, message="Console not available for fake hypervisor")

    @hookimpl
    @steered
    def recover(self, ctx: HookContext) -> list[str]:
        guests = GuestFiles(ctx.state)
        with guests.changing():
            return guests.clean()

    @hookimpl
    @steered
    def power_cycle(self, ctx: HookContext) -> str:
        """End all guests, as a reset ends them, and count it: a file's lines are the times."""
        guests = GuestFiles(ctx.state)
        with guests.changing():
            for guest in guests.all():
                guests.drop(guest.name)
        with (ctx.keep / POWER_CYCLES).open("a") as file:
            print(time.time(), file=file)
        return "All fake guests have ended, as by a reset"

    @hookimpl
    @steered
    def migration_offer(self, ctx: HookContext, instance: InstanceSpec) -> MigrationOffer:
        guest = _running(GuestFiles(ctx.state), instance.name)
        return MigrationOffer(details={"memory": guest.memory})

    @hookimpl
    @steered
    def migration_prepare(
        self, ctx: HookContext, instance: InstanceSpec, node: NodeRef, offer: MigrationOffer
    ) -> MigrationTarget:
        guests = GuestFiles(ctx.state)
        with guests.changing():
            guest = guests.find(instance.name)
            if guest is not None and guest.listed:
                raise HypervisorError(f"{instance.name} runs on {ctx.node} already")
            new = _new(instance, "receiving")
            guests.put(replace(new, memory=int(offer.details.get("memory", new.memory))))
        port = FIRST_PORT + zlib.crc32(instance.name.encode()) % PORTS
        return MigrationTarget(
            node.address, port, {"uuid": instance.uuid, "folder": str(ctx.state)})

    @hookimpl
    @steered
    def migrate_out(
        self, ctx: HookContext, instance: InstanceSpec, target: MigrationTarget, live: bool
    ) -> None:
        guests = GuestFiles(ctx.state)
        with guests.changing():
            guest = guests.find(instance.name)
            if guest is not None and guest.state == "migrated-out":
                return
            guest = _running(guests, instance.name)
            settings = {**ctx.config, **_own_settings(ctx)}
            duration = float(settings.get("fake_migration_seconds", 0))
            guests.put(replace(guest, state="migrated-out", before=guest.state,
                               migration="active", until=time.time() + duration))
        _send_memory(guest, target)

    @hookimpl
    @steered
    def migration_status(self, ctx: HookContext, instance: InstanceSpec) -> MigrationStatus:
        guest = GuestFiles(ctx.state).find(instance.name)
        return MigrationStatus("none", guest="none") if guest is None else _status(guest)

    @hookimpl
    @steered
    def migration_abort(self, ctx: HookContext, instance: InstanceSpec) -> None:
        guests = GuestFiles(ctx.state)
        with guests.changing():
            guest = guests.find(instance.name)
            if guest is not None and guest.is_sending:
                guests.put(replace(guest, state=guest.before, migration="cancelled"))

    @hookimpl
    @steered
    def migration_finish(
        self, ctx: HookContext, instance: InstanceSpec, source: bool, success: bool
    ) -> None:
        guests = GuestFiles(ctx.state)
        with guests.changing():
            if source:
                _finish_source(guests, instance.name, success)
            else:
                _finish_target(guests, instance.name, success)


def _status(guest: Guest) -> MigrationStatus:
    """How the last migration away stands, and which end of one is here."""
    total = guest.memory * MIB
    if guest.state == "receiving":
        return MigrationStatus("none", guest="receiving")
    if guest.is_sending:
        return MigrationStatus("active", total // 2, total, guest="runs")
    if guest.state == "migrated-out":
        return MigrationStatus("completed", total, total, guest="sent")
    return MigrationStatus("cancelled" if guest.migration == "cancelled" else "none", 0, total,
                           guest="runs")


def _send_memory(guest: Guest, target: MigrationTarget) -> None:
    """Let the receiver have as much memory as the guest has now, where its node is on this host."""
    folder = Path(str(target.details.get("folder", "")))
    if folder.is_dir():
        there = GuestFiles(folder)
        with there.changing():
            receiver = there.find(guest.name)
            if receiver is not None and receiver.state == "receiving":
                there.put(replace(receiver, memory=guest.memory))


def _finish_source(guests: GuestFiles, name: str, success: bool) -> None:
    if success:
        guests.drop(name)
        return
    guest = guests.find(name)
    if guest is not None and guest.state == "migrated-out":
        guests.put(replace(guest, state=guest.before, migration="cancelled"))


def _finish_target(guests: GuestFiles, name: str, success: bool) -> None:
    guest = guests.find(name)
    if guest is not None and guest.state != "receiving":
        return
    if not success:
        guests.drop(name)
    elif guest is None:
        raise HypervisorError(f"nothing was prepared here to receive {name}")
    else:
        guests.put(replace(guest, state="running"))


def _new(instance: InstanceSpec, state: str) -> Guest:
    return Guest(name=instance.name, uuid=instance.uuid, state=state, memory=instance.memory,
                 vcpus=instance.vcpus, started=time.time())


def _end_of_helper(ctx: HookContext, instance: InstanceSpec) -> float:
    """When a helper guest, whose first disk is of no template, shuts itself down; else 0."""
    if not instance.disks or instance.disks[0].template:
        return 0.0
    settings = {**ctx.config, **_own_settings(ctx)}
    return time.time() + float(settings.get("fake_helper_seconds", 0))


def _running(guests: GuestFiles, name: str) -> Guest:
    guest = guests.find(name)
    if guest is None or not guest.listed:
        raise HypervisorError(f"{name} does not run here")
    return guest


def _as_seen(guest: Guest) -> RunningInstance:
    return RunningInstance(
        name=guest.name, uuid=guest.uuid, state=cast("Any", guest.listed), memory=guest.memory,
        vcpus=guest.vcpus, cpu_time=max(0.0, time.time() - guest.started))


def _own_settings(ctx: HookContext) -> dict[str, Any]:
    """What the file of this node says; empty without one."""
    try:
        found: dict[str, Any] = json.loads((ctx.root / SETTINGS).read_text())
    except FileNotFoundError:
        return {}
    return found


def _host_memory() -> tuple[int, int]:
    """Tell total and available memory of the host, MiB."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    facts = {name: int(rest.split()[0]) // 1024 for name, _, rest in (
        line.partition(":") for line in lines) if rest.split()}
    return facts["MemTotal"], facts.get("MemAvailable", facts["MemFree"])
