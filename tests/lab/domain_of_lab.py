"""The domain that tests on machines of Xen run, and what they see of it. It runs on the machine."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import time
from dataclasses import replace
from pathlib import Path

from ganeti_core.plugin_api import DiskSpec, HookContext, InstanceSpec, NicSpec
from ganeti_core.plugin_api.testing.contexts import make_context, neighbours
from ganeti_plugins.net_linux import BridgedNetwork

NAME = "web.example.com"
VOLUME = Path("/dev/xenvg/domain")
PATIENCE = 300.0
TYPED_AGAIN = 15.0
"""Seconds after which a line is typed again: the guest may not have listened yet."""
DISK = DiskSpec("d15c0000-0000-4000-8000-000000000001", 0, "plain", 64, path=str(VOLUME))
CARD = NicSpec("41c00000-0000-4000-8000-000000000001", 0, "aa:00:00:11:22:33", mode="bridged",
               link="br0", bridge="br0")
INSTANCE = InstanceSpec(
    uuid="c0ffee00-0000-4000-8000-000000000001", name=NAME, hypervisor="xen-pvm",
    hvparams={"kernel_path": "/srv/guest/kernel", "initrd_path": "/srv/guest/initrd",
              "kernel_args": "console=hvc0 quiet panic=1", "root_path": None,
              "blockdev_prefix": "xvd"},
    beparams={"maxmem": 128, "minmem": 64, "vcpus": 1}, disks=(DISK,), nics=(CARD,))


def node(address: str = "127.0.0.1", name: str = "node1.example.com") -> HookContext:
    """The driver's context on this machine, the same for each process of a test."""
    ctx = make_context(Path("/srv/xen"), name, config={"address": address})
    return replace(ctx, driver=neighbours(
        ctx, {("network_backends", "bridged"): BridgedNetwork()}))


def shell(script: str) -> str:
    """Run a script of the shell here; return what it prints."""
    return subprocess.run(["sh", "-c", script], check=True, capture_output=True, text=True,
                          stdin=subprocess.DEVNULL).stdout


def typed(command: tuple[str, ...], line: str, expected: str) -> str:
    """Type a line at a console, as a person at a terminal does, until what is expected is seen.

    :returns: all that was seen
    :raises TimeoutError: it was not
    """
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvp(command[0], list(command))  # noqa: S606  # the console, on a terminal
    try:
        return _seen(terminal, line, expected)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(terminal)


def _seen(terminal: int, line: str, expected: str) -> str:
    seen, until, again = "", time.monotonic() + PATIENCE, 0.0
    while expected not in seen:
        if time.monotonic() > until:
            raise TimeoutError(f"the console shows no {expected!r}: {seen[-2000:]}")
        if time.monotonic() > again:
            os.write(terminal, f"{line}\r".encode())
            again = time.monotonic() + TYPED_AGAIN
        if select.select([terminal], [], [], 1.0)[0]:
            try:
                seen += os.read(terminal, 1 << 16).decode(errors="replace")
            except OSError as exc:  # its other end is gone
                raise TimeoutError(f"the console has ended: {seen[-2000:]}") from exc
    return seen
