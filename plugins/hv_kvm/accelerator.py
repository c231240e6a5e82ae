"""Does KVM work here? Decided by booting, not by looking.

Where a host runs under a hypervisor of its own, ``/dev/kvm`` may exist and QEMU may initialise it
although no guest ever executes an instruction. So a boot sector is started that prints a word, and
KVM is believed in when the word comes. The answer is kept per boot and QEMU version.
"""

from __future__ import annotations

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
from typing import Literal

from ganeti_core.plugin_api import HookContext

Accelerator = Literal["kvm", "tcg"]

TIME_LIMIT = 4.0
WORD = b"GUEST RUNS"
KEEP_VERSION = 1

# 16-bit code at 0x7c00: xor ax,ax; mov ds,ax; mov si,0x7c18; mov dx,0x3f8;
# next: lodsb; test al,al; jz done; out dx,al; jmp next; done: cli; hlt; jmp done
_CODE = bytes.fromhex("31c0 8ed8 be187c baf803 ac 84c0 7403 ee ebf8 fa f4 ebfc".replace(" ", ""))
BOOT_SECTOR = (_CODE.ljust(0x18, b"\x90") + WORD + b"\0").ljust(510, b"\0") + b"\x55\xaa"


def choose(ctx: HookContext, binary: Path, version: str, flag: str) -> Accelerator:
    """Tell which accelerator guests get; the first call of a boot may take `TIME_LIMIT` seconds.

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
        if known.get("key") != key:
            works, reason = probe(binary, "kvm", TIME_LIMIT)
            ctx.log.info("KVM %s: %s", "works" if works else "does not work", reason)
            known = {"version": KEEP_VERSION, "key": key, "kvm": works, "reason": reason}
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
    return False, "a guest did not run although QEMU started"


def _load(path: Path) -> dict[str, object]:
    try:
        document = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    usable = isinstance(document, dict) and document.get("version") == KEEP_VERSION
    return document if usable else {}


def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
