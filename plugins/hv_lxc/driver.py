"""The lxc driver: its hooks, each a few lines over the modules that do the work."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from ganeti_core.plugin_api import (
    CommandFailed,
    Console,
    Description,
    HookContext,
    InstanceSpec,
    NodeRef,
    guest_folders,
    hookimpl,
    root_file_systems,
    run_command,
)
from ganeti_core.plugin_api.data import HostFacts, RunningInstance
from ganeti_core.plugin_api.host import measure_host
from ganeti_core.plugin_api.hypervisor import (
    BALLOON,
    DISK_RESIZE,
    LIVE_MIGRATION,
    NODE_NETWORKS,
    USAGE,
)
from ganeti_core.plugin_api.usage import GuestUsage

from . import apparmor, lifecycle, parameters, usage
from .containers import STATE_VERSION, Host

PROGRAMS = ("lxc-start", "lxc-stop", "lxc-console", "mount", "blkid", "partx", "ip")
OLDEST = (4, 0)
"""Of LXC: since then the cgroups of a container can be named."""
ASK_LIMIT = 5.0
SYS_ADMIN = 21
"""The number of the capability to mount."""


class LxcHypervisor:
    """Runs instances as containers: they share the kernel of their node."""

    @hookimpl
    def describe(self) -> Description:
        return Description(
            api_version=0, title="Linux containers, by LXC", parameters=parameters.schema(),
            state_version=STATE_VERSION, capabilities=frozenset({BALLOON, NODE_NETWORKS, USAGE}),
            disk_counts=(1, 1), lacking={
                LIVE_MIGRATION: "containers are not moved while they run; use gnt-instance "
                                "failover",
                DISK_RESIZE: root_file_systems.GROWN})

    @hookimpl
    def validate(self, ctx: HookContext, params: dict[str, Any]) -> None:
        parameters.check(parameters.filled(params), Host.here(ctx).hierarchies)

    @hookimpl
    def verify(self, ctx: HookContext) -> list[str]:
        problems = [f"{program} is not installed" for program in PROGRAMS
                    if shutil.which(program) is None]
        version = _version()
        if version and tuple(map(int, version.split(".")[:2])) < OLDEST:
            problems.append(f"LXC {version} is too old: {OLDEST[0]}.{OLDEST[1]} is needed")
        host = Host.here(ctx)
        if missing := host.limits.missing():
            problems.append(f"The cgroup controllers {', '.join(missing)} are missing")
        if not _may_mount():
            problems.append("Containers need a node daemon of root, with all its capabilities")
        elif sealed := [str(one.base) for one in host.hierarchies
                        if not os.access(one.base, os.W_OK)]:
            problems.append(f"No cgroups can be made in {', '.join(sealed)}")
        if confined := apparmor.problem():
            problems.append(confined)
        return problems

    @hookimpl
    def host_facts(self, ctx: HookContext) -> HostFacts:
        host = Host.here(ctx)
        held = sum(host.limits.held_memory(one.group) for one in host.containers())
        return measure_host(held, _version())

    @hookimpl
    def running(self, ctx: HookContext) -> list[RunningInstance]:
        return [found for one in Host.here(ctx).containers() if (found := one.info())]

    @hookimpl
    def info(self, ctx: HookContext, instance: InstanceSpec) -> RunningInstance | None:
        return Host.here(ctx).container(instance.name).info()

    @hookimpl
    def usage(self, ctx: HookContext) -> list[GuestUsage]:
        return [found for one in Host.here(ctx).containers() if (found := usage.usage(one))]

    @hookimpl
    def start(self, ctx: HookContext, instance: InstanceSpec, paused: bool) -> None:
        lifecycle.start(Host.here(ctx).container(instance.name), instance, paused=paused)

    @hookimpl
    def stop(self, ctx: HookContext, instance: InstanceSpec, force: bool, timeout: float) -> None:
        if guest_folders.is_possible(instance.name):  # no other container can ever have started
            lifecycle.stop(Host.here(ctx).container(instance.name), force=force, timeout=timeout)

    @hookimpl
    def reboot(self, ctx: HookContext, instance: InstanceSpec) -> None:
        lifecycle.reboot(Host.here(ctx).container(instance.name))

    @hookimpl
    def set_memory(self, ctx: HookContext, instance: InstanceSpec, memory: int) -> None:
        lifecycle.set_memory(Host.here(ctx).container(instance.name), memory)

    @hookimpl
    def console(self, ctx: HookContext, instance: InstanceSpec, node: NodeRef) -> Console:
        ttys = parameters.filled(instance.hvparams)["num_ttys"]
        command = Host.here(ctx).container(instance.name).program(
            "lxc-console", *([] if ttys else ["-t", "0"]))
        return Console(kind="ssh", instance=instance.name, host=node.name, command=tuple(command))

    @hookimpl
    def rename(self, ctx: HookContext, instance: InstanceSpec, to: InstanceSpec) -> None:
        guest_folders.rename_logs(
            ctx, instance.name, to.name, ("log", "console.log", "console.log.1"))

    @hookimpl
    def recover(self, ctx: HookContext) -> list[str]:
        return lifecycle.recover(Host.here(ctx))


def _may_mount() -> bool:
    status = Path("/proc/self/status").read_text()
    effective = next(line for line in status.splitlines() if line.startswith("CapEff:"))
    return os.geteuid() == 0 and bool(int(effective.split()[1], 16) >> SYS_ADMIN & 1)


def _version() -> str:
    """Return the version of LXC; empty when it is not installed."""
    try:
        return run_command(["lxc-start", "--version"], timeout=ASK_LIMIT).stdout.strip()
    except CommandFailed:
        return ""
