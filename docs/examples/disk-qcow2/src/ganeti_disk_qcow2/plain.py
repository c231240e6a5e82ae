"""Show an image as a plain file: qemu-storage-daemon exports it through FUSE."""

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

from ganeti_core.plugin_api import BlockDeviceError, CommandFailed, HookContext, run_command

MIB = 1024**2


def run(*words: object) -> str:
    try:
        return run_command([str(word) for word in words], timeout=60).stdout
    except CommandFailed as exc:
        raise BlockDeviceError(str(exc)) from exc


def place(ctx: HookContext, image: Path) -> Path:
    return ctx.state / f"{image.name}.plain"


def pid_file(ctx: HookContext, image: Path) -> Path:
    return ctx.state / f"{image.name}.pid"


def daemon(ctx: HookContext, image: Path) -> int | None:
    """The process that shows the image; None when it is closed."""
    with suppress(OSError, ValueError):
        pid = int(pid_file(ctx, image).read_text())
        # The number may belong to another program by now.
        if str(place(ctx, image)).encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
            return pid
    return None


def show(ctx: HookContext, image: Path) -> str:
    if not image.exists():
        raise BlockDeviceError(f"there is no image {image}")
    shown = place(ctx, image)
    if daemon(ctx, image) is None:
        hide(ctx, image)  # what one that died may have left
        shown.touch(0o600)
        run("qemu-storage-daemon", "--daemonize", "--pidfile", pid_file(ctx, image),
            "--blockdev", f"driver=file,node-name=file,filename={image}",
            "--blockdev", "driver=qcow2,node-name=disk,file=file", "--export",
            f"fuse,id=plain,node-name=disk,mountpoint={shown},writable=on")
    return str(shown)


def hide(ctx: HookContext, image: Path) -> None:
    while pid := daemon(ctx, image):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        time.sleep(0.02)
    shown = place(ctx, image)
    if str(shown) in Path("/proc/self/mounts").read_text():
        run("umount", "--lazy", shown)
    for path in (shown, pid_file(ctx, image)):
        path.unlink(missing_ok=True)
