"""The chroot driver: its hooks, each a few lines over the modules that do the work."""

from __future__ import annotations

import os
import shutil
from typing import Any

from ganeti_core.plugin_api import (
    Console,
    Description,
    HookContext,
    InstanceSpec,
    NodeRef,
    guest_folders,
    hookimpl,
    root_file_systems,
)
from ganeti_core.plugin_api.data import HostFacts, RunningInstance
from ganeti_core.plugin_api.host import measure_host
from ganeti_core.plugin_api.hypervisor import (
    DISK_RESIZE,
    LIVE_MIGRATION,
    USAGE,
)
from ganeti_core.plugin_api.usage import GuestUsage

from . import lifecycle
from .jails import STATE_VERSION, jail, jails

PROGRAMS = ("chroot", "mount", "umount", "blkid", "partx", "setsid")
PARAMETERS = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "init_script": {
            "type": "string",
            "default": lifecycle.DEFAULT_SCRIPT,
            "description": "program inside the instance that begins and ends its daemons, called "
                           "with the word start or stop",
        },
    },
}


class ChrootHypervisor:
    """Runs the daemons of an instance below its disk; they share all else with their node."""

    @hookimpl
    def describe(self) -> Description:
        return Description(
            api_version=0, title="Processes below a root of their own (chroot)",
            parameters=PARAMETERS, state_version=STATE_VERSION, disk_counts=(1, 1),
            capabilities=frozenset({USAGE}),
            lacking={LIVE_MIGRATION: "processes are not moved while they run; use gnt-instance "
                                     "failover",
                     DISK_RESIZE: root_file_systems.GROWN})

    @hookimpl
    def validate(self, ctx: HookContext, params: dict[str, Any]) -> None:
        lifecycle.check(lifecycle.filled(params))

    @hookimpl
    def verify(self, ctx: HookContext) -> list[str]:
        missing = [f"{program} is not installed" for program in PROGRAMS
                   if shutil.which(program) is None]
        return [*missing, *([] if os.geteuid() == 0 else ["chroot needs a node daemon of root"])]

    @hookimpl
    def host_facts(self, ctx: HookContext) -> HostFacts:
        return measure_host(sum(one.memory for guest in jails(ctx) for one in guest.processes()))

    @hookimpl
    def running(self, ctx: HookContext) -> list[RunningInstance]:
        return [found for guest in jails(ctx) if (found := guest.info())]

    @hookimpl
    def usage(self, ctx: HookContext) -> list[GuestUsage]:
        return [found for guest in jails(ctx) if (found := guest.usage())]

    @hookimpl
    def info(self, ctx: HookContext, instance: InstanceSpec) -> RunningInstance | None:
        return jail(ctx, instance.name).info()

    @hookimpl
    def start(self, ctx: HookContext, instance: InstanceSpec, paused: bool) -> None:
        lifecycle.start(jail(ctx, instance.name), instance, paused=paused)

    @hookimpl
    def stop(self, ctx: HookContext, instance: InstanceSpec, force: bool, timeout: float) -> None:
        if guest_folders.is_possible(instance.name):  # no other guest can ever have started
            lifecycle.stop(jail(ctx, instance.name), force=force, timeout=timeout)

    @hookimpl
    def reboot(self, ctx: HookContext, instance: InstanceSpec) -> None:
        lifecycle.reboot(jail(ctx, instance.name))

    @hookimpl
    def console(self, ctx: HookContext, instance: InstanceSpec, node: NodeRef) -> Console:
        return Console(kind="ssh", instance=instance.name, host=node.name,
                       command=("chroot", str(jail(ctx, instance.name).root)))

    @hookimpl
    def rename(self, ctx: HookContext, instance: InstanceSpec, to: InstanceSpec) -> None:
        guest_folders.rename_logs(ctx, instance.name, to.name)

    @hookimpl
    def recover(self, ctx: HookContext) -> list[str]:
        return lifecycle.recover(ctx)
