"""``python -m demo``: makes a cluster, moves a guest around, kills a node, shows what is left.

It uses nothing but the commands that an administrator has, and fails when one of them does.
"""

from __future__ import annotations

import argparse
import re
import shlex
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

from demo.console import Console
from demo.stage import DemoFailed, Stage, fail

TOP = Path(__file__).resolve().parent.parent
FETCH_KERNEL = TOP / "os_definitions/busybox/fetch-kernel"
COUNTER = "counter.example.com"
LINUX = "linux.example.com"
NO_NETWORK = ("--no-nics", "--no-name-check", "--no-ip-check")
BOOT_SECONDS = 60.0
PAYING_SECONDS = 30.0
ON_DISK_EVERY = 8
"""The tiny guest writes every eighth count to its disk."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="demo", description=__doc__)
    parser.add_argument("--root", type=Path, default=TOP / ".demo", help="the cluster's folder")
    parser.add_argument("--quick", action="store_true", help="leave out the Linux guest")
    parser.add_argument("--down", action="store_true", help="end the demo's cluster and remove it")
    options = parser.parse_args()
    stage = Stage(options.root.absolute())
    try:
        if options.down:
            stage.run("gnt-vcluster", "down", "--root", stage.folder)
            return 0
        make_cluster(stage)
        add_counter(stage)
        migrate(stage)
        lose_a_node(stage)
        if not options.quick:
            add_linux(stage)
        show(stage)
        farewell(stage)
    except (DemoFailed, OSError, subprocess.SubprocessError) as exc:
        return fail(stage, exc)
    except KeyboardInterrupt:
        return fail(stage, KeyboardInterrupt("interrupted"))
    return 0


def make_cluster(stage: Stage) -> None:
    stage.step("A cluster of three nodes: real daemons, each node with an address of its own.")
    stage.run("gnt-vcluster", "down", "--root", stage.folder, show=False)
    stage.run("gnt-vcluster", "up", "--root", stage.folder, "--nodes", "3", "--hypervisor",
              "kvm")
    stage.enter()
    stage.run("gnt-node", "list")


def add_counter(stage: Stage) -> None:
    stage.step("A guest: 512 bytes that count, on the console and on their disk.")
    stage.say("(The first guest on a node may take 4 s more: does KVM really work there?)")
    stage.run("gnt-instance", "add", "-t", "sharedfile", "-s", "1M", "-o", "tiny", "-B",
              "memory=16M", "-n", "node2", *NO_NETWORK, COUNTER)
    with Console(stage, COUNTER) as console:
        line = console.wait_for(r"count [0-9A-F]{8}\r?\n", BOOT_SECONDS)
    stage.say(f"Its console says: {line.strip()}")


def migrate(stage: Stage) -> None:
    stage.step("Live migration to node3, while it counts.")
    words = ("gnt-instance", "migrate", "-f", "-n", "node3", COUNTER)
    stage.say(f"$ {shlex.join(words)}")
    with Console(stage, COUNTER) as before, ExitStack() as stack:
        before.wait_for(r"(?s)(count .*){20}\n", BOOT_SECONDS)
        moving = stack.enter_context(stage.start(*words))
        while moving.poll() is None:
            before.read(0.1)
        output = moving.stdout.read() if moving.stdout else ""
        for line in output.splitlines():
            stage.say(f"  {line}")
        if moving.returncode:
            raise DemoFailed("the migration did not succeed")
    with Console(stage, COUNTER) as after:
        after.wait_for(r"(?s)count .*count .*\n", 20)
    (first, began), (last, ended) = before.counts()[0], before.counts()[-1]
    seen, now = after.counts()[0]
    if seen < last:
        raise DemoFailed(f"it counted to {last} on node2 and only to {seen} on node3")
    stage.say(f"On node2 it counted from {first} to {last}, {(last - first) / (ended - began):.1f}"
              f" a second; on node3 it is at {seen}, {now - ended:.1f} s later: no gap.")


def lose_a_node(stage: Stage) -> None:
    stage.step("node3 fails: its daemon and its guest are killed. The guest goes on elsewhere.")
    with Console(stage, COUNTER) as console:
        console.wait_for(r"(?s)(count .*){10}\n", 20)
        stage.run("gnt-vcluster", "stop", "--crash", "--root", stage.folder, "node3")
        console.read(0.5)
        last = console.counts()[-1][0]
    stage.run("gnt-node", "modify", "--offline", "yes", "node3")
    stage.run("gnt-instance", "failover", "-f", "-n", "node2", COUNTER)
    with Console(stage, COUNTER) as console:
        console.wait_for(r"(?s)count .*\n", BOOT_SECONDS)
        seen = console.counts()[0][0]
    if seen < last - 2 * ON_DISK_EVERY:
        raise DemoFailed(f"it had counted to {last}, and after the failover only to {seen}")
    stage.say(f"It had counted to {last}; booted from the same disk, it goes on at {seen}.")
    stage.step("node3 comes back.")
    stage.run("gnt-vcluster", "start", "--root", stage.folder)
    stage.run("gnt-node", "modify", "--offline", "no", "node3")
    stage.say("What it still had to clean up is being done.")
    wait_for_clean_cluster(stage)


def wait_for_clean_cluster(stage: Stage) -> None:
    """Ask ``gnt-cluster verify`` until it finds nothing: debts are paid within seconds."""
    until = time.monotonic() + PAYING_SECONDS
    while True:
        try:
            stage.run("gnt-cluster", "verify", show=False)
            return
        except DemoFailed:
            if time.monotonic() > until:
                raise
        time.sleep(2.0)


def add_linux(stage: Stage) -> None:
    stage.step("A real Linux: Debian's kernel with busybox.")
    stage.say("(The kernel's package is fetched once, without installing it.)")
    try:
        told = stage.run(str(FETCH_KERNEL), show=False)
    except DemoFailed as exc:
        stage.say(f"Left out, the kernel could not be fetched: {exc}")
        return
    kernel = told.strip().splitlines()[-1]
    stage.run("gnt-instance", "add", "-t", "sharedfile", "-s", "16M", "-o", "busybox", "-B",
              "memory=128M", "-n", "node2", "-H", f"kvm:{kernel}", *NO_NETWORK, LINUX)
    with Console(stage, LINUX) as console:
        shell_prompt(console)
        console.type("uname -sr; echo up $(cut -d' ' -f1 /proc/uptime) seconds; echo 'do''ne'\n")
        console.wait_for(r"done\r?\n", 20)
        stage.say(f"$ gnt-instance console {LINUX}")
        for line in re.findall(r"(?m)^(?:Linux|up) .*", console.said):
            stage.say(f"  {line.strip()}")


def shell_prompt(console: Console) -> None:
    """Press Enter until a shell answers."""
    until = time.monotonic() + BOOT_SECONDS
    while not re.search(r"# $", console.said):
        if time.monotonic() > until:
            raise DemoFailed(f"no shell answers on the console: {console.said[-500:]!r}")
        console.type("\n")
        console.read(1.0)


def show(stage: Stage) -> None:
    stage.step("What there is now.")
    for words in (("gnt-instance", "list"), ("gnt-node", "list"), ("gnt-job", "list"),
                  ("gnt-cluster", "verify")):
        stage.run(*words)


def farewell(stage: Stage) -> None:
    command = f".venv/bin/gnt-vcluster env --root {shlex.quote(stage.folder)}"
    stage.step("Done. The cluster runs on:")
    stage.say(f'eval "$({command})"    # now this shell is on its master')
    stage.say(f"gnt-instance console {COUNTER}    # Ctrl-] leaves it")
    stage.say("gnt-instance list; gnt-cluster info; gnt-cluster plugins; gnt-job watch 1")
    stage.say("make demo-down      # ends everything and removes the files")


if __name__ == "__main__":
    sys.exit(main())
