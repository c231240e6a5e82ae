"""The contract of hypervisors: run instances on a node."""

from __future__ import annotations

from typing import Any

from .context import HookContext
from .data import (
    Console,
    Description,
    DiskSpec,
    HostFacts,
    InstanceSpec,
    MigrationStatus,
    MigrationTarget,
    NicSpec,
    NodeRef,
    RunningInstance,
)
from .kinds import Kind, hookspec, where

LIVE_MIGRATION = "live_migration"
HOTPLUG = "hotplug"
NEEDS_PORT = "needs_port"


class HypervisorSpec:
    """What the core may ask of a hypervisor; node hooks run on the instance's own node.

    An instance is identified on a node by its name; its guest's files carry its uuid. All hooks
    may raise `HypervisorError`; where it is named below, the state that it guarantees is said.
    """

    @hookspec(firstresult=True)
    @where("master")
    def describe(self) -> Description:
        """Describe the driver: instance parameters (`hvparams`) as JSON Schema, capabilities.

        Capabilities known to the core: ``live_migration``, ``hotplug``, ``needs_port`` (a TCP port
        of the cluster is granted to each instance), ``diskless_console`` ...
        """
        raise NotImplementedError

    @hookspec(firstresult=True)
    def validate(self, ctx: HookContext, params: dict[str, Any]) -> None:
        """Check filled `hvparams` against this node: do the files exist, does the CPU allow it?

        :raises OpPrereqError: they cannot work here; names the parameter and the value
        """
        raise NotImplementedError

    @hookspec(firstresult=True)
    def verify(self, ctx: HookContext) -> list[str]:
        """Tell what is wrong with this node for this hypervisor; empty when it can run guests."""
        raise NotImplementedError

    @hookspec(firstresult=True)
    def host_facts(self, ctx: HookContext) -> HostFacts:
        """Tell memory and CPUs of the node."""
        raise NotImplementedError

    @hookspec(firstresult=True)
    def running(self, ctx: HookContext) -> list[RunningInstance]:
        """List the guests that run here, those included that a dead daemon left behind."""
        raise NotImplementedError

    @hookspec(firstresult=True)
    def info(self, ctx: HookContext, name: str) -> RunningInstance | None:
        """Tell of one guest; None when it does not run here."""
        raise NotImplementedError

    @hookspec(firstresult=True)
    @where(changes=True, timeout=120.0)
    def start(self, ctx: HookContext, instance: InstanceSpec, paused: bool) -> None:
        """Boot `instance`, whose disks are open (`DiskSpec.path`). A running one is left alone.

        :raises HypervisorError: it did not start; nothing is left: no process, socket, tap device
        """
        raise NotImplementedError

    @hookspec(firstresult=True)
    @where(changes=True, timeout=300.0)
    def stop(self, ctx: HookContext, name: str, force: bool, timeout: float) -> None:
        """End the guest: ask it to shut down, after `timeout` seconds (or at once, `force`) kill.

        Returns when no process of it is left. An instance that does not run is no error.
        """
        raise NotImplementedError

    @hookspec(firstresult=True)
    @where(changes=True, timeout=120.0)
    def reboot(self, ctx: HookContext, instance: InstanceSpec) -> None:
        """Reset the running guest without ending its process (a *soft* reboot).

        :raises HypervisorError: it does not run
        """
        raise NotImplementedError

    @hookspec(firstresult=True)
    def console(self, ctx: HookContext, instance: InstanceSpec, node: NodeRef) -> Console:
        """Tell how to reach the console of `instance` that runs on `node`; starts nothing."""
        raise NotImplementedError

    @hookspec(firstresult=True)
    @where(changes=True, quick=True)
    def recover(self, ctx: HookContext) -> list[str]:
        """Called when the node's daemon starts: find guests again, clean what dead ones left.

        Reads the state of all older `state_version`. Returns what it did, a line each.
        """
        raise NotImplementedError


class MigrationSpec:
    """Live migration. The order of calls, by the master:

    `migration_prepare` (target) → `migrate_out` (source) → `migration_status` (source, until it is
    not ``active``) → `migration_finish` on the target, then on the source. To give up:
    `migration_abort` (source), then `migration_finish` with ``success=False`` on the target.
    """

    @hookspec(firstresult=True)
    @where(changes=True, timeout=120.0)
    def migration_prepare(
        self, ctx: HookContext, instance: InstanceSpec, node: NodeRef
    ) -> MigrationTarget:
        """On the target `node`: start a receiving, paused guest and tell where it listens.

        Twice is harmless: a receiver left by an earlier try is replaced.

        :raises HypervisorError: nothing is left running here
        """
        raise NotImplementedError

    @hookspec(firstresult=True)
    @where(changes=True, quick=True)
    def migrate_out(
        self, ctx: HookContext, instance: InstanceSpec, target: MigrationTarget, live: bool
    ) -> None:
        """On the source: begin to send the guest; returns when the transfer has begun.

        :raises HypervisorError: it did not begin; the guest runs on here
        """
        raise NotImplementedError

    @hookspec(firstresult=True)
    def migration_status(self, ctx: HookContext, name: str) -> MigrationStatus:
        """On the source: tell how far the transfer is; ``none`` when none was begun."""
        raise NotImplementedError

    @hookspec(firstresult=True)
    @where(changes=True, quick=True)
    def migration_abort(self, ctx: HookContext, name: str) -> None:
        """On the source: stop the transfer; the guest runs on here.

        Too late is no error: `migration_status` then says ``completed``. Where it came while the
        guest changed sides, and only the target can know whether it has the guest, the status has
        a message as well; the guest then waits here for `migration_finish`.
        """
        raise NotImplementedError

    @hookspec(firstresult=True)
    @where(changes=True, timeout=60.0)
    def migration_finish(
        self, ctx: HookContext, instance: InstanceSpec, source: bool, success: bool
    ) -> None:
        """Tidy one end of a migration; twice is harmless.

        On the source after success: end the old process. On the source after failure: make sure
        that the guest runs. On the target after success: the guest runs, its files are in place.
        On the target after failure: end the receiver, unless it has become the running guest.
        """
        raise NotImplementedError


class HotplugSpec:
    """Change devices of a running guest."""

    @hookspec(firstresult=True)
    @where(changes=True, timeout=60.0)
    def hotplug(
        self, ctx: HookContext, instance: InstanceSpec, action: str,
        disk: DiskSpec | None, nic: NicSpec | None,
    ) -> None:
        """Do `action` (``add``, ``remove``) with the one device given.

        :raises HypervisorError: the guest did not obey; its devices are as before
        """
        raise NotImplementedError


HYPERVISORS = Kind(
    "hypervisors", HypervisorSpec,
    extensions=((LIVE_MIGRATION, MigrationSpec), (HOTPLUG, HotplugSpec)),
)
