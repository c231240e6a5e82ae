"""The driver lxc on the machine on which this runs, whose cgroups are of version 2 alone."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ganeti_core.plugin_api import DiskSpec, HookContext, HypervisorError, InstanceSpec
from ganeti_core.plugin_api.data import NodeRef
from ganeti_core.plugin_api.testing.contexts import make_context
from ganeti_plugins.hv_lxc import LxcHypervisor
from ganeti_plugins.hv_lxc.conformance import DEFINITION

LXC = LxcHypervisor()
HERE = NodeRef("c0ffee00-0000-4000-8000-0000000000a1", "node1.example.com", "10.79.0.11")
IMAGE = Path("/srv/container.raw")
PATIENCE = 300.0
INSTANCE = InstanceSpec(
    uuid="c0ffee00-0000-4000-8000-000000000001", name="web.example.com", hypervisor="lxc",
    hvparams={"cpu_mask": "0"}, beparams={"maxmem": 64, "minmem": 32, "vcpus": 1},
    disks=(DiskSpec("d15c0000-0000-4000-8000-000000000001", 0, "file", 16, path=str(IMAGE)),))


@pytest.fixture(scope="module")
def ctx() -> Iterator[HookContext]:
    with IMAGE.open("wb") as file:
        file.truncate(16 << 20)
    subprocess.run([DEFINITION / "create"], cwd=DEFINITION, check=True, env={
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DISK_COUNT": "1", "DISK_0_PATH": str(IMAGE),
        "DISK_0_ACCESS": "rw", "INSTANCE_NAME": INSTANCE.name})
    made = make_context(Path("/srv/lxc"))
    yield made
    LXC.stop(made, INSTANCE, True, 0.0)
    assert list(Path("/sys/fs/cgroup").glob("ganeti.*")) == []
    assert subprocess.run(["losetup", "-a"], capture_output=True, text=True).stdout == ""


@pytest.fixture
def running(ctx: HookContext) -> Callable[[str], str]:
    """Run a script in the container, which runs and has its full memory; return what it prints."""
    def attached(script: str) -> str:
        done = subprocess.run(
            ["lxc-attach", "-P", ctx.state, "-n", INSTANCE.name, "--clear-env", "--",
             "/bin/busybox", "sh", "-c", script],
            capture_output=True, text=True, stdin=subprocess.DEVNULL)
        return done.stdout + done.stderr

    found = LXC.info(ctx, INSTANCE)
    if found is None:
        LXC.start(ctx, INSTANCE, False)
    elif found.memory != INSTANCE.memory:
        LXC.set_memory(ctx, INSTANCE, INSTANCE.memory)
    return attached


def group() -> Path:
    (found,) = (one for one in Path("/sys/fs/cgroup").glob("ganeti.*")
                if not one.name.endswith(".monitor"))
    return found


def read(name: str) -> str:
    return (group() / name).read_text().strip()


def until(condition: Callable[[], Any], what: str) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.2)


def test_the_node_is_fit_for_containers(ctx: HookContext) -> None:
    assert Path("/sys/fs/cgroup/cgroup.controllers").exists()
    assert LXC.verify(ctx) == []


def test_a_container_starts_within_its_limits(
    ctx: HookContext, running: Callable[[str], str]
) -> None:
    (found,) = LXC.running(ctx)
    assert (found.state, found.memory, found.vcpus) == ("running", 64, 1)
    assert (read("memory.max"), read("memory.swap.max"), read("cpu.max"), read("cpuset.cpus")) == (
        str(64 << 20), "0", "100000 100000", "0")
    assert running("echo $((6 * 7)); hostname") == f"42\n{INSTANCE.name}\n"
    (used,) = LXC.usage(ctx)
    assert used.cpu_seconds > 0
    assert used.memory > 0


def test_what_holds_more_memory_than_it_may_is_ended_alone(
    ctx: HookContext, running: Callable[[str], str]
) -> None:
    running("busybox dd if=/dev/zero of=/dev/null bs=96M count=1")
    assert int(read("memory.events").split("oom_kill ")[1].split()[0]) > 0
    assert [one.state for one in LXC.running(ctx)] == ["running"]


def test_processor_time_is_bounded(ctx: HookContext, running: Callable[[str], str]) -> None:
    (group() / "cpu.max").write_text("5000 100000")
    running("busybox timeout 5 busybox sh -c 'while :; do :; done'")
    counts = dict(line.split() for line in read("cpu.stat").splitlines())
    assert int(counts["nr_throttled"]) > 0
    assert LXC.info(ctx, INSTANCE) is not None
    (group() / "cpu.max").write_text("100000 100000")


def test_devices_that_are_not_allowed_cannot_be_opened(running: Callable[[str], str]) -> None:
    assert running("busybox head -c 4 /dev/zero | busybox wc -c") == "4\n"
    said = running("busybox mknod /tmp/disk b 254 0 && busybox head -c 4 /tmp/disk;"
                   " busybox mknod /tmp/mem c 1 1 && busybox head -c 4 /tmp/mem")
    assert said.count("Operation not permitted") == 2, said


def test_memory_changes_while_it_runs_but_not_below_what_it_holds(
    ctx: HookContext, running: Callable[[str], str]
) -> None:
    LXC.set_memory(ctx, INSTANCE, 48)
    assert read("memory.max") == str(48 << 20)
    assert [one.memory for one in LXC.running(ctx)] == [48]
    holder = subprocess.Popen(
        ["lxc-attach", "-P", ctx.state, "-n", INSTANCE.name, "--", "/bin/busybox", "sh", "-c",
         "x=$(busybox head -c 12000000 /dev/zero | busybox tr '\\0' x); echo held; read line"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(HypervisorError, match="its processes hold"):
            LXC.set_memory(ctx, INSTANCE, 8)
        assert read("memory.max") == str(48 << 20)
    finally:
        holder.kill()
        holder.wait()


def test_it_is_frozen_until_it_may_go_on(
    ctx: HookContext, running: Callable[[str], str]
) -> None:
    LXC.stop(ctx, INSTANCE, True, 0.0)
    LXC.start(ctx, INSTANCE, True)
    assert [one.state for one in LXC.running(ctx)] == ["paused"]
    assert "frozen 1" in read("cgroup.events")
    LXC.start(ctx, INSTANCE, False)
    (group() / "cgroup.freeze").write_text("0")
    until(lambda: [one.state for one in LXC.running(ctx)] == ["running"], "it goes on")
    assert running("echo on") == "on\n"


def test_its_console_is_a_command_of_the_node(
    ctx: HookContext, running: Callable[[str], str]
) -> None:
    told = LXC.console(ctx, INSTANCE, HERE)
    assert (told.kind, told.host) == ("ssh", HERE.name)
    assert told.command[0] == "lxc-console"


def test_it_reboots_and_shuts_down(ctx: HookContext, running: Callable[[str], str]) -> None:
    running("echo 1 > /dev/shm/mark || echo 1 > /tmp/mark")
    LXC.reboot(ctx, INSTANCE)
    assert [one.state for one in LXC.running(ctx)] == ["running"]
    LXC.stop(ctx, INSTANCE, False, PATIENCE)
    assert LXC.running(ctx) == []
    assert list(Path("/sys/fs/cgroup").glob("ganeti.*")) == []


def test_what_cannot_start_leaves_nothing(ctx: HookContext) -> None:
    LXC.stop(ctx, INSTANCE, True, 0.0)
    gone = replace(INSTANCE.disks[0], path="/srv/gone.raw")
    with pytest.raises(HypervisorError, match=r"gone\.raw"):
        LXC.start(ctx, replace(INSTANCE, disks=(gone,)), False)
    assert LXC.running(ctx) == []
    assert list(Path("/sys/fs/cgroup").glob("ganeti.*")) == []
