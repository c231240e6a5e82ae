"""What containers say, and what they leave on their node."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from ganeti_core.plugin_api import HookContext, NicSpec
from ganeti_plugins.hv_lxc.containers import Host

NAMES = ("inst1.example.com", "other.example.com", "unbootable.example.com")
NIC = NicSpec("41c00000-0000-4000-8000-000000000001", 0, "aa:00:00:11:22:33", ip="203.0.113.7")


def traces(ctx: HookContext) -> Iterable[str]:
    """What containers of a node leave outside its folders: cgroups, interfaces, loop devices,
    mounts. Other tests run beside this one.
    """
    host = Host.here(ctx)
    for name in NAMES:
        group = host.container(name).group
        yield from (str(one.base / left) for one in host.hierarchies
                    for left in (group.name, group.monitor)
                    if (one.base / left).exists())
    where = str(ctx.root.parent)
    for backing in Path("/sys/block").glob("loop*/loop/backing_file"):
        with suppress(OSError):
            if (path := backing.read_text().strip()).startswith(f"{where}/"):
                yield f"loop device of {path}"
    yield from (line for line in Path("/proc/self/mountinfo").read_text().splitlines()
                if f" {where}/" in line)
    cards = host.container(NAMES[0]).cards
    ours = {cards.device(NIC), cards.inner(NIC)}
    yield from (link["ifname"] for link in json.loads(ip("-j", "link", "show"))
                if link["ifname"] in ours)


def ip(*words: str) -> str:
    return subprocess.run(["ip", *words], check=True, capture_output=True, text=True,
                          timeout=20).stdout


def on_terminal(command: tuple[str, ...], line: str, awaited: str) -> str:
    """What a program on a terminal of its own says to a typed line, until it says `awaited`."""
    child, terminal = pty.fork()
    if child == 0:
        os.execvp(command[0], command)  # noqa: S606  # an argument list, no shell
    said, until = "", time.monotonic() + 60.0
    try:
        while awaited not in said and time.monotonic() < until:
            os.write(terminal, f"{line}\n".encode())
            while select.select([terminal], [], [], 0.5)[0]:
                said += os.read(terminal, 4096).decode(errors="replace")
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(terminal)
    return said
