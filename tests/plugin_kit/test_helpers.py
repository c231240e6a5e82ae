"""What authors get besides contracts: kept processes, disks that are files, programs to run."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ganeti_core.errors import BlockDeviceError
from ganeti_core.plugin_api import (
    Description,
    DiskSpec,
    HookContext,
    hookimpl,
    measure_host,
    processes,
    run_command,
)
from ganeti_core.plugin_api.data import DiskRequest
from ganeti_core.plugin_api.file_disks import FileDisks
from ganeti_core.plugin_api.testing.contexts import make_context
from ganeti_core.plugin_api.testing.contracts import DiskTemplateContract


@pytest.fixture
def ctx(tmp_path: Path) -> Iterator[HookContext]:
    ctx = make_context(tmp_path)
    yield ctx
    for name in processes.kept(ctx):
        processes.end(ctx, name)


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_kept_process_is_found_with_what_was_told_of_it(ctx: HookContext) -> None:
    processes.begin(ctx, "one", ["sleep", "100"], facts={"memory": 5, "tags": ["x"]})
    (one,) = processes.kept(ctx).values()
    assert (one.name, one.facts, one.stopped) == ("one", {"memory": 5, "tags": ["x"]}, False)
    assert len(one.pids) == 1


def test_drivers_and_nodes_do_not_see_each_others(ctx: HookContext, tmp_path: Path) -> None:
    processes.begin(ctx, "one", ["sleep", "100"])
    assert processes.kept(make_context(tmp_path / "elsewhere")) == {}
    assert processes.kept(replace(ctx, state=ctx.state.with_name("other"))) == {}


def test_it_is_there_as_soon_as_it_was_begun(ctx: HookContext) -> None:
    """It becomes setsid, the shell, env and sleep in turn, and is never out of sight."""
    for number in range(20):
        processes.begin(ctx, f"n{number}", ["env", "env", "sleep", "100"])
        for _ in range(5):
            assert len(processes.kept(ctx)) == number + 1


def test_what_it_prints_is_in_its_log(ctx: HookContext) -> None:
    processes.begin(ctx, "one", ["sh", "-c", "echo out; echo err >&2; echo $GREETING"],
                    env={"GREETING": "hello"})
    wait_until(lambda: not processes.kept(ctx))
    assert (ctx.logs / "one.log").read_text() == "out\nerr\nhello\n"


def test_it_can_be_halted_and_ended_all_the_same(ctx: HookContext) -> None:
    processes.begin(ctx, "one", [
        "sh", "-c", "trap 'echo bye; exit' TERM; echo ready; while :; do sleep 0.1; done"])
    wait_until(lambda: "ready" in (ctx.logs / "one.log").read_text())
    processes.pause(ctx, "one")
    assert processes.kept(ctx)["one"].stopped
    processes.end(ctx, "one", patience=20)
    assert (ctx.logs / "one.log").read_text().endswith("bye\n")
    assert processes.kept(ctx) == {}
    processes.pause(ctx, "one")
    processes.end(ctx, "one")


def test_one_that_starts_programs_all_the_time_can_be_halted(ctx: HookContext) -> None:
    """A shell waits, deaf to signals, until a program that it starts has begun."""
    processes.begin(ctx, "one", ["sh", "-c", "while :; do /bin/true; done"])
    wait_until(lambda: processes.kept(ctx))
    for _ in range(10):
        processes.pause(ctx, "one")
        assert processes.kept(ctx)["one"].stopped
        processes.send(ctx, "one", signal.SIGCONT)
    processes.end(ctx, "one")


def test_who_does_not_listen_is_killed_with_all_that_it_started(ctx: HookContext) -> None:
    processes.begin(ctx, "one", ["sh", "-c", "trap '' TERM; sleep 100 & sleep 100 & wait"])
    wait_until(lambda: len(processes.kept(ctx)["one"].pids) == 3)
    first = processes.kept(ctx)["one"].pids[0]
    assert Path(f"/proc/{first}/cwd").readlink() == ctx.state
    processes.end(ctx, "one", patience=0.1)
    assert processes.kept(ctx) == {}


def test_a_signal_can_spare_the_first_one(ctx: HookContext) -> None:
    assert not processes.send(ctx, "one", signal.SIGTERM)
    processes.begin(ctx, "one", ["sh", "-c", "while :; do sleep 100; done"])
    wait_until(lambda: len(processes.kept(ctx)["one"].pids) == 2)
    assert processes.send(ctx, "one", signal.SIGKILL, "others")
    assert "one" in processes.kept(ctx)


def test_a_signal_can_reach_the_first_one_alone(ctx: HookContext) -> None:
    processes.begin(ctx, "one", ["sh", "-c", "sleep 100; exit"])
    wait_until(lambda: len(processes.kept(ctx)["one"].pids) == 2)
    first, child = processes.kept(ctx)["one"].pids
    assert processes.send(ctx, "one", signal.SIGKILL, "first")
    wait_until(lambda: processes.kept(ctx)["one"].pids == (child,))
    assert first != child


def test_a_program_that_makes_itself_a_daemon_can_be_kept(ctx: HookContext) -> None:
    hop = "import os, sys, time; os.fork() and sys.exit(); os.setsid(); time.sleep(100)"
    subprocess.run([sys.executable, "-c", hop], env=processes.mark(ctx, "hopped"), check=True)
    assert processes.kept(ctx).keys() == {"hopped"}


def test_the_host_has_memory_and_processors() -> None:
    facts = measure_host(guests_mib=1.0, version="7")
    assert 0 < facts.memory_free <= facts.memory_total
    assert facts.memory_host < facts.memory_total
    assert facts.cpu_total >= 1
    assert facts.version == "7"


@pytest.mark.parametrize("words", [["false"], ["/no/such/program"], ["sleep", "100"]])
def test_a_program_that_fails_raises_what_the_contract_names(words: list[str]) -> None:
    with pytest.raises(BlockDeviceError, match=words[0]):
        run_command(words, timeout=0.2, error=BlockDeviceError)


class Plain(FileDisks):
    """Sparse files, and nothing of its own beside."""

    template = "sparse"

    @hookimpl
    def describe(self) -> Description:
        return Description(0, "Sparse files", capabilities=frozenset({"local_space"}))

    @hookimpl
    def verify(self) -> list[str]:
        return []

    def make(self, disk: DiskSpec, draft: Path) -> None:
        if disk.size > 2**30:
            raise BlockDeviceError(f"{disk.size} MiB is more than anybody has")
        with draft.open("wb") as file:
            file.truncate(disk.size * 1024**2)


class TestFileDisks(DiskTemplateContract):
    @pytest.fixture
    def driver(self) -> Plain:
        return Plain()


def test_a_disk_never_leads_out_of_the_drivers_folder(ctx: HookContext) -> None:
    disk = Plain().layout(DiskRequest("d1", 0, 8, "inst1"))
    wrong = replace(disk, logical_id=("../../../etc/passwd",))
    assert Plain().file_of(ctx, wrong) == ctx.keep / "passwd"
