"""The driver xen-pvm on the Xen of the machine on which this runs: domains, their ends and limits.

The driver is called as a node daemon does, in one process: emulated, a start of Python in the first
domain takes as long as a domain's.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from domain_of_lab import CARD, DISK, INSTANCE, NAME, PATIENCE, VOLUME, node, shell, typed

from ganeti_core.plugin_api import HookContext, HypervisorError
from ganeti_core.plugin_api.data import NodeRef
from ganeti_plugins.hv_xen import XenPvmHypervisor

XEN = XenPvmHypervisor()
HERE = NodeRef("c0ffee00-0000-4000-8000-0000000000a1", "node1.example.com", "10.79.0.11")


@pytest.fixture(scope="module")
def ctx() -> Iterator[HookContext]:
    yield node()
    XEN.stop(node(), INSTANCE, True, 0.0)
    assert names() == ["Domain-0"]
    assert shell("losetup -a; ip -br link | grep vif || true") == ""


@pytest.fixture(scope="module")
def console(ctx: HookContext) -> Callable[[str, str], str]:
    """Type a line at the console of the domain that runs; it is a module's, as a boot is dear."""
    told = XEN.console(ctx, INSTANCE, HERE)
    assert (told.kind, told.host) == ("ssh", HERE.name)
    return lambda line, expected: typed(told.command, line, expected)


@pytest.fixture
def running(ctx: HookContext, console: Callable[[str, str], str]) -> Callable[[str, str], str]:
    """The console of the domain, which runs and has its full memory."""
    found = XEN.info(ctx, INSTANCE)
    if found is None or found.state != "running":
        XEN.start(ctx, INSTANCE, False)
    if found is None or found.memory != INSTANCE.memory:
        XEN.set_memory(ctx, INSTANCE, INSTANCE.memory)
    word = f"up{time.monotonic_ns()}"  # a new console begins with what nobody has read
    console(f"say {word}", f"GUEST SAYS {word}")
    return console


def names() -> list[str]:
    return shell("xl list | tail -n +2 | cut -d ' ' -f 1").split()


def shown(column: int) -> int:
    """A number of the domain's line: 1 is its own, 2 its memory; 0 where there is no domain."""
    rows = [line.split() for line in shell("xl list").splitlines()]
    return next((int(row[column]) for row in rows if row[0] == NAME), 0)


def until(condition: Callable[[], Any], what: str) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(2.0)  # each look takes from the time in which xl must make a domain's parts


def is_anew(ctx: HookContext, number: int) -> bool:
    """Whether a later domain runs. One that is being made is paused, and has no console yet: xl
    would wait 5 s for one, and give up."""
    return shown(1) > number and [one.state for one in XEN.running(ctx)] == ["running"]


def test_a_node_of_xen_says_what_it_has(ctx: HookContext) -> None:
    assert XEN.verify(ctx) == []
    facts = XEN.host_facts(ctx)
    assert facts.version == "4.17"
    assert (facts.cpu_total, facts.cpu_sockets, facts.cpu_nodes, facts.cpu_host) == (1, 1, 1, 1)
    first = int(shell("xl list 0 | tail -1").split()[2])
    assert first <= facts.memory_host < first + 64, "the first domain's, and a little of Xen's own"
    assert facts.memory_host + facts.memory_free == facts.memory_total


def test_a_domain_starts_with_its_disk_and_card(
    ctx: HookContext, running: Callable[[str, str], str]
) -> None:
    before = XEN.host_facts(ctx)
    (found,) = XEN.running(ctx)
    assert (found.name, found.state, found.memory, found.vcpus) == (NAME, "running", 128, 1)
    assert (before.memory_total - before.memory_free - before.memory_host) == 128
    size = int(shell(f"blockdev --getsz {VOLUME}"))
    running("seen", f"GUEST SEES disk={size} cards=1")
    running("write precious", "GUEST WROTE")
    assert shell(f"head -c 8 {VOLUME}") == "precious"
    assert f"vif{shown(1)}.0" in shell("ip -br link show master br0")
    (used,) = XEN.usage(ctx)
    assert used.cpu_seconds > 0
    assert used.disks[0].written_bytes > 0
    assert used.nics[0].index == 0
    number = shown(1)
    XEN.start(ctx, INSTANCE, False)
    assert shown(1) == number, "one that runs is left alone"


def test_memory_changes_while_it_runs_and_not_beyond_the_most(
    ctx: HookContext, running: Callable[[str, str], str]
) -> None:
    number, free = shown(1), XEN.host_facts(ctx).memory_free
    XEN.set_memory(ctx, INSTANCE, 96)
    until(lambda: shown(2) == 96, "the guest gives memory back")
    assert XEN.host_facts(ctx).memory_free == free + 32
    assert [one.memory for one in XEN.running(ctx)] == [96]
    with pytest.raises(HypervisorError, match="memory_dynamic_max must be less"):
        XEN.set_memory(ctx, INSTANCE, 4096)
    assert [one.memory for one in XEN.running(ctx)] == [96]
    XEN.set_memory(ctx, INSTANCE, 128)
    until(lambda: shown(2) == 128, "the guest takes it again")
    assert shown(1) == number


def test_it_reboots_from_outside_and_from_inside(
    ctx: HookContext, running: Callable[[str, str], str]
) -> None:
    first = shown(1)
    XEN.reboot(ctx, INSTANCE)
    second = shown(1)
    assert second > first
    running("say again", "GUEST SAYS again")
    with suppress(TimeoutError):  # the console may be gone before all that it has is read
        running("reboot", "Restarting system")
    until(lambda: is_anew(ctx, second), "Xen makes it anew")
    running("say again", "GUEST SAYS again")
    assert [one.state for one in XEN.running(ctx)] == ["running"]


def test_one_that_crashes_is_made_anew(
    ctx: HookContext, running: Callable[[str, str], str]
) -> None:
    first = shown(1)
    with pytest.raises(TimeoutError, match="ended"):
        running("crash", "never said")
    until(lambda: is_anew(ctx, first), "Xen makes it anew")
    running("say again", "GUEST SAYS again")


def test_one_that_powers_itself_off_is_told_from_one_that_is_stopped(
    ctx: HookContext, running: Callable[[str, str], str]
) -> None:
    running("poweroff", "System halted")
    until(lambda: [one.state for one in XEN.running(ctx)] == ["user-down"], "it is seen")
    XEN.start(ctx, INSTANCE, True)
    assert [one.state for one in XEN.running(ctx)] == ["paused"]
    XEN.stop(ctx, INSTANCE, False, PATIENCE)
    assert (XEN.running(ctx), names()) == ([], ["Domain-0"])


def test_a_stop_asks_the_guest_first(
    ctx: HookContext, running: Callable[[str, str], str]
) -> None:
    XEN.stop(ctx, INSTANCE, False, PATIENCE)
    assert names() == ["Domain-0"]
    log = Path(f"/var/log/xen/guest-{NAME}.log").read_text(errors="replace")
    assert log.rstrip().endswith("System halted"), "the guest itself has ended"
    XEN.stop(ctx, INSTANCE, False, 1.0)


@pytest.mark.parametrize(("change", "message"), [
    ({"hvparams": {**INSTANCE.hvparams, "kernel_path": "/srv/none"}},
     "kernel_path='/srv/none'"),
    ({"hvparams": {**INSTANCE.hvparams, "kernel_path": "/etc/hostname"}},
     "is not bootable|invalid kernel|xc_dom_find_loader"),
    ({"beparams": {"maxmem": 8192, "minmem": 8192, "vcpus": 1}}, "memory"),
    ({"disks": (replace(DISK, path="/dev/xenvg/none"),)}, "/dev/xenvg/none"),
    ({"nics": (replace(CARD, link="br9", bridge="br9"),)}, "br9|vif"),
], ids=["no kernel", "no kernel's content", "too much memory", "no disk", "no bridge"])
def test_what_cannot_start_is_refused_and_leaves_nothing(
    ctx: HookContext, change: dict[str, Any], message: str
) -> None:
    XEN.stop(ctx, INSTANCE, True, 0.0)
    with pytest.raises(HypervisorError, match=message) as refused:
        XEN.start(ctx, replace(INSTANCE, **change), False)
    print(refused.value.message)
    assert (XEN.running(ctx), names()) == ([], ["Domain-0"])
    assert list(ctx.state.iterdir()) == []
    assert subprocess.run(["pgrep", "-x", "xl"], check=False).returncode == 1
