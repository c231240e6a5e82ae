"""What tests of exports need of plugins: an OS with streams of its own, disks with snapshots."""

from __future__ import annotations

import json
import os
import shutil
import struct
import time
from collections.abc import Iterator
from pathlib import Path

from ganeti_core.plugin_api import (
    BlockDeviceError,
    Description,
    DiskSpec,
    HookContext,
    InstanceSpec,
    OsScriptError,
    hookimpl,
)
from ganeti_core.plugin_api.data import OsInfo
from ganeti_core.plugin_api.disk import LOCAL_SPACE, SNAPSHOTS
from ganeti_core.plugin_api.file_disks import FileDisks
from ganeti_core.plugin_api.os import DiskStream, check_variant
from ganeti_core.plugin_api.transfer import receive, send

PIECE = 1 << 16
HEADER = struct.Struct("!QI")
PARAMETERS = {"type": "object", "properties": {
    "fails": {"type": "string", "default": "", "description": "The hook that fails"},
    "token": {"type": "string", "default": "", "description": "A password", "x-private": True}}}


class Used:
    """OS ``used``: only what is not zero goes into its streams."""

    @hookimpl
    def describe(self) -> Description:
        return Description(api_version=0, title="What is used", parameters=PARAMETERS)

    @hookimpl
    def info(self) -> OsInfo:
        return OsInfo("used", "", (20,), ("small", "large"), tuple(
            (name, schema["description"]) for name, schema in PARAMETERS["properties"].items()))

    @hookimpl
    def validate(self, variant: str, force_variant: bool) -> None:
        check_variant("used", ("small", "large"), variant, force_variant)

    @hookimpl
    def create(self, instance: InstanceSpec, variant: str) -> None:
        with Path(instance.disks[0].path).open("r+b") as disk:
            disk.write(f"{variant} {instance.name}\n".encode())

    @hookimpl
    def rename(self, instance: InstanceSpec, variant: str, old_name: str) -> None:
        with Path(instance.disks[0].path).open("r+b") as disk:
            disk.write(f"{variant} {instance.name}, was {old_name}\n".encode())

    @hookimpl
    def os_variables(self, variant: str) -> dict[str, str]:
        return {"PIECE": str(PIECE), "VARIANT": variant}

    @hookimpl
    def export_disk(self, ctx: HookContext, instance: InstanceSpec, stream: DiskStream) -> int:
        return send(ctx, stream.offer, self._pieces(instance, stream.disk))

    def _pieces(self, instance: InstanceSpec, disk: DiskSpec) -> Iterator[bytes]:
        with Path(disk.path).open("rb") as file:
            at = 0
            while piece := file.read(PIECE):
                if any(piece):
                    yield HEADER.pack(at, len(piece)) + piece
                at += len(piece)
        if instance.osparams.get("fails") == "export":
            raise OsScriptError("the last sector cannot be read")
        while instance.osparams.get("fails") == "to end":
            yield HEADER.pack(at, 1) + b"x"
            time.sleep(0.02)
        yield HEADER.pack(at, 0)

    @hookimpl
    def import_disk(self, ctx: HookContext, instance: InstanceSpec, stream: DiskStream) -> int:
        if stream.variables.get("PIECE") != str(PIECE):
            raise OsScriptError(f"exported with {stream.variables}")
        if instance.osparams.get("fails") == "import":
            raise OsScriptError("this disk is not to be written")
        pending, whole = bytearray(), False
        with Path(stream.disk.path).open("r+b") as file:

            def write(data: memoryview) -> None:
                nonlocal whole
                pending.extend(data)
                while len(pending) >= HEADER.size:
                    at, length = HEADER.unpack_from(pending)
                    if len(pending) < HEADER.size + length:
                        return
                    file.seek(at)
                    file.write(pending[HEADER.size:HEADER.size + length])
                    whole = not length
                    del pending[:HEADER.size + length]

            count = receive(ctx, stream.offer, write)
            if not whole:
                raise OsScriptError("the stream has no end")
            os.fsync(file.fileno())
        ctx.log.info("imported %s", json.dumps(stream.variables))
        return count


class Snapped(FileDisks):
    """Disk template ``snapped``: files, of which copies are made at once."""

    template = "snapped"

    @hookimpl
    def describe(self) -> Description:
        return Description(api_version=0, title="Files with snapshots",
                           capabilities=frozenset({SNAPSHOTS, LOCAL_SPACE}))

    @hookimpl
    def verify(self, ctx: HookContext) -> list[str]:
        return []

    def make(self, disk: DiskSpec, draft: Path) -> None:
        with draft.open("wb") as file:
            file.truncate(disk.size << 20)

    @hookimpl
    def snapshot(self, ctx: HookContext, disk: DiskSpec, name: str) -> str:
        self._check(ctx)
        copy = self.file_of(ctx, disk).with_suffix(f".{name}")
        shutil.copyfile(self.existing(ctx, disk), copy)
        # What the guests of this node are doing meanwhile, for the tests.
        guests = ctx.state.parent.parent / "hypervisors/fake"
        (ctx.root / "guests-at-snapshot").write_text("".join(
            path.read_text() for path in guests.iterdir() if path.is_file()))
        return str(copy)

    @hookimpl
    def remove_snapshot(self, ctx: HookContext, disk: DiskSpec, name: str) -> None:
        self._check(ctx)
        self.file_of(ctx, disk).with_suffix(f".{name}").unlink(missing_ok=True)

    @staticmethod
    def _check(ctx: HookContext) -> None:
        if (ctx.root / "no-snapshots").exists():
            raise BlockDeviceError("the pool of snapshots is read-only")
