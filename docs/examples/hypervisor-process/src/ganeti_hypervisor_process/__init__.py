"""Hypervisor ``process``: an instance is one program, for services that need no machine."""

import os
import shutil
import signal
import time

from ganeti_core import plugin_api as api
from ganeti_core.plugin_api import HookContext, HypervisorError, InstanceSpec, NodeRef, hookimpl
from ganeti_core.plugin_api.data import HostFacts, RunningInstance

from .processes import TOOLS, begin, find, log_file, problem, send

DEFAULT = "sleep infinity"
PARAMETERS = {"type": "object", "properties": {"command": {
    "type": "string", "default": DEFAULT,
    "description": "Program and arguments; it finds the disks in DISK0, DISK1, ..."}}}


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
        return [f"install util-linux: no {tool}" for tool in TOOLS if not shutil.which(tool)]

    @hookimpl
    def host_facts(self) -> HostFacts:
        total, free = (os.sysconf(f"SC_{kind}PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 1024**2
                       for kind in ("", "AV"))
        return HostFacts(total, free, memory_host=0, cpu_total=os.cpu_count() or 1)

    @hookimpl
    def running(self, ctx: HookContext) -> list[RunningInstance]:
        return [guest for guest, _ in find(ctx).values()]

    @hookimpl
    def info(self, ctx: HookContext, name: str) -> RunningInstance | None:
        return find(ctx).get(name, (None,))[0]

    @hookimpl
    def start(self, ctx: HookContext, instance: InstanceSpec, paused: bool) -> None:
        command = instance.hvparams.get("command", DEFAULT)
        if found := problem(command):
            raise HypervisorError(f"{instance.name}: {found}")
        if instance.name not in find(ctx):
            begin(ctx, instance, command)
            while paused and (guest := self.info(ctx, instance.name)) and guest.state != "paused":
                send(ctx, instance.name, signal.SIGSTOP)

    @hookimpl
    def stop(self, ctx: HookContext, name: str, force: bool, timeout: float) -> None:
        patience = not force and send(ctx, name, signal.SIGTERM)
        until = time.monotonic() + timeout
        while send(ctx, name, 0 if patience else signal.SIGKILL):
            time.sleep(0.02)
            patience = patience and time.monotonic() < until

    @hookimpl
    def reboot(self, ctx: HookContext, instance: InstanceSpec) -> None:
        if not send(ctx, instance.name, signal.SIGKILL, skip=1):
            raise HypervisorError(f"{instance.name} does not run")

    @hookimpl
    def console(self, ctx: HookContext, instance: InstanceSpec, node: NodeRef) -> api.Console:
        show = ("tail", "-f", str(log_file(ctx, instance.name)))
        return api.Console("ssh", instance.name, host=node.name, command=show)

    @hookimpl
    def recover(self, ctx: HookContext) -> list[str]:
        return [f"{name} still runs" for name in find(ctx)]
