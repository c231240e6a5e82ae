"""A provider whose hooks are programs in one folder.

A program learns of the volume from its environment: ``VOL_NAME``, ``VOL_UUID``, ``VOL_SIZE`` (MiB)
and ``EXTP_*``, one per parameter. ``attach`` prints the block device, then lines
``hypervisor:uri``.

The interface has no way to ask whether a volume exists, and a program may well call it a failure to
remove one that does not. So a note is kept while a volume is made: as long as it is there, nobody
knows whether anything was made, and that it cannot be removed is no error.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganeti_core.plugin_api import (
    ECODE_INVAL,
    BlockDeviceError,
    CommandFailed,
    Description,
    HookContext,
    OpPrereqError,
    hookimpl,
    run_command,
)
from ganeti_core.plugin_api.extstorage import Attachment, VolumeSpec
from ganeti_core.plugin_api.run import DEFAULT_PATH

REQUIRED = frozenset({"create", "remove", "grow", "attach", "detach", "setinfo", "verify"})
OPTIONAL = ("snapshot", "open", "close")
PARAMETERS = "parameters.list"
LONG, SHORT = 290.0, 110.0
"""Seconds, a little less than the node's own limits, so that an error can still be told."""


@dataclass(frozen=True)
class Scripts:
    """A provider's folder: `present` programs, and parameters with what they mean."""

    folder: Path
    present: frozenset[str]
    parameters: tuple[tuple[str, str], ...]

    @classmethod
    def read(cls, folder: Path) -> Scripts:
        present = frozenset(name for name in (*REQUIRED, *OPTIONAL)
                            if os.access(folder / name, os.X_OK) and (folder / name).is_file())
        return cls(folder, present, tuple(_parameters(folder / PARAMETERS)))

    def run(self, script: str, environment: dict[str, str], timeout: float) -> str:
        """Run a program in the provider's folder; answers what it printed.

        :raises CommandFailed: it failed, or ran longer than `timeout` seconds
        """
        return run_command(
            [self.folder / script], timeout=timeout, cwd=self.folder,
            env={"PATH": DEFAULT_PATH, "LC_ALL": "C", "HOME": "/root",
                 "EXTP_PROVIDER": self.folder.name, **environment}).stdout


def _parameters(file: Path) -> list[tuple[str, str]]:
    try:
        lines = file.read_text(errors="replace").splitlines()
    except OSError:
        return []
    pairs = (line.strip().split(None, 1) for line in lines if line.strip())
    return [(pair[0], pair[1] if len(pair) > 1 else pair[0]) for pair in pairs]


class ScriptProvider:
    """What every provider offers."""

    def __init__(self, scripts: Scripts) -> None:
        self.scripts = scripts

    @hookimpl
    def describe(self) -> Description:
        present = self.scripts.present
        properties = {name: {"type": "string", "default": "", "description": text}
                      for name, text in self.scripts.parameters}
        return Description(
            api_version=0, title=f"Scripts in {self.scripts.folder}",
            parameters={"type": "object", "properties": properties, "additionalProperties": True},
            capabilities=frozenset(
                ({"snapshots"} if "snapshot" in present else set())
                | ({"open_close"} if {"open", "close"} <= present else set())))

    @hookimpl
    def verify(self, params: dict[str, Any]) -> None:
        try:
            self.scripts.run("verify", _options(params), SHORT)
        except CommandFailed as exc:
            raise OpPrereqError(
                f"the ExtStorage provider {self.scripts.folder.name} does not accept its"
                f" parameters: {exc}", ECODE_INVAL) from exc

    @hookimpl
    def create(self, ctx: HookContext, volume: VolumeSpec) -> None:
        note = _note(ctx, volume)
        note.touch()
        self._run("create", volume, VOL_SIZE=str(volume.size))
        note.unlink()

    @hookimpl
    def remove(self, ctx: HookContext, volume: VolumeSpec) -> None:
        note = _note(ctx, volume)
        try:
            self._run("remove", volume)
        except BlockDeviceError:
            if not note.exists():
                raise
        note.unlink(missing_ok=True)

    @hookimpl
    def attach(self, volume: VolumeSpec) -> Attachment:
        device, *rest = self._run("attach", volume).split("\n")
        if not device.startswith("/"):
            raise BlockDeviceError(
                f"{self.scripts.folder}/attach printed {device!r} for the device of {volume.name}")
        uris = (line.partition(":") for line in rest if ":" in line)
        return Attachment(device.strip(), {name.strip(): uri.strip() for name, _, uri in uris})

    @hookimpl
    def detach(self, volume: VolumeSpec) -> None:
        self._run("detach", volume)

    @hookimpl
    def grow(self, volume: VolumeSpec, size: int) -> None:
        self._run("grow", volume, VOL_SIZE=str(volume.size), VOL_NEW_SIZE=str(size))

    @hookimpl
    def set_info(self, volume: VolumeSpec, text: str) -> None:
        self._run("setinfo", volume, VOL_METADATA=text)

    def _run(self, script: str, volume: VolumeSpec, **more: str) -> str:
        environment = {"VOL_NAME": volume.name, "VOL_UUID": volume.uuid, **more,
                       **_options(volume.params)}
        try:
            return self.scripts.run(
                script, environment, SHORT if script in ("attach", "detach") else LONG)
        except CommandFailed as exc:
            raise BlockDeviceError(f"volume {volume.name}: {exc}") from exc


class _WithSnapshots(ScriptProvider):
    @hookimpl
    def snapshot(self, volume: VolumeSpec, name: str) -> None:
        self._run("snapshot", volume, VOL_SNAPSHOT_NAME=name, VOL_SNAPSHOT_SIZE=str(volume.size))


class _WithOpening(ScriptProvider):
    @hookimpl
    def open(self, volume: VolumeSpec, exclusive: bool) -> None:
        self._run("open", volume, VOL_OPEN_EXCLUSIVE=str(exclusive))

    @hookimpl
    def close(self, volume: VolumeSpec) -> None:
        self._run("close", volume)


class _WithBoth(_WithSnapshots, _WithOpening):
    pass


def provider(scripts: Scripts) -> ScriptProvider:
    """A driver with exactly the hooks that the folder has programs for."""
    snapshots = "snapshot" in scripts.present
    opening = {"open", "close"} <= scripts.present
    chosen = {(True, True): _WithBoth, (True, False): _WithSnapshots,
              (False, True): _WithOpening, (False, False): ScriptProvider}
    return chosen[snapshots, opening](scripts)


def _options(params: dict[str, Any]) -> dict[str, str]:
    return {f"EXTP_{name.upper()}": str(value) for name, value in params.items()}


def _note(ctx: HookContext, volume: VolumeSpec) -> Path:
    # Only the last part: a name must not lead out of the driver's own folder.
    return ctx.keep / f"{Path(volume.name).name}.creating"
