"""One qcow2 file: made, asked, grown, removed."""

import json
import os
import shutil
from pathlib import Path

from ganeti_core.plugin_api import BlockDeviceError, DiskSpec, HookContext
from ganeti_core.plugin_api.data import DiskStatus

from . import plain
from .plain import MIB, run


def image_of(ctx: HookContext, disk: DiskSpec) -> Path:
    # Only the last part: a path in the config must not lead out of the driver's own folder.
    return ctx.keep / Path(str(disk.logical_id[0])).name


def draft_of(image: Path) -> Path:
    return image.with_suffix(".draft")


def create(image: Path, size: int, base: str) -> None:
    if image.exists():
        return
    check_room(image, size)
    # The name appears when the image is whole; after a kill there is a draft, that `remove` knows.
    try:
        run("qemu-img", "create", "-q", "-f", "qcow2", *(["-b", base, "-F", "raw"] if base else []),
            draft_of(image), f"{size}M")
    except BlockDeviceError:
        draft_of(image).unlink(missing_ok=True)
        raise
    draft_of(image).rename(image)


def remove(ctx: HookContext, image: Path) -> None:
    plain.hide(ctx, image)
    for path in (image, draft_of(image)):
        path.unlink(missing_ok=True)


def status(ctx: HookContext, image: Path) -> DiskStatus:
    if not image.exists():
        return DiskStatus(exists=False)
    told = json.loads(run("qemu-img", "info", "-U", "--output=json", image))
    shown = plain.daemon(ctx, image) is not None
    path = str(plain.place(ctx, image)) if shown else ""
    return DiskStatus(True, path, told["virtual-size"] // MIB, shown)


def grow(ctx: HookContext, image: Path, size: int) -> None:
    have = status(ctx, image)
    if not have.exists:
        raise BlockDeviceError(f"there is no image {image}")
    check_room(image, size - have.size)
    if have.size < size and have.is_open:
        os.truncate(have.path, size * MIB)
    elif have.size < size:
        run("qemu-img", "resize", "-q", image, f"{size}M")


def check_room(image: Path, size: int) -> None:
    """Refuse what could never be filled: a thin image would promise room that is not there."""
    free = shutil.disk_usage(image.parent).free // MIB
    if size > free:
        raise BlockDeviceError(f"{image.parent} has {free} MiB free, {size} MiB are needed")
