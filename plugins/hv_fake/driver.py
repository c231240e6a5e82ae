"""The driver: each hook changes the file of one guest."""

from __future__ import annotations

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
    HookContext,
    HypervisorError,
    InstanceSpec,
    NodeRef,
    OpPrereqError,
    hookimpl,
)
from ganeti_core.plugin_api.data import HostFacts, MigrationStatus, MigrationTarget, RunningInstance
from ganeti_core.plugin_api.hypervisor import LIVE_MIGRATION
from ganeti_core.plugin_api.testing.faults import steerable

from .guests import LISTED, STATE_VERSION, Guest, GuestFiles

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
FIRST_PORT, PORTS = 20000, 10000

steered = steerable("fake-faults.json", HypervisorError)


class FakeHypervisor:
    """Runs guests that are files."""

    @hookimpl
    def describe(self) -> Description:
        return Description(
            api_version=0, title="Fake hypervisor for tests: guests are files",
            parameters=PARAMETERS, capabilities=frozenset({LIVE_MIGRATION}),
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
        total, free = _host_memory()
        if "fake_memory" in ctx.config:
            total = free = int(ctx.config["fake_memory"])
        used = sum(guest.memory for guest in GuestFiles(ctx.state).all() if guest.state in LISTED)
        return HostFacts(
            memory_total=total, memory_free=max(0, free - used), memory_host=total - free,
            cpu_total=int(ctx.config.get("fake_cpus") or os.cpu_count() or 1))

    @hookimpl
    @steered
    def running(self, ctx: HookContext) -> list[RunningInstance]:
        return [_as_seen(guest) for guest in GuestFiles(ctx.state).all() if guest.state in LISTED]

    @hookimpl
    @steered
    def info(self, ctx: HookContext, name: str) -> RunningInstance | None:
        guest = GuestFiles(ctx.state).find(name)
        return _as_seen(guest) if guest is not None and guest.state in LISTED else None

    @hookimpl
    @steered
    def start(self, ctx: HookContext, instance: InstanceSpec, paused: bool) -> None:
        guests = GuestFiles(ctx.state)
        with guests.changing():
            guest = guests.find(instance.name)
            if guest is None or guest.state not in LISTED:
                guests.put(_new(instance, "paused" if paused else "running"))

    @hookimpl
    @steered
    def stop(self, ctx: HookContext, name: str, force: bool, timeout: float) -> None:
        guests = GuestFiles(ctx.state)
        with guests.changing():
            guests.drop(name)

    @hookimpl
    @steered
    def reboot(self, ctx: HookContext, instance: InstanceSpec) -> None:
        guests = GuestFiles(ctx.state)
        with guests.changing():
            guest = _running(guests, instance.name)
            guests.put(replace(guest, state="running", started=time.time()))

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
    def migration_prepare(
        self, ctx: HookContext, instance: InstanceSpec, node: NodeRef
    ) -> MigrationTarget:
        guests = GuestFiles(ctx.state)
        with guests.changing():
            guest = guests.find(instance.name)
            if guest is not None and guest.state in LISTED:
                raise HypervisorError(f"{instance.name} runs on {ctx.node} already")
            guests.put(_new(instance, "receiving"))
        port = FIRST_PORT + zlib.crc32(instance.name.encode()) % PORTS
        return MigrationTarget(node.address, port, {"uuid": instance.uuid})

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
            duration = float(ctx.config.get("fake_migration_seconds", 0))
            guests.put(replace(guest, state="migrated-out", before=guest.state,
                               migration="active", until=time.time() + duration))

    @hookimpl
    @steered
    def migration_status(self, ctx: HookContext, name: str) -> MigrationStatus:
        guest = GuestFiles(ctx.state).find(name)
        if guest is None or guest.migration == "none":
            return MigrationStatus("none")
        total = guest.memory * MIB
        if guest.migration == "cancelled":
            return MigrationStatus("cancelled", 0, total)
        if guest.until > time.time():
            return MigrationStatus("active", total // 2, total)
        return MigrationStatus("completed", total, total)

    @hookimpl
    @steered
    def migration_abort(self, ctx: HookContext, name: str) -> None:
        guests = GuestFiles(ctx.state)
        with guests.changing():
            guest = guests.find(name)
            if guest is not None and guest.state == "migrated-out":
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


def _finish_source(guests: GuestFiles, name: str, success: bool) -> None:
    if success:
        guests.drop(name)
        return
    guest = guests.find(name)
    if guest is None:
        raise HypervisorError(f"{name} does not run on the source of its migration any more")
    if guest.state == "migrated-out":
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


def _running(guests: GuestFiles, name: str) -> Guest:
    guest = guests.find(name)
    if guest is None or guest.state not in LISTED:
        raise HypervisorError(f"{name} does not run here")
    return guest


def _as_seen(guest: Guest) -> RunningInstance:
    return RunningInstance(
        name=guest.name, uuid=guest.uuid, state=cast("Any", guest.state), memory=guest.memory,
        vcpus=guest.vcpus, cpu_time=max(0.0, time.time() - guest.started))


def _host_memory() -> tuple[int, int]:
    """Tell total and available memory of the host, MiB."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    facts = {name: int(rest.split()[0]) // 1024 for name, _, rest in (
        line.partition(":") for line in lines) if rest.split()}
    return facts["MemTotal"], facts.get("MemAvailable", facts["MemFree"])
