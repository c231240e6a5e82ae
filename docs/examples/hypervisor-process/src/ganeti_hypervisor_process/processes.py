"""Guests as processes: found by what is in their environment, so no file can tell otherwise."""

import os
import shlex
import shutil
import time
from pathlib import Path

from ganeti_core.plugin_api import HookContext, InstanceSpec, run_command
from ganeti_core.plugin_api.data import RunningInstance

# The shell starts a program that was killed again; asked to end, it ends when the program has.
WATCH = 'trap exit TERM; exec >>"$GUEST_LOG" 2>&1; while "$@"; [ $? -gt 128 ]; do sleep 0.1; done'
TOOLS = ("setsid", "setpriv", "prlimit")


def find(ctx: HookContext) -> dict[str, tuple[RunningInstance, list[int]]]:
    """Map each guest's name to what is told of it and its processes, the watching shell first."""
    found: dict[str, tuple[RunningInstance, list[int]]] = {}
    for pid in sorted(int(path.name) for path in Path("/proc").glob("[0-9]*")):
        try:
            environ = Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace")
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue  # it ended
        for word in environ.split("\0"):
            if word.startswith(f"GANETI_GUEST={ctx.state}\t"):
                name, uuid, memory, vcpus = word.split("\t")[1:]
                guest = RunningInstance(name, uuid, "paused" if state == "T" else "running",
                                        int(memory), int(vcpus))
                found.setdefault(name, (guest, []))[1].append(pid)
    return found


def send(ctx: HookContext, name: str, number: int, skip: int = 0) -> bool:
    """Send a signal to a guest's processes but the first `skip`; False when it has none."""
    _, pids = find(ctx).get(name, (None, []))
    for pid in pids[skip:]:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue  # it has just ended
    return bool(pids)


def log_file(ctx: HookContext, name: str) -> Path:
    return ctx.logs / f"{name}.log"


def problem(command: str) -> str:
    """Tell why `command` cannot be run; empty when it can."""
    words = shlex.split(command)
    return "" if words and shutil.which(words[0]) else f"command: cannot run {command!r}"


def begin(ctx: HookContext, instance: InstanceSpec, command: str) -> None:
    """Start the watching shell in a session of its own: it outlives whoever starts it."""
    mark = (ctx.state, instance.name, instance.uuid, instance.memory, instance.vcpus)
    env = {"PATH": os.environ.get("PATH", os.defpath), "GANETI_GUEST": "\t".join(map(str, mark)),
           "GUEST_LOG": str(log_file(ctx, instance.name)),
           **{f"DISK{disk.index}": disk.path for disk in instance.disks}}
    run_command(
        # The word after WATCH names the shell: `ps` shows which guest it is, and of which node.
        ["setsid", "--fork", "sh", "-c", WATCH, str(ctx.state / instance.name),
         "setpriv", "--no-new-privs", "--pdeathsig", "KILL",
         "prlimit", f"--data={instance.memory * 1024**2}", "--", *shlex.split(command)],
        timeout=10, env=env, cwd=ctx.state)
    # Until the shell has its program, or both have ended.
    while len(find(ctx).get(instance.name, (None, [0, 0]))[1]) < 2:
        time.sleep(0.01)
