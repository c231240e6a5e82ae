"""Does KVM work here? Decided by booting, not by looking.

Where a host runs under a hypervisor of its own, ``/dev/kvm`` may exist and QEMU may initialise it
although guests hang, or are interpreted a thousand times slower than QEMU would emulate them. So a
boot sector is started that does some work and then prints a word, and KVM is believed in when the
word comes in time. The answer is kept per boot and QEMU version.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from ganeti_core.plugin_api import HookContext

Accelerator = Literal["kvm", "tcg"]

TIME_LIMIT = 4.0
WORD = b"GUEST RUNS"
KEEP_VERSION = 1
REFUSAL_HOLDS = 3600.0
"""Seconds that KVM is not tried again: the node may only have been too busy."""

# The code of probe.S, assembled; a test compares them.
_CODE = (
    "+vwxwI7YjsCO0LwAfL8AELkAGPOrxwYAEAMgxwYAIAMwxwYAMIMADwEWsHxmuCAAAAAPIuBmuAAQ"
    "AAAPIthmuYAAAMAPMmYNAAEAAA8wDyDAZg0BAACADyLA6l98CAC4EAAAAI7YjtC5AOH1Bf/Jdfy+"
    "hnwAALr4AwAArITAdAPu6/j06/1HVUVTVCBSVU5TAA8fgAAAAAAAAAAAAAAAAAAAAAAAmiAAAAAA"
    "AACSAAAXAJh8"
)
BOOT_SECTOR = base64.b64decode(_CODE).ljust(510, b"\0") + b"\x55\xaa"


def choose(ctx: HookContext, binary: Path, version: str, flag: str) -> Accelerator:
    """Return which accelerator guests get; the first call of a boot may take `TIME_LIMIT` seconds.

    `flag` is the parameter ``kvm_flag``: it can name one.
    """
    if flag:
        return "kvm" if flag == "enabled" else "tcg"
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return "tcg"
    key = f"{_boot_id()} {binary} {version}"
    answers = ctx.keep / "accelerator.json"
    ctx.keep.mkdir(mode=0o750, parents=True, exist_ok=True)
    # Guests that start together wait for one probe instead of making their own.
    with open(ctx.keep / "accelerator.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        known = _load(answers)
        if known.get("key") != key or _is_old_refusal(known):
            works, reason = probe(binary, "kvm", TIME_LIMIT)
            ctx.log.info("KVM %s: %s", "works" if works else "does not work", reason)
            known = {"version": KEEP_VERSION, "key": key, "kvm": works, "reason": reason,
                     "time": time.time()}
            draft = answers.with_suffix(".new")
            draft.write_text(json.dumps(known))
            draft.replace(answers)
    return "kvm" if known["kvm"] else "tcg"


def probe(binary: Path, accelerator: Accelerator, limit: float) -> tuple[bool, str]:
    """Boot the boot sector; tell whether its word came within `limit` seconds, and why not."""
    with tempfile.NamedTemporaryFile(prefix="ganeti-kvm-probe-") as disk:
        disk.write(BOOT_SECTOR.ljust(1 << 16, b"\0"))
        disk.flush()
        # timeout(1) ends the probe even if this process is killed while it waits.
        process = subprocess.Popen(
            ["/usr/bin/env", "timeout", "--signal=KILL", f"{limit + 2:g}",
             str(binary), "-machine", "pc", "-accel", accelerator, "-m", "16", "-nodefaults",
             "-no-user-config", "-no-reboot", "-display", "none", "-serial", "stdio",
             "-drive", f"file={disk.name},format=raw,if=ide,read-only=off"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            start_new_session=True)
        try:
            return _listen(process, time.monotonic() + limit)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            if process.stdout:
                process.stdout.close()


def _listen(process: subprocess.Popen[bytes], deadline: float) -> tuple[bool, str]:
    heard = b""
    assert process.stdout is not None  # noqa: S101  # for the type checker: it is a pipe
    while (left := deadline - time.monotonic()) > 0:
        if not select.select([process.stdout], [], [], left)[0]:
            break
        chunk = os.read(process.stdout.fileno(), 4096)
        if not chunk:
            return False, "QEMU ended: " + heard.decode(errors="replace").strip()[-300:]
        heard += chunk
        if WORD in heard:
            return True, "a guest ran"
    return False, "QEMU started, but its guest hangs or is too slow"


def _is_old_refusal(known: dict[str, Any]) -> bool:
    return not known["kvm"] and abs(time.time() - known["time"]) > REFUSAL_HOLDS


def _load(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    usable = isinstance(document, dict) and document.get("version") == KEEP_VERSION
    return document if usable else {}


def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
