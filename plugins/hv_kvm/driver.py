"""The kvm driver: its hooks, each a few lines over the modules that do the work."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ganeti_core.plugin_api import (
    Console,
    Description,
    DiskSpec,
    HookContext,
    HypervisorError,
    InstanceSpec,
    NicSpec,
    NodeRef,
    OpPrereqError,
    guest_folders,
    hookimpl,
)
from ganeti_core.plugin_api.data import (
    HostFacts,
    MigrationOffer,
    MigrationStatus,
    MigrationTarget,
    MirrorStatus,
    PluggedDevice,
    RunningInstance,
)
from ganeti_core.plugin_api.host import measure_host
from ganeti_core.plugin_api.hypervisor import (
    BALLOON,
    DISK_MIRROR,
    DISK_RESIZE,
    HELPER_GUESTS,
    HOTPLUG,
    LIVE_MIGRATION,
    NODE_NETWORKS,
    QUIET,
    USAGE,
    USER_NETWORKS,
)
from ganeti_core.plugin_api.usage import GuestUsage

from . import (
    agent,
    checks,
    confinement,
    consoles,
    firmware,
    hardware,
    hotplug,
    lifecycle,
    migration,
    mirroring,
    parameters,
    postcopy,
    resizing,
    switched,
    usage,
)
from .engine import Programs, choose_engine, find_binary
from .guests import STATE_VERSION, Guest, all_guests, guest
from .hardware import Hardware, Start
from .launch import launch


class KvmHypervisor:
    """Runs instances with QEMU, under KVM where that works and emulated where it does not."""

    def __init__(self) -> None:
        self._programs = Programs()

    @hookimpl
    def describe(self) -> Description:
        return Description(
            api_version=0, title="QEMU virtual machines, with KVM where it works",
            parameters=parameters.schema(), state_version=STATE_VERSION,
            capabilities=frozenset({
                BALLOON, DISK_MIRROR, DISK_RESIZE, HELPER_GUESTS, HOTPLUG, LIVE_MIGRATION,
                NODE_NETWORKS, QUIET, USAGE, USER_NETWORKS}),
            pools=frozenset({"port"}), preference=100)

    @hookimpl
    def validate(self, ctx: HookContext, params: dict[str, Any]) -> None:
        complete = parameters.filled(params)
        checks.check(complete)
        confinement.check(ctx, complete)
        binary = find_binary(complete["kvm_path"])
        self._programs.of(binary)
        checks.check_offered(binary, complete)

    @hookimpl
    def verify(self, ctx: HookContext) -> list[str]:
        try:
            self._programs.of(find_binary(str(parameters.PARAMETERS["kvm_path"].default)))
        except OpPrereqError as exc:
            return [exc.message]
        return []

    @hookimpl
    def host_facts(self, ctx: HookContext) -> HostFacts:
        try:
            version = self._programs.of(
                find_binary(str(parameters.PARAMETERS["kvm_path"].default))).version
        except OpPrereqError:
            version = ""
        return measure_host(lifecycle.resident_memory(ctx), version)

    @hookimpl
    def running(self, ctx: HookContext) -> list[RunningInstance]:
        return [found for item in all_guests(ctx) if (found := lifecycle.info(item))]

    @hookimpl
    def info(self, ctx: HookContext, instance: InstanceSpec) -> RunningInstance | None:
        return lifecycle.info(guest(ctx, instance.name))

    @hookimpl
    def usage(self, ctx: HookContext) -> list[GuestUsage]:
        return usage.usage(ctx)

    @hookimpl
    def start(self, ctx: HookContext, instance: InstanceSpec, paused: bool) -> None:
        found = guest(ctx, instance.name)
        if found.pid() is not None and not migration.is_leftover(found):
            lifecycle.go_on(found)
            return
        found.kill()
        complete = _complete(instance)
        self._launch(ctx, found, Start(
            complete, Hardware.at_start(complete), "paused" if paused else "running"))
        switched.forget(ctx, instance.uuid)

    @hookimpl
    def stop(self, ctx: HookContext, instance: InstanceSpec, force: bool, timeout: float) -> None:
        if guest_folders.is_possible(instance.name):  # no other guest can ever have started
            lifecycle.stop(guest(ctx, instance.name), force, timeout)

    @hookimpl
    def reboot(self, ctx: HookContext, instance: InstanceSpec) -> None:
        lifecycle.reboot(guest(ctx, instance.name), parameters.filled(instance.hvparams))

    @hookimpl
    def set_memory(self, ctx: HookContext, instance: InstanceSpec, memory: int) -> None:
        lifecycle.set_memory(guest(ctx, instance.name), memory)

    @hookimpl
    def quiet(self, ctx: HookContext, instance: InstanceSpec) -> None:
        agent.quiet(guest(ctx, instance.name))

    @hookimpl
    def resume_writes(self, ctx: HookContext, instance: InstanceSpec) -> None:
        agent.resume_writes(guest(ctx, instance.name))

    @hookimpl
    def console(self, ctx: HookContext, instance: InstanceSpec, node: NodeRef) -> Console:
        return consoles.console(
            guest(ctx, instance.name), _complete(instance), node)

    @hookimpl
    def rename(self, ctx: HookContext, instance: InstanceSpec, to: InstanceSpec) -> None:
        guest_folders.rename_logs(ctx, instance.name, to.name)

    @hookimpl
    def lasting_state(self, ctx: HookContext, instance: InstanceSpec) -> str:
        return firmware.as_text(ctx, instance.uuid)

    @hookimpl
    def set_lasting_state(self, ctx: HookContext, instance: InstanceSpec, state: str) -> None:
        firmware.from_text(ctx, instance.uuid, state)
        switched.forget(ctx, instance.uuid)

    @hookimpl
    def recover(self, ctx: HookContext) -> list[str]:
        return lifecycle.recover(ctx)

    @hookimpl
    def migration_offer(self, ctx: HookContext, instance: InstanceSpec) -> MigrationOffer:
        source = guest(ctx, instance.name)
        if source.pid() is None:
            raise HypervisorError(f"instance {instance.name} does not run on {ctx.node}")
        return hardware.offer(source, _complete(instance))

    @hookimpl
    def migration_prepare(
        self, ctx: HookContext, instance: InstanceSpec, node: NodeRef, offer: MigrationOffer
    ) -> MigrationTarget:
        receiver = guest(ctx, instance.name)
        if receiver.pid() is not None and not migration.is_leftover(receiver):
            raise HypervisorError(f"instance {instance.name} already runs on {ctx.node}")
        receiver.kill()
        complete = _complete(instance)
        wanted = Hardware.offered(offer, complete)
        self._launch(ctx, receiver, Start(complete, wanted, "incoming"))
        address = str(ctx.config.get("address") or node.address)
        try:
            with receiver.query() as qmp:
                hardware.check_processor(qmp, instance.name, ctx.node, wanted.features)
            return migration.receive(receiver, address, complete.hvparams)
        except BaseException:
            receiver.kill(patience=0.0)
            raise

    @hookimpl
    def migrate_out(
        self, ctx: HookContext, instance: InstanceSpec, target: MigrationTarget, live: bool
    ) -> None:
        source = guest(ctx, instance.name)
        if source.pid() is None:
            raise HypervisorError(f"instance {instance.name} does not run on {ctx.node}")
        hardware.check_same(source, _complete(instance))
        if live and (why := hardware.may_miss_writes(source)):
            ctx.feedback(f"WARNING: {why}")
        migration.send(source, target, parameters.filled(instance.hvparams), live)

    @hookimpl
    def migration_status(self, ctx: HookContext, instance: InstanceSpec) -> MigrationStatus:
        return migration.status(guest(ctx, instance.name))

    @hookimpl
    def migration_switch(self, ctx: HookContext, instance: InstanceSpec) -> None:
        migration.switch(guest(ctx, instance.name))

    @hookimpl
    def migration_reopen(
        self, ctx: HookContext, instance: InstanceSpec, node: NodeRef
    ) -> MigrationTarget:
        return postcopy.reopen(
            guest(ctx, instance.name), str(ctx.config.get("address") or node.address))

    @hookimpl
    def migration_resume(
        self, ctx: HookContext, instance: InstanceSpec, target: MigrationTarget
    ) -> None:
        postcopy.resume(guest(ctx, instance.name), target)

    @hookimpl
    def migration_abort(self, ctx: HookContext, instance: InstanceSpec) -> None:
        migration.abort(guest(ctx, instance.name))

    @hookimpl
    def migration_finish(
        self, ctx: HookContext, instance: InstanceSpec, source: bool, success: bool
    ) -> None:
        end = guest(ctx, instance.name)
        match source, success:
            case True, True:
                migration.end_source(end)
                firmware.forget(ctx, instance.uuid)
                switched.forget(ctx, instance.uuid)
            case True, False:
                migration.settle_source(end)
            case False, True:
                migration.settle_target(end)
            case _:
                migration.dismiss_target(end)

    @hookimpl
    def plug_disk(
        self, ctx: HookContext, instance: InstanceSpec, disk: DiskSpec
    ) -> PluggedDevice:
        return hotplug.add(guest(ctx, instance.name), disk)

    @hookimpl
    def unplug_disk(self, ctx: HookContext, instance: InstanceSpec, disk: DiskSpec) -> None:
        hotplug.remove(guest(ctx, instance.name), disk)

    @hookimpl
    def plug_nic(self, ctx: HookContext, instance: InstanceSpec, nic: NicSpec) -> PluggedDevice:
        return hotplug.add(guest(ctx, instance.name), nic)

    @hookimpl
    def unplug_nic(self, ctx: HookContext, instance: InstanceSpec, nic: NicSpec) -> None:
        hotplug.remove(guest(ctx, instance.name), nic)

    @hookimpl
    def modify_nic(self, ctx: HookContext, instance: InstanceSpec, nic: NicSpec) -> PluggedDevice:
        return hotplug.modify(guest(ctx, instance.name), nic)

    @hookimpl
    def resize_disk(self, ctx: HookContext, instance: InstanceSpec, disk: DiskSpec) -> None:
        resizing.resize(guest(ctx, instance.name), disk)

    @hookimpl
    def mirror_disk(
        self, ctx: HookContext, instance: InstanceSpec, disk: DiskSpec, onto: DiskSpec
    ) -> None:
        mirroring.begin(guest(ctx, instance.name), disk, onto)

    @hookimpl
    def mirror_status(
        self, ctx: HookContext, instance: InstanceSpec, disk: DiskSpec, onto: DiskSpec
    ) -> MirrorStatus:
        return mirroring.status(guest(ctx, instance.name), onto)

    @hookimpl
    def switch_disk(
        self, ctx: HookContext, instance: InstanceSpec, disk: DiskSpec, onto: DiskSpec
    ) -> None:
        mirroring.switch(
            guest(ctx, instance.name), disk, onto, switched.Note.of(ctx, instance.uuid))

    @hookimpl
    def end_mirror(
        self, ctx: HookContext, instance: InstanceSpec, disk: DiskSpec, onto: DiskSpec
    ) -> None:
        mirroring.end(guest(ctx, instance.name), disk, onto)

    def _launch(self, ctx: HookContext, found: Guest, start: Start) -> None:
        params, name = start.instance.hvparams, start.instance.name
        try:
            checks.check(params)
            confinement.check(ctx, params)
            engine = choose_engine(ctx, params, self._programs)
            if start.mode == "incoming":
                checks.check_offered(engine.binary, params, start.hardware.machine)
        except OpPrereqError as exc:
            raise HypervisorError(
                f"{name} cannot start on {ctx.node}: {exc.message}") from exc
        wanted = start.hardware.accelerator or engine.accelerator
        if wanted != engine.accelerator:
            raise HypervisorError(
                f"{name} runs with {wanted} and would run with {engine.accelerator} on {ctx.node}; "
                "let both nodes use the same (kvm_flag), or use failover")
        launch(ctx, engine, found, start)


def _complete(instance: InstanceSpec) -> InstanceSpec:
    return replace(instance, hvparams=parameters.filled(instance.hvparams))
