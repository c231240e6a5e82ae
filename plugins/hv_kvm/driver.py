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
    hookimpl,
)
from ganeti_core.plugin_api.data import (
    HostFacts,
    MigrationStatus,
    MigrationTarget,
    RunningInstance,
)
from ganeti_core.plugin_api.host import measure_host
from ganeti_core.plugin_api.hypervisor import HOTPLUG, LIVE_MIGRATION, NEEDS_PORT

from . import checks, consoles, hotplug, lifecycle, migration, parameters
from .command_line import Mode
from .engine import Versions, choose_engine, find_binary
from .guests import STATE_VERSION, Guest, all_guests, guest
from .launch import launch


class KvmHypervisor:
    """Runs instances with QEMU, under KVM where that works and emulated where it does not."""

    def __init__(self) -> None:
        self._versions = Versions()

    @hookimpl
    def describe(self) -> Description:
        return Description(
            api_version=0, title="QEMU virtual machines, with KVM where it works",
            parameters=parameters.schema(), state_version=STATE_VERSION,
            capabilities=frozenset({HOTPLUG, LIVE_MIGRATION, NEEDS_PORT}))

    @hookimpl
    def validate(self, ctx: HookContext, params: dict[str, Any]) -> None:
        complete = parameters.filled(params)
        checks.check(complete)
        self._versions.of(find_binary(complete["kvm_path"]))

    @hookimpl
    def verify(self, ctx: HookContext) -> list[str]:
        try:
            self._versions.of(find_binary(str(parameters.PARAMETERS["kvm_path"].default)))
        except OpPrereqError as exc:
            return [str(exc.args[0])]
        return []

    @hookimpl
    def host_facts(self, ctx: HookContext) -> HostFacts:
        try:
            version = self._versions.of(
                find_binary(str(parameters.PARAMETERS["kvm_path"].default)))
        except OpPrereqError:
            version = ""
        return measure_host(lifecycle.resident_memory(ctx), version)

    @hookimpl
    def running(self, ctx: HookContext) -> list[RunningInstance]:
        return [found for item in all_guests(ctx) if (found := lifecycle.info(item))]

    @hookimpl
    def info(self, ctx: HookContext, name: str) -> RunningInstance | None:
        return lifecycle.info(guest(ctx, name))

    @hookimpl
    def start(self, ctx: HookContext, instance: InstanceSpec, paused: bool) -> None:
        found = guest(ctx, instance.name)
        if found.pid() is not None and not migration.is_leftover(found, found.load()):
            return
        found.kill()
        self._launch(ctx, found, instance, "paused" if paused else "running")

    @hookimpl
    def stop(self, ctx: HookContext, name: str, force: bool, timeout: float) -> None:
        lifecycle.stop(guest(ctx, name), force, timeout)

    @hookimpl
    def reboot(self, ctx: HookContext, instance: InstanceSpec) -> None:
        lifecycle.reboot(guest(ctx, instance.name), parameters.filled(instance.hvparams))

    @hookimpl
    def console(self, ctx: HookContext, instance: InstanceSpec, node: NodeRef) -> Console:
        return consoles.console(
            guest(ctx, instance.name), _complete(instance), node)

    @hookimpl
    def recover(self, ctx: HookContext) -> list[str]:
        return lifecycle.recover(ctx)

    @hookimpl
    def migration_prepare(
        self, ctx: HookContext, instance: InstanceSpec, node: NodeRef
    ) -> MigrationTarget:
        receiver = guest(ctx, instance.name)
        if receiver.pid() is not None and not migration.is_leftover(receiver, receiver.load()):
            raise HypervisorError(f"instance {instance.name} already runs on {ctx.node}")
        receiver.kill()
        self._launch(ctx, receiver, instance, "incoming")
        address = str(ctx.config.get("address") or node.address)
        try:
            return migration.receive(receiver, address, parameters.filled(instance.hvparams))
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
        migration.check_same(source, _complete(instance))
        migration.send(source, target, parameters.filled(instance.hvparams), live)

    @hookimpl
    def migration_status(self, ctx: HookContext, name: str) -> MigrationStatus:
        return migration.status(guest(ctx, name))

    @hookimpl
    def migration_abort(self, ctx: HookContext, name: str) -> None:
        migration.abort(guest(ctx, name))

    @hookimpl
    def migration_finish(
        self, ctx: HookContext, instance: InstanceSpec, source: bool, success: bool
    ) -> None:
        end = guest(ctx, instance.name)
        match source, success:
            case True, True:
                end.kill()
            case True, False:
                migration.settle_source(end)
            case False, True:
                migration.settle_target(end)
            case _:
                migration.dismiss_target(end)

    @hookimpl
    def hotplug(
        self, ctx: HookContext, instance: InstanceSpec, action: str,
        disk: DiskSpec | None, nic: NicSpec | None,
    ) -> None:
        device = disk or nic
        if device is None:
            raise HypervisorError(f"nothing was given to {action}")
        hotplug.change(guest(ctx, instance.name), action, device)

    def _launch(
        self, ctx: HookContext, found: Guest, instance: InstanceSpec, mode: Mode
    ) -> None:
        complete = _complete(instance)
        try:
            checks.check(complete.hvparams)
            engine = choose_engine(ctx, complete.hvparams, self._versions)
        except OpPrereqError as exc:
            raise HypervisorError(
                f"{instance.name} cannot start on {ctx.node}: {exc.args[0]}") from exc
        launch(ctx, engine, found, complete, mode)


def _complete(instance: InstanceSpec) -> InstanceSpec:
    return replace(instance, hvparams=parameters.filled(instance.hvparams))
