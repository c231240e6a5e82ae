"""The driver: plans volumes, and asks their provider for the rest."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ganeti_core.plugin_api import (
    ECODE_INVAL,
    BlockDeviceError,
    Description,
    DiskSpec,
    HookContext,
    NotSupported,
    OpPrereqError,
    hookimpl,
)
from ganeti_core.plugin_api.data import DiskRequest, DiskStatus, OpenDisk, StorageSpace
from ganeti_core.plugin_api.disk import GROWABLE, SHARED, UNLISTED
from ganeti_core.plugin_api.extstorage import Attachment, VolumeSpec

MIB = 1024**2
PARAMETERS = {"type": "object", "additionalProperties": True, "properties": {
    "access": {
        "type": "string", "enum": ["kernelspace", "userspace"], "default": "kernelspace",
        "description": "Whether guests use the block device or the provider's URI for the"
                       " hypervisor"},
    "provider": {
        "type": "string", "x-disk": True, "description": "The ExtStorage provider of the volume"},
}}


class ExtTemplate:
    """Disks that are volumes of a storage system outside the cluster."""

    @hookimpl
    def describe(self) -> Description:
        return Description(
            api_version=0, title="Volumes of an ExtStorage provider", parameters=PARAMETERS,
            capabilities=frozenset({GROWABLE, SHARED, UNLISTED}), id_parts=("provider", "id"))

    @hookimpl
    def layout(self, request: DiskRequest) -> DiskSpec:
        options = dict(request.options)
        provider = options.pop("provider", None)
        if not isinstance(provider, str) or not provider:
            raise OpPrereqError("Missing provider for template 'ext'", ECODE_INVAL)
        for name, value in options.items():
            # Programs get them in their environment.
            if not name or "=" in name or "\0" in f"{name}{value}":
                raise OpPrereqError(
                    f"Invalid parameter {name!r} for template 'ext': a name must not be empty nor"
                    " have '=' or a NUL character, nor a value a NUL character", ECODE_INVAL)
        return DiskSpec(
            uuid=request.uuid, index=request.index, template="ext", size=request.size,
            logical_id=(provider, f"{request.uuid}.ext.disk{request.index}"), mode=request.mode,
            params={**request.params, **options}, name=request.name, spindles=request.spindles,
            instance=request.instance_name)

    @hookimpl
    def identity(self, disk: DiskSpec) -> str:
        return "/".join(_id(disk))

    @hookimpl
    def space(self) -> list[StorageSpace]:
        return []

    @hookimpl
    def verify(self) -> list[str]:
        return []

    @hookimpl
    def devices(self) -> list[str]:
        return []

    @hookimpl
    def create(self, ctx: HookContext, disk: DiskSpec) -> None:
        note = _unmade(ctx, disk)
        note.touch()
        _ask_provider(ctx, disk, "verify", params=disk.params)
        note.unlink()
        _ask(ctx, disk, "create")
        _ask_if_offered(ctx, disk, "set_info", text=f"originstname+{disk.instance}")

    @hookimpl
    def remove(self, ctx: HookContext, disk: DiskSpec) -> None:
        self.close(ctx, disk)
        note = _unmade(ctx, disk)
        try:
            _ask(ctx, disk, "remove")
        except BlockDeviceError:
            # The provider does not exist or has refused: it was never asked to make something.
            if not note.exists():
                raise
        note.unlink(missing_ok=True)

    @hookimpl
    def open(self, ctx: HookContext, disk: DiskSpec, exclusive: bool) -> OpenDisk:
        note = _note(ctx, disk)
        with _alone(ctx, disk):
            # One that is open may be in use: it stays attached, and noted, whatever fails here.
            was_noted, was_open = note.exists(), _opened(ctx, disk) is not None
            # Noted first: a kill in between leaves a note, and so somebody who detaches.
            note.touch()
            try:
                attached = _attach(ctx, disk, keep=was_open)
            except BlockDeviceError:
                if not was_noted:
                    note.unlink()
                raise
            try:
                _ask_if_offered(ctx, disk, "open", exclusive=exclusive)
            except BlockDeviceError:
                if not was_open:
                    # If this fails as well, the note is left for whoever closes the disk.
                    _ask(ctx, disk, "detach")
                    note.unlink()
                raise
            draft = note.with_suffix(".draft")
            draft.write_text(json.dumps(attached.device))
            draft.replace(note)
        return OpenDisk(attached.device, attached.uris if _is_userspace(disk) else {})

    @hookimpl
    def close(self, ctx: HookContext, disk: DiskSpec) -> None:
        note = _note(ctx, disk)
        with _alone(ctx, disk):
            if note.exists():
                _ask_if_offered(ctx, disk, "close")
                _ask(ctx, disk, "detach")
            for path in (note.with_suffix(".draft"), note):
                path.unlink(missing_ok=True)

    @hookimpl
    def status(self, ctx: HookContext, disk: DiskSpec) -> DiskStatus:
        # A provider can only be asked for the device: it is attached for as long as it takes, and
        # nobody may begin to use it meanwhile.
        with _alone(ctx, disk):
            if (device := _opened(ctx, disk)) is not None:
                return DiskStatus(True, device, _size(device, disk), is_open=True)
            try:
                size = _size(_ask(ctx, disk, "attach").device, disk)
                _ask(ctx, disk, "detach")
            except BlockDeviceError as exc:
                # There is none, or it cannot be had now: a provider does not say which.
                return DiskStatus(exists=False, local="unknown", reason=exc.message)
            return DiskStatus(True, "", size)

    @hookimpl
    def grow(self, ctx: HookContext, disk: DiskSpec, size: int) -> None:
        have = self.status(ctx, disk)
        if not have.exists:
            raise BlockDeviceError(f"volume {self.identity(disk)} does not exist")
        if have.size < size:
            _ask(ctx, disk, "grow", size=size)


def _id(disk: DiskSpec) -> tuple[str, str]:
    match disk.logical_id:
        case (str(provider), str(name)):
            return provider, name
        case _:
            raise BlockDeviceError(
                f"disk {disk.uuid}: logical_id {disk.logical_id!r} is no (provider, volume)")


def _ask(ctx: HookContext, disk: DiskSpec, hook: str, **arguments: Any) -> Any:
    _, name = _id(disk)
    volume = VolumeSpec(disk.uuid, name, disk.size, disk.instance, disk.params, disk.name or "")
    return _ask_provider(ctx, disk, hook, volume=volume, **arguments)


def _ask_provider(ctx: HookContext, disk: DiskSpec, hook: str, **arguments: Any) -> Any:
    provider, name = _id(disk)
    try:
        return ctx.driver("extstorage", provider, hook, **arguments)
    except NotSupported:
        raise
    except OpPrereqError as exc:  # there is no such provider here, or it refuses the parameters
        raise BlockDeviceError(f"volume {provider}/{name}: {exc.message}") from exc


def _is_userspace(disk: DiskSpec) -> bool:
    return bool(disk.params.get("access") == "userspace")


def _attach(ctx: HookContext, disk: DiskSpec, *, keep: bool) -> Attachment:
    """Attach a disk that is to be used.

    :param keep: it is in use already, and stays attached even if it cannot be used in this way;
        nothing stays attached of any other
    """
    attached: Attachment = _ask(ctx, disk, "attach")
    if attached.device or (attached.uris and _is_userspace(disk)):
        return attached
    if not keep:
        _ask(ctx, disk, "detach")
    provider, name = _id(disk)
    ways = ", ".join(sorted(attached.uris)) or "nobody"
    raise BlockDeviceError(
        f"volume {provider}/{name} has no block device, only URIs (for {ways}): use it with "
        "access=userspace")


def _ask_if_offered(ctx: HookContext, disk: DiskSpec, hook: str, **arguments: Any) -> None:
    try:
        _ask(ctx, disk, hook, **arguments)
    except NotSupported:
        ctx.log.debug("the provider of disk %s does not offer %s", disk.uuid, hook)


def _note(ctx: HookContext, disk: DiskSpec) -> Path:
    # Beside guests' own files: what is attached is lost at a reboot, as they are.
    return ctx.state / f"{disk.uuid}.attached"


def _unmade(ctx: HookContext, disk: DiskSpec) -> Path:
    return ctx.keep / f"{disk.uuid}.unmade"


@contextmanager
def _alone(ctx: HookContext, disk: DiskSpec) -> Iterator[None]:
    """Let one caller at a time attach or detach a disk on this node; leaves no file."""
    path = ctx.state / f"{disk.uuid}.lock"
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            # Who waited may hold a file that its predecessor has removed.
            if _same_file(handle, path):
                yield
                path.unlink(missing_ok=True)
                return
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        finally:
            os.close(handle)


def _same_file(handle: int, path: Path) -> bool:
    try:
        return os.fstat(handle).st_ino == path.stat().st_ino
    except FileNotFoundError:
        return False


def _opened(ctx: HookContext, disk: DiskSpec) -> str | None:
    """The device of an open disk; None when it is closed, or was about to be opened."""
    try:
        return str(json.loads(_note(ctx, disk).read_text()))
    except (FileNotFoundError, ValueError):
        return None


def _size(device: str, disk: DiskSpec) -> int:
    """The size of a device or file, MiB; of a disk without one that which it should have."""
    if not device:
        return disk.size
    try:
        handle = os.open(device, os.O_RDONLY)
        try:
            return os.lseek(handle, 0, os.SEEK_END) // MIB
        finally:
            os.close(handle)
    except OSError as exc:
        raise BlockDeviceError(f"{device}: {exc.strerror}") from exc
