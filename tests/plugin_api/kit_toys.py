"""Drivers that keep their contracts in the simplest way, for the kit's own tests to break."""

import copy
import os
from pathlib import Path
from typing import Any

from ganeti_core.errors import BlockDeviceError, OpExecError, OpPrereqError, OsScriptError
from ganeti_core.plugin_api import Description, HookContext, InstanceSpec, hookimpl
from ganeti_core.plugin_api.authenticator import Identity
from ganeti_core.plugin_api.data import Collected, OsInfo, Report
from ganeti_core.plugin_api.extstorage import Attachment, VolumeSpec

MIB = 1024**2


class Allocator:
    """Takes the first node with room."""

    @hookimpl
    def describe(self) -> Description:
        return Description(0, "First fit", capabilities=frozenset({"allocate"}))

    @hookimpl
    def solve(self, request: dict[str, Any]) -> dict[str, Any]:
        asked = copy.deepcopy(request["request"])
        if asked["type"] != "allocate":
            raise OpExecError(f"cannot answer {asked['type']}")
        fit = [name for name, node in request["nodes"].items()
               if node["free_memory"] >= asked["memory"]]
        return {"success": bool(fit), "info": "looked", "result": fit[:1]}


class Door:
    """Lets one in."""

    @hookimpl
    def describe(self) -> Description:
        return Description(0, "One user")

    @hookimpl
    def authenticate(self, name: str, password: str) -> Identity | None:
        return Identity(name) if (name, password) == ("jill", "sesame") else None


class Collector:
    """Says that all is well."""

    @hookimpl
    def describe(self) -> Description:
        return Description(0, "All is well", category="daemon", report_kind=1)

    @hookimpl
    def collect(self, previous: dict[str, Any] | None) -> Collected:
        calls = (previous or {}).get("calls", 0) + 1
        return Collected(
            Report({"status": {"code": 0, "message": "well"}, "calls": calls}), {"calls": calls})


class System:
    """An operating system that is one line on the first disk."""

    @hookimpl
    def describe(self) -> Description:
        return Description(0, "One line", {"type": "object", "properties": {
            "greeting": {"type": "string", "default": "hello", "description": "The line"}}})

    @hookimpl
    def info(self) -> OsInfo:
        return OsInfo("line", "/os/line", (20,), ("short", "long"), (("greeting", "The line"),))

    @hookimpl
    def validate(self, variant: str, params: dict[str, str]) -> None:
        if variant not in ("short", "long"):
            raise OpPrereqError(f"no variant {variant}", "wrong_input")
        for name in params:
            if name != "greeting":
                raise OpPrereqError(f"no parameter {name}", "wrong_input")

    @hookimpl
    def create(self, instance: InstanceSpec) -> None:
        try:
            with Path(instance.disks[0].path).open("r+b") as disk:
                disk.write(instance.name.encode())
        except OSError as exc:
            raise OsScriptError(f"cannot install {instance.name}: {exc}") from exc


class Provider:
    """Volumes are files in the node's `keep` folder; all are attached all the time."""

    @hookimpl
    def describe(self) -> Description:
        return Description(0, "Files")

    @hookimpl
    def verify(self, params: dict[str, Any]) -> None:
        if params:
            raise OpPrereqError("there are no parameters", "wrong_input")

    @hookimpl
    def create(self, ctx: HookContext, volume: VolumeSpec) -> None:
        if volume.size > 1024:
            raise BlockDeviceError("that is too large")
        file = self.file(ctx, volume)
        if not file.exists():
            draft = file.with_suffix(".draft")
            with draft.open("wb") as new:
                new.truncate(volume.size * MIB)
            draft.rename(file)

    @hookimpl
    def remove(self, ctx: HookContext, volume: VolumeSpec) -> None:
        self.file(ctx, volume).unlink(missing_ok=True)
        self.file(ctx, volume).with_suffix(".draft").unlink(missing_ok=True)

    @hookimpl
    def attach(self, ctx: HookContext, volume: VolumeSpec) -> Attachment:
        if not self.file(ctx, volume).exists():
            raise BlockDeviceError(f"there is no volume {volume.name}")
        return Attachment(str(self.file(ctx, volume)))

    @hookimpl
    def detach(self) -> None:
        pass

    @hookimpl
    def grow(self, ctx: HookContext, volume: VolumeSpec, size: int) -> None:
        self.attach(ctx, volume)
        os.truncate(self.file(ctx, volume), size * MIB)

    def file(self, ctx: HookContext, volume: VolumeSpec) -> Path:
        return ctx.keep / f"{volume.name}.volume"
