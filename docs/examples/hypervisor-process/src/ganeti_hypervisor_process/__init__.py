"""Hypervisor ``process``: an instance is one program, for services that need no machine."""

import shlex
import shutil

from ganeti_core import plugin_api as api
from ganeti_core.plugin_api import HookContext, InstanceSpec, hookimpl, processes
from ganeti_core.plugin_api.data import HostFacts, RunningInstance

PARAMETERS = {"type": "object", "properties": {"command": {
    "type": "string", "default": "sleep infinity", "description": "Program, with arguments"}}}


def problem(command: str) -> str:
    """Tell why `command` cannot be run; empty when it can."""
    words = shlex.split(command)
    return "" if words and shutil.which(words[0]) else f"command: cannot run {command!r}"


class ProcessHypervisor:
    @hookimpl
    def describe(self) -> api.Description:
        return api.Description(api_version=0, title="Plain processes", parameters=PARAMETERS)

    @hookimpl
    def validate(self, params: dict[str, str]) -> None:
        if found := problem(params["command"]):
            raise api.OpPrereqError(found, api.ECODE_ENVIRON)

    @hookimpl
    def verify(self) -> list[str]:
        return [] if shutil.which("setpriv") else ["install util-linux: no setpriv"]

    @hookimpl
    def host_facts(self) -> HostFacts:
        return api.measure_host()

    @hookimpl
    def running(self, ctx: HookContext) -> list[RunningInstance]:
        return [RunningInstance(name, state="paused" if one.stopped else "running", **one.facts)
                for name, one in processes.kept(ctx).items()]

    @hookimpl
    def info(self, ctx: HookContext, instance: InstanceSpec) -> RunningInstance | None:
        return next((guest for guest in self.running(ctx) if guest.name == instance.name), None)

    @hookimpl
    def start(self, ctx: HookContext, instance: InstanceSpec, paused: bool) -> None:
        command = instance.hvparams["command"]
        if found := problem(command):
            raise api.HypervisorError(f"{instance.name}: {found}")
        if instance.name not in processes.kept(ctx):
            limits = ["setpriv", "--no-new-privs", "prlimit", f"--data={instance.memory << 20}"]
            processes.begin(
                ctx, instance.name, [*limits, "--", *shlex.split(command)],
                facts={"uuid": instance.uuid, "memory": instance.memory, "vcpus": instance.vcpus},
                env={f"DISK{disk.index}": disk.path for disk in instance.disks})
            if paused:
                processes.pause(ctx, instance.name)

    @hookimpl
    def stop(self, ctx: HookContext, instance: InstanceSpec, force: bool, timeout: float) -> None:
        processes.end(ctx, instance.name, patience=0 if force else timeout)

    @hookimpl
    def reboot(self, ctx: HookContext, instance: InstanceSpec) -> None:
        if instance.name not in processes.kept(ctx):
            raise api.HypervisorError(f"{instance.name} does not run")
        processes.end(ctx, instance.name, patience=10)
        self.start(ctx, instance, paused=False)

    @hookimpl
    def console(self, ctx: HookContext, instance: InstanceSpec, node: api.NodeRef) -> api.Console:
        show = ("tail", "-f", str(ctx.logs / f"{instance.name}.log"))
        return api.Console("ssh", instance.name, host=node.name, command=show)

    @hookimpl
    def recover(self, ctx: HookContext) -> list[str]:
        return [f"{name} still runs" for name in processes.kept(ctx)]
