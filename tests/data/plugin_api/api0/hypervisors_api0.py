"""A plugin written for API 0 of hypervisors. Frozen: it loads as long as API 0 is accepted."""

import json
import os
from pathlib import Path

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
from ganeti_core.plugin_api.data import HostFacts, RunningInstance

PARAMETERS = {"type": "object", "properties": {"kernel": {
    "type": "string", "default": "/boot/vmlinuz", "description": "What the guest boots"}}}
SUFFIX = ".guest"


class Oldest:
    @hookimpl
    def describe(self) -> Description:
        return Description(api_version=0, title="oldest", parameters=PARAMETERS)

    @hookimpl
    def validate(self, ctx: HookContext, params: dict[str, str]) -> None:
        """Runs on a node: look whether the files are there."""
        if not params["kernel"].startswith("/"):
            raise OpPrereqError(f"kernel: {params['kernel']!r} is no path", ECODE_INVAL)

    @hookimpl
    def verify(self, ctx: HookContext) -> list[str]:
        return []

    @hookimpl
    def host_facts(self, ctx: HookContext) -> HostFacts:
        total, free = (os.sysconf(f"SC_{kind}PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 1024**2
                       for kind in ("", "AV"))
        return HostFacts(total, free, memory_host=0, cpu_total=os.cpu_count() or 1)

    @hookimpl
    def running(self, ctx: HookContext) -> list[RunningInstance]:
        found = []
        for path in sorted(ctx.state.glob(f"*{SUFFIX}")):
            try:
                found.append(RunningInstance(**json.loads(path.read_text())))
            except FileNotFoundError:
                continue  # it was stopped meanwhile
        return found

    @hookimpl
    def info(self, ctx: HookContext, instance: InstanceSpec) -> RunningInstance | None:
        return next((guest for guest in self.running(ctx) if guest.name == instance.name), None)

    @hookimpl
    def start(self, ctx: HookContext, instance: InstanceSpec, paused: bool) -> None:
        if self.info(ctx, instance):
            return
        if not instance.hvparams.get("kernel", "/").startswith("/"):
            raise HypervisorError(f"{instance.name}: there is no kernel to boot")
        draft = draft_of(ctx, instance.name)
        draft.write_text(json.dumps({
            "name": instance.name, "uuid": instance.uuid, "memory": instance.memory,
            "vcpus": instance.vcpus, "state": "paused" if paused else "running"}))
        # A guest is there whole or not at all, whenever this process is killed.
        draft.rename(file_of(ctx, instance.name))

    @hookimpl
    def stop(self, ctx: HookContext, instance: InstanceSpec, force: bool, timeout: float) -> None:
        for path in (file_of(ctx, instance.name), draft_of(ctx, instance.name)):
            path.unlink(missing_ok=True)

    @hookimpl
    def reboot(self, ctx: HookContext, instance: InstanceSpec) -> None:
        if not self.info(ctx, instance):
            raise HypervisorError(f"{instance.name} does not run")

    @hookimpl
    def console(self, ctx: HookContext, instance: InstanceSpec, node: NodeRef) -> Console:
        return Console("msg", instance.name, message="oldest has no consoles")

    @hookimpl
    def recover(self, ctx: HookContext) -> list[str]:
        drafts = list(ctx.state.glob(".*.draft"))
        for path in drafts:
            path.unlink(missing_ok=True)
        return [f"removed {path.name}" for path in drafts]


def file_of(ctx: HookContext, name: str) -> Path:
    return ctx.state / f"{name}{SUFFIX}"


def draft_of(ctx: HookContext, name: str) -> Path:
    return ctx.state / f".{name}.draft"
