"""A provider whose hooks are programs in one folder.

A program learns of the volume from its environment: ``VOL_NAME``, ``VOL_UUID``, ``VOL_CNAME`` (the
disk's name, if it has one), ``VOL_SIZE`` (MiB) and ``EXTP_*``, one per parameter. ``attach`` prints
the block device, then lines ``hypervisor:uri``; the first line is empty where only hypervisors
reach the volume.

Ganeti never runs ``verify``, so a provider's may be a stub that fails. It is asked only about what
it must know: ``verify parameters``, for a volume with parameters that ``parameters.list`` names.

The interface has no way to ask whether a volume exists, and a program may well call it a failure to
remove one that does not. So a note is kept while a volume is made: as long as it is there, nobody
knows whether anything was made, and that it cannot be removed is no error.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganeti_core.plugin_api import (
    ECODE_INVAL,
    BlockDeviceError,
    CommandFailed,
    Description,
    HookContext,
    NotSupported,
    OpPrereqError,
    hookimpl,
    run_command,
)
from ganeti_core.plugin_api.extstorage import Attachment, VolumeSpec
from ganeti_core.plugin_api.run import DEFAULT_PATH, readable

REQUIRED = frozenset({"create", "remove", "grow", "attach", "detach", "setinfo", "verify"})
OPTIONAL = ("snapshot", "open", "close")
PARAMETERS = "parameters.list"
MOST_SHOWN = 200
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

    def run(
        self, script: str, environment: dict[str, str], timeout: float, *arguments: str
    ) -> str:
        """Run a program in the provider's folder; return what it printed.

        :raises NotSupported: it is an optional one, and not there (any more)
        :raises CommandFailed: it failed, or ran longer than `timeout` seconds
        """
        if script in OPTIONAL and script not in self.present:
            raise NotSupported(f"the ExtStorage provider {self.folder.name} has no {script} script")
        return run_command(
            [self.folder / script, *arguments], timeout=timeout, cwd=self.folder,
            env={"PATH": DEFAULT_PATH, "LC_ALL": "C", "HOME": "/root",
                 "EXTP_PROVIDER": self.folder.name, **environment}).stdout


def _parameters(file: Path) -> list[tuple[str, str]]:
    try:
        lines = file.read_text(errors="replace").splitlines()
    except OSError:
        return []
    pairs = (line.strip().split(None, 1) for line in lines if line.strip())
    return [(pair[0], pair[1] if len(pair) > 1 else pair[0]) for pair in pairs]


@dataclass(frozen=True)
class ScriptProvider:
    """What every provider offers."""

    folder: Path

    @property
    def location(self) -> str:
        return str(self.folder)

    @property
    def scripts(self) -> Scripts:
        """The folder as it is now."""
        return Scripts.read(self.folder)

    @hookimpl
    def describe(self) -> Description:
        scripts = self.scripts
        present = scripts.present
        properties = {name: {"type": "string", "default": "", "description": text}
                      for name, text in scripts.parameters}
        return Description(
            api_version=0, title=f"Scripts in {self.folder}",
            parameters={"type": "object", "properties": properties, "additionalProperties": True},
            capabilities=frozenset(
                ({"snapshots"} if "snapshot" in present else set())
                | ({"open_close"} if {"open", "close"} <= present else set())))

    @hookimpl
    def verify(self, params: dict[str, Any]) -> None:
        scripts, environment = self.scripts, _options(params)
        listed = {name.lower() for name, _ in scripts.parameters}
        if not any(name.lower() in listed for name in params):
            return
        try:
            scripts.run("verify", environment, SHORT, "parameters")
        except CommandFailed as exc:
            raise OpPrereqError(
                f"the ExtStorage provider {self.folder.name} does not accept its"
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
        first, *rest = self._run("attach", volume).split("\n")
        device = first.strip()
        pairs = (line.partition(":") for line in rest if ":" in line)
        uris = {name.strip(): uri.strip() for name, _, uri in pairs}
        if problem := _device_problem(device, uris):
            # Nobody else will detach what could not be used.
            with suppress(BlockDeviceError):
                self._run("detach", volume)
            raise BlockDeviceError(
                f"volume {volume.name}: {self.folder}/attach printed "
                f"{readable(first, MOST_SHOWN)!r} for its block device, {problem}")
        return Attachment(device, uris)

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
        named = {"VOL_CNAME": volume.disk_name} if volume.disk_name else {}
        environment = {"VOL_NAME": volume.name, "VOL_UUID": volume.uuid, **named, **more,
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
    return chosen[snapshots, opening](scripts.folder)


def _options(params: dict[str, Any]) -> dict[str, str]:
    """:raises BlockDeviceError: a name or value that no variable of the environment can have"""
    for name, value in params.items():
        if not name or "=" in name or "\0" in name or "\0" in str(value):
            raise BlockDeviceError(
                f"the parameter {name!r} cannot be told to a program: its name must not be empty"
                " nor have '=' or a NUL character, nor its value a NUL character")
    return {f"EXTP_{name.upper()}": str(value) for name, value in params.items()}


def _device_problem(device: str, uris: dict[str, str]) -> str:
    """Why an attached volume cannot be used; empty when it can."""
    if not device:
        return "" if uris else "and no URI for a hypervisor either"
    if not device.startswith("/"):
        return "which is no absolute path"
    return "" if os.path.exists(device) else "which does not exist"


def _note(ctx: HookContext, volume: VolumeSpec) -> Path:
    # Only the last part: a name must not lead out of the driver's own folder.
    return ctx.keep / f"{Path(volume.name).name}.creating"
