"""The drivers xen-pvm and xen-hvm: their hooks, each a few lines over the modules that do the work.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from ganeti_core.plugin_api import (
    CommandFailed,
    Console,
    Description,
    HookContext,
    HypervisorError,
    InstanceSpec,
    NodeRef,
    hookimpl,
)
from ganeti_core.plugin_api.data import (
    HostFacts,
    MigrationOffer,
    MigrationStatus,
    MigrationTarget,
    RunningInstance,
)
from ganeti_core.plugin_api.hypervisor import (
    BALLOON,
    DISK_RESIZE,
    LIVE_MIGRATION,
    NODE_NETWORKS,
    USAGE,
)
from ganeti_core.plugin_api.usage import GuestUsage

from . import lifecycle, migration, parameters
from . import usage as counts
from .domains import STATE_VERSION, Guest, Runtime, guest, guests, is_possible
from .parameters import Kind
from .toolstack import ASK_LIMIT, Domain, Xl, informed, installed

CONSOLE = (
    'case $("$0" list "$1" 2>/dev/null | awk "END {print \\$5}") in ??p*) (sleep 3; '
    'printf "%s is paused, and goes on now\\r\\n" "$1"; "$0" unpause "$1") & ;; esac; '
    'exec "$0" console "$1"')
"""As Ganeti's: a domain that was started paused goes on once somebody looks at its console. When
xl is attached cannot be seen."""


class _XenHypervisor:
    """What both kinds of domains have in common.

    :param program: what administers domains
    """

    kind: ClassVar[Kind]
    title: ClassVar[str]
    pools: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, program: str = "xl") -> None:
        self._program = program

    def _xl(self, ctx: HookContext) -> Xl:
        return Xl(ctx, self._program)

    def _guest(self, ctx: HookContext, instance: InstanceSpec) -> Guest:
        return guest(self._xl(ctx), instance.name)

    @hookimpl
    def describe(self) -> Description:
        return Description(
            api_version=0, title=self.title, parameters=parameters.schema(self.kind),
            state_version=STATE_VERSION, pools=self.pools,
            capabilities=frozenset({BALLOON, LIVE_MIGRATION, NODE_NETWORKS, USAGE}),
            lacking={DISK_RESIZE: "Linux's block back end tells domains of the new size of a "
                                  "device by itself; a disk in a file they see with it when they "
                                  "start next"})

    @hookimpl
    def validate(self, ctx: HookContext, params: dict[str, Any]) -> None:
        parameters.check(self.kind, parameters.filled(self.kind, params))

    @hookimpl
    def verify(self, ctx: HookContext) -> list[str]:
        if not installed(self._program):
            return [f"{self._program} is not installed"]
        try:
            told = informed(self._xl(ctx).run("info", timeout=ASK_LIMIT))
        except CommandFailed as exc:
            return [f"Xen does not run here: {exc.message}"]
        return [] if "xen_major" in told else [f"{self._program} info names no version of Xen"]

    @hookimpl
    def host_facts(self, ctx: HookContext) -> HostFacts:
        xl = self._xl(ctx)
        domains = xl.domains()
        return xl.facts(domains, sum(one.memory for one in _running(guests(xl), domains)))

    @hookimpl
    def running(self, ctx: HookContext) -> list[RunningInstance]:
        xl = self._xl(ctx)
        found = list(guests(xl))
        return _running(found, xl.domains() if found else {})

    @hookimpl
    def usage(self, ctx: HookContext) -> list[GuestUsage]:
        return counts.usage(self._xl(ctx))

    @hookimpl
    def info(self, ctx: HookContext, instance: InstanceSpec) -> RunningInstance | None:
        found = self._guest(ctx, instance)
        return found.info(found.xl.domains()) if found.folder.exists() else None

    @hookimpl
    def start(self, ctx: HookContext, instance: InstanceSpec, paused: bool) -> None:
        lifecycle.start(self._guest(ctx, instance), self.kind, instance, paused=paused)

    @hookimpl
    def stop(self, ctx: HookContext, instance: InstanceSpec, force: bool, timeout: float) -> None:
        if is_possible(instance.name):  # no other domain can ever have started
            lifecycle.stop(self._guest(ctx, instance), force=force, timeout=timeout)

    @hookimpl
    def reboot(self, ctx: HookContext, instance: InstanceSpec) -> None:
        lifecycle.reboot(self._guest(ctx, instance))

    @hookimpl
    def set_memory(self, ctx: HookContext, instance: InstanceSpec, memory: int) -> None:
        lifecycle.set_memory(self._guest(ctx, instance), memory)

    @hookimpl
    def console(self, ctx: HookContext, instance: InstanceSpec, node: NodeRef) -> Console:
        return Console(kind="ssh", instance=instance.name, host=node.name,
                       command=("sh", "-c", CONSOLE, self._program, instance.name))

    @hookimpl
    def recover(self, ctx: HookContext) -> list[str]:
        return lifecycle.recover(self._xl(ctx))

    @hookimpl
    def migration_offer(self, ctx: HookContext, instance: InstanceSpec) -> MigrationOffer:
        return migration.offer(self._guest(ctx, instance), self.kind)

    @hookimpl
    def migration_prepare(
        self, ctx: HookContext, instance: InstanceSpec, node: NodeRef, offer: MigrationOffer
    ) -> MigrationTarget:
        receiver = self._guest(ctx, instance)
        domain = receiver.domain() if receiver.folder.exists() else None
        if domain is not None and not domain.has_shut_down:
            raise HypervisorError(f"instance {instance.name} already runs on {ctx.node}")
        spec = lifecycle.prepare(receiver, self.kind, instance)
        address = str(ctx.config.get("address") or node.address)
        try:
            memory = int(offer.details.get("memory", spec.memory))
            return migration.receive(receiver, Runtime(spec, memory, incoming=True), address)
        except BaseException:
            receiver.kill(patience=0.0)
            raise

    @hookimpl
    def migrate_out(
        self, ctx: HookContext, instance: InstanceSpec, target: MigrationTarget, live: bool
    ) -> None:
        # xl has one way to send a domain: while it runs.
        migration.send(self._guest(ctx, instance), target)

    @hookimpl
    def migration_status(self, ctx: HookContext, instance: InstanceSpec) -> MigrationStatus:
        if not is_possible(instance.name):
            return MigrationStatus("none", guest="none")
        return migration.status(self._guest(ctx, instance))

    @hookimpl
    def migration_abort(self, ctx: HookContext, instance: InstanceSpec) -> None:
        migration.abort(self._guest(ctx, instance))

    @hookimpl
    def migration_finish(
        self, ctx: HookContext, instance: InstanceSpec, source: bool, success: bool
    ) -> None:
        end = self._guest(ctx, instance)
        match source, success:
            case True, True:
                migration.leave_source(end)
            case True, False:
                migration.keep_source(end)
            case False, True:
                migration.run_target(end)
            case _:
                migration.dismiss_target(end)


def _running(found: Iterable[Guest], domains: dict[str, Domain]) -> list[RunningInstance]:
    return [told for one in found if (told := one.info(domains))]


class XenPvmHypervisor(_XenHypervisor):
    """Runs instances as paravirtual domains."""

    kind = "pv"
    title = "Xen, paravirtual domains"


class XenHvmHypervisor(_XenHypervisor):
    """Runs instances as domains with hardware support."""

    kind = "hvm"
    title = "Xen, domains with hardware support (never tried on real Xen)"
    pools = frozenset({"port"})
