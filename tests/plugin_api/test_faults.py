"""Faults on order: each mode does what it says, counts are kept, a real driver can be wrapped."""

import multiprocessing
import signal
import threading
import time
from pathlib import Path

import pluggy
import pytest

from ganeti_core.errors import BlockDeviceError, HypervisorError, OpExecError
from ganeti_core.plugin_api import DiskSpec, HookContext, hookimpl
from ganeti_core.plugin_api.data import OpenDisk
from ganeti_core.plugin_api.disk import DISK_TEMPLATES, DiskTemplateSpec
from ganeti_core.plugin_api.testing.contexts import make_context
from ganeti_core.plugin_api.testing.faults import (
    FaultInjection,
    steerable,
    take_fault,
    write_faults,
)

NOBODY: frozenset[str] = frozenset()
FORK = multiprocessing.get_context("fork")


class Driver:
    """Writes down what it did."""

    @steerable("faults.json", HypervisorError)
    def start(self, ctx: HookContext, name: str) -> str:
        (ctx.state / name).touch()
        return "done"


@pytest.fixture
def ctx(tmp_path: Path) -> HookContext:
    return make_context(tmp_path)


@pytest.fixture
def control(ctx: HookContext) -> Path:
    return ctx.root / "etc/ganeti/faults.json"


def test_nothing_fails_without_a_control_file(ctx: HookContext) -> None:
    assert Driver().start(ctx, "a") == "done"


def test_fail_strikes_as_often_as_told_and_only_its_instance(
    ctx: HookContext, control: Path
) -> None:
    write_faults(control, {"start": {"mode": "fail", "times": 2, "instance": "a"}})
    assert Driver().start(ctx, "b") == "done"
    for _ in range(2):
        with pytest.raises(HypervisorError, match="on order"):
            Driver().start(ctx, "a")
    assert not (ctx.state / "a").exists()
    assert Driver().start(ctx, "a") == "done"


def test_fail_afterwards_leaves_what_was_done(ctx: HookContext, control: Path) -> None:
    write_faults(control, {"start": [{"mode": "fail", "when": "after", "message": "too late"}]})
    with pytest.raises(HypervisorError, match="too late"):
        Driver().start(ctx, "a")
    assert (ctx.state / "a").exists()


def test_skip_answers_without_acting(ctx: HookContext, control: Path) -> None:
    write_faults(control, {"start": {"mode": "skip"}})
    assert Driver().start(ctx, "a") is None
    assert not (ctx.state / "a").exists()


@pytest.mark.parametrize(("when", "acted"), [("before", False), ("after", True)])
def test_die_kills_the_process(ctx: HookContext, control: Path, when: str, acted: bool) -> None:
    write_faults(control, {"start": {"mode": "die", "when": when}})
    process = FORK.Process(target=Driver().start, args=(ctx, "a"))
    process.start()
    process.join(10)
    assert process.exitcode == -signal.SIGKILL
    assert (ctx.state / "a").exists() is acted


def test_slow_acts_first(ctx: HookContext, control: Path) -> None:
    write_faults(control, {"start": {"mode": "slow", "seconds": 0.05}})
    before = time.monotonic()
    assert Driver().start(ctx, "a") == "done"
    assert time.monotonic() - before >= 0.05


def test_block_waits_until_the_rule_is_gone(ctx: HookContext, control: Path) -> None:
    write_faults(control, {"start": {"mode": "block", "times": 1}})
    thread = threading.Thread(target=Driver().start, args=(ctx, "a"))
    thread.start()
    deadline = time.monotonic() + 10
    while '"times": 0' not in control.read_text() and time.monotonic() < deadline:
        time.sleep(0.005)
    thread.join(0.05)
    assert thread.is_alive()
    assert not (ctx.state / "a").exists()
    write_faults(control, {})
    thread.join(10)
    assert (ctx.state / "a").exists()


def test_a_count_holds_among_processes(control: Path) -> None:
    write_faults(control, {"start": {"mode": "fail", "times": 10}})
    with FORK.Pool(4) as pool:
        taken = pool.starmap(take_fault, [(control, "start", NOBODY)] * 40)
        pool.close()
        pool.join()
    assert sum(fault is not None for fault in taken) == 10


@pytest.mark.parametrize("text", ["{", "[]", '{"start": {"mode": "explode"}}'])
def test_a_control_file_with_a_mistake_is_no_silent_pass(
    ctx: HookContext, control: Path, text: str
) -> None:
    control.write_text(text)
    with pytest.raises(OpExecError, match=r"faults\.json"):
        Driver().start(ctx, "a")


class Disks:
    """Only what the wrapper's test needs of a disk template."""

    @hookimpl
    def remove(self, ctx: HookContext, disk: DiskSpec) -> None:
        (ctx.state / "acted").touch()

    @hookimpl
    def open(self, disk: DiskSpec) -> OpenDisk:
        return OpenDisk(f"/dev/{disk.uuid}")


@pytest.fixture
def wrapped() -> DiskTemplateSpec:
    manager = pluggy.PluginManager("ganeti")
    manager.add_hookspecs(DISK_TEMPLATES.spec)
    for spec in DISK_TEMPLATES.specs[1:]:
        manager.add_hookspecs(spec)
    manager.register(Disks())
    manager.register(FaultInjection(DISK_TEMPLATES))
    manager.check_pending()
    return manager.hook  # type: ignore[return-value] # pluggy makes the hooks of the contract


def test_a_real_driver_can_be_made_to_fail(wrapped: DiskTemplateSpec, ctx: HookContext) -> None:
    disk = DiskSpec(uuid="d1", index=0, template="any", size=1)
    control = ctx.root / "etc/ganeti/disk_templates-faults.json"
    write_faults(control, {"remove": [{"mode": "fail", "times": 1, "instance": "d1"},
                                      {"mode": "fail", "times": 1, "when": "after"}]})
    with pytest.raises(BlockDeviceError, match="remove fails on order"):
        wrapped.remove(ctx=ctx, disk=disk)
    assert not (ctx.state / "acted").exists()
    with pytest.raises(BlockDeviceError):
        wrapped.remove(ctx=ctx, disk=disk)
    assert (ctx.state / "acted").exists()
    wrapped.remove(ctx=ctx, disk=disk)
    assert wrapped.open(ctx=ctx, disk=disk, exclusive=True).path == "/dev/d1"
