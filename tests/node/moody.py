"""A hypervisor that behaves as the instance's name says; it leaves its traces in its root."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from ganeti_core.plugin_api import Console, Description, HypervisorError, hookimpl, run_command
from ganeti_core.plugin_api.data import HostFacts, RunningInstance


def wait_for(file: Path, seconds: float = 30.0) -> None:
    until = time.monotonic() + seconds
    while not file.exists():
        if time.monotonic() > until:
            raise TimeoutError(f"{file} did not appear")
        time.sleep(0.005)


def write(file: Path, text: str) -> None:
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    temporary.write_text(text)
    temporary.replace(file)


class Moody:
    @hookimpl
    def describe(self):
        return Description(api_version=0, title="Moody", capabilities=frozenset({"x-moods"}))

    @hookimpl
    def validate(self, ctx, params):
        return None

    @hookimpl
    def verify(self, ctx):
        return ["it is moody"]

    @hookimpl
    def host_facts(self, ctx):
        if (ctx.root / "refuse-facts").exists():
            raise HypervisorError("not today")
        return HostFacts(1024, 512, 512, 2)

    @hookimpl
    def running(self, ctx):
        return [RunningInstance(ctx.node, str(ctx.config["address"]), "running", 128, 1)]

    @hookimpl
    def info(self, ctx, instance):
        name = instance.name
        if name == "hang":
            write(ctx.root / f"reading-{time.monotonic_ns()}", "")
            wait_for(ctx.root / "go")
        if name == "quit":
            os._exit(3)
        if name == "segfault":
            signal.signal(signal.SIGSEGV, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGSEGV)
        if name == "wrong":
            return HostFacts(1, 1, 1, 1)
        if name == "pid":
            return RunningInstance(name, name, "running", os.getpid(), 1)
        if name == "raise":
            raise RuntimeError("reading is hard")
        return None

    @hookimpl
    def start(self, ctx, instance, paused):
        mood, _, mark = instance.name.partition(".")
        with (ctx.root / "starts").open("a") as stream:
            stream.write(f"{instance.name}\n")
        return getattr(self, f"_{mood}")(ctx, ctx.root / f"mark-{mark}")

    def _fine(self, ctx, mark):
        write(mark, str(os.getpid()))

    def _returns(self, ctx, mark):
        return 42

    def _raises(self, ctx, mark):
        raise RuntimeError("I am in a bad mood")

    def _typed(self, ctx, mark):
        raise HypervisorError("no memory left")

    def _paints(self, ctx, mark):
        raise HypervisorError("\x1b[2J\x1b]0;owned\x07red" + "x" * 10**6 + " the end")

    def _exits(self, ctx, mark):
        sys.exit("I quit")

    def _dies(self, ctx, mark):
        os.kill(os.getpid(), signal.SIGKILL)

    def _quits(self, ctx, mark):
        os._exit(3)

    def _talks(self, ctx, mark):
        ctx.feedback("first line")
        ctx.feedback("second line")

    def _blocks(self, ctx, mark):
        write(mark, str(os.getpid()))
        wait_for(ctx.root / "go")

    def _neighbours(self, ctx, mark):
        facts = ctx.driver("hypervisors", "moody", "host_facts")
        write(mark, str(facts.memory_total))

    def _listens(self, ctx, mark):
        write(mark, str(os.getpid()))
        until = time.monotonic() + 30
        while not ctx.cancelled():
            if time.monotonic() > until:
                raise TimeoutError("nobody told it to end")
            time.sleep(0.005)
        raise HypervisorError("ended as told")

    def _hangs(self, ctx, mark):
        run_command(["sh", "-c", f"echo $$ > {mark}.tmp; mv {mark}.tmp {mark}; sleep 600"],
                    timeout=600)

    def _boots(self, ctx, mark):
        """Start a guest, a process with a session of its own, then hang."""
        guest = subprocess.Popen(["sleep", "600"], start_new_session=True)
        write(mark, str(guest.pid))
        wait_for(ctx.root / "never", 600)

    @hookimpl
    def stop(self, ctx, instance, force, timeout):
        return None

    @hookimpl
    def reboot(self, ctx, instance):
        return None

    @hookimpl
    def console(self, ctx, instance, node):
        return Console("msg", instance.name, message="none")

    @hookimpl
    def recover(self, ctx):
        write(ctx.root / "recovered", "")
        return ["found nothing"]
