"""Real containers: what bounds them, what reaches them, and what is left of them."""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from lxc_traces import NIC, ip, on_terminal, traces
from virtual_cluster import wait_until

from ganeti_core.plugin_api import (
    CommandFailed,
    DiskSpec,
    HookContext,
    HypervisorError,
    InstanceSpec,
    processes,
    run_command,
)
from ganeti_core.plugin_api.data import NodeRef
from ganeti_plugins.hv_lxc import LxcHypervisor, configuration, lifecycle
from ganeti_plugins.hv_lxc.containers import Container, Host

pytestmark = pytest.mark.needs_root

HERE = NodeRef("6fd1c8c4-7e8c-4b4e-9c0e-0d3a0a9a1f01", "node1.example.com", "127.0.0.1")
OUR_END, GUEST = "203.0.113.1", str(NIC.ip)


@pytest.fixture
def start(
    lxc: LxcHypervisor, lxc_ctx: HookContext, container_instance: InstanceSpec
) -> Callable[..., Container]:
    """Start the container with these parameters, and wait until it is ready."""
    def started(*, disks: tuple[DiskSpec, ...] = (), nics: Any = (), **hvparams: Any) -> Container:
        instance = replace(container_instance, hvparams=hvparams, nics=nics,
                           disks=disks or container_instance.disks)
        lxc.start(lxc_ctx, instance, False)
        return Host.here(lxc_ctx).container(instance.name)

    return started


def attach(container: Container, command: str) -> subprocess.CompletedProcess[str]:
    """Run a command inside."""
    return subprocess.run(
        container.program("lxc-attach", "--", "/bin/sh", "-c", command), text=True, timeout=60,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def inside(container: Container, command: str) -> str:
    done = attach(container, command)
    assert done.returncode == 0, done
    return done.stdout.strip()


def console_says(container: Container, what: str) -> None:
    def said() -> bool:
        return what in container.console_log.read_text(errors="replace")

    wait_until(said, f"the console says {what}")


@pytest.fixture
def bridge() -> Iterator[str]:
    name = f"gnt{os.getpid()}"
    ip("link", "add", name, "type", "bridge")
    try:
        ip("link", "set", "dev", name, "mtu", "1400", "up")
        ip("addr", "add", f"{OUR_END}/24", "dev", name)
        yield name
    finally:
        ip("link", "del", name)


def reaches(address: str) -> bool:
    return subprocess.run(["busybox", "ping", "-c", "1", "-W", "1", address], check=False,
                          capture_output=True, timeout=20).returncode == 0


# What bounds it

def test_memory_is_bounded_and_the_bound_moves_while_it_runs(
    start: Callable[..., Container], lxc: LxcHypervisor, lxc_ctx: HookContext,
    container_instance: InstanceSpec,
) -> None:
    container = start()
    hungry = "dd if=/dev/zero of=/dev/null bs=96M count=1"
    assert attach(container, hungry).returncode != 0
    lxc.set_memory(lxc_ctx, container_instance, 192)
    inside(container, hungry)
    assert [guest.memory for guest in lxc.running(lxc_ctx)] == [192]


def test_memory_that_it_holds_is_not_taken_away(
    start: Callable[..., Container], lxc: LxcHypervisor, lxc_ctx: HookContext,
    container_instance: InstanceSpec,
) -> None:
    container = start()
    hog = subprocess.Popen(container.program("lxc-attach", "--", "/bin/sh", "-c", (
        "dd if=/dev/zero bs=32M count=1 | (sleep 60; cat) >/dev/null")))
    wait_until(lambda: container.host.limits.held_memory(container.group) > 30, "32 MiB are held")
    with pytest.raises(HypervisorError, match=r"set to 8 MiB: it uses more|cannot have 8 MiB"):
        lxc.set_memory(lxc_ctx, container_instance, 8)
    found = lxc.info(lxc_ctx, container_instance)
    assert found is not None
    assert found.memory == 64
    container.kill()
    hog.wait(timeout=60)


def test_processors_are_those_of_the_mask_and_their_time_is_bounded(
    start: Callable[..., Container], lxc: LxcHypervisor, lxc_ctx: HookContext
) -> None:
    container = start(cpu_mask="0")
    assert inside(container, "nproc") == "1"
    assert container.host.limits.vcpus(container.group) == 1
    (found,) = lxc.running(lxc_ctx)
    assert found.cpu_time > 0


def test_devices_and_capabilities_are_those_that_are_allowed(
    start: Callable[..., Container]
) -> None:
    container = start(devices="c 1:3 rw,c 1:5 rw,c 5:* rw,c 136:* rw", num_ttys=1)
    inside(container, "echo x >/dev/null && head -c 1 /dev/zero")
    assert "Operation not permitted" in attach(container, "head -c 1 /dev/urandom").stdout
    assert "Operation not permitted" in attach(container, "mknod /tmp/x b 7 0").stdout
    assert "ermission denied" in attach(container, "mount -t tmpfs none /tmp").stdout or (
        "not permitted" in attach(container, "mount -t tmpfs none /tmp").stdout)


def test_lines_of_the_configuration_are_added(start: Callable[..., Container]) -> None:
    container = start(extra_config="lxc.environment = COLOUR=blue,lxc.signal.halt = SIGTERM")
    assert inside(container, "tr '\\0' ' ' </proc/1/environ").split().count("COLOUR=blue") == 1


# What reaches it

def test_a_card_reaches_through_its_bridge_and_back(
    start: Callable[..., Container], bridge: str, lxc: LxcHypervisor, lxc_ctx: HookContext
) -> None:
    container = start(nics=(replace(NIC, mode="bridged", link=bridge),))
    inside(container, f"ip addr add {GUEST}/24 dev eth0")
    assert f"link/ether {NIC.mac}" in inside(container, "ip link show eth0")
    assert "mtu 1400" in inside(container, "ip link show eth0")
    wait_until(lambda: reaches(GUEST), "the container is reached")
    inside(container, f"ping -c 1 -W 5 {OUR_END}")
    # What it has used of its node is counted.
    (used,) = lxc.usage(lxc_ctx)
    assert (used.name, used.cpu_seconds > 0, used.memory > 0) == (container.name, True, True)
    (card,) = used.nics
    assert (card.index, card.sent_packets >= 1, card.received_packets >= 1) == (0, True, True)
    assert card.sent_bytes >= 60
    (disk,) = used.disks
    assert (disk.index, disk.reads >= 1, disk.read_bytes >= 1024) == (0, True, True)
    inside(container, "dd if=/dev/zero of=/x bs=4096 count=2 conv=fsync")
    assert lxc.usage(lxc_ctx)[0].disks[0].written_bytes >= disk.written_bytes + 8192


def test_a_card_is_routed_to(start: Callable[..., Container]) -> None:
    container = start(nics=(replace(NIC, mode="routed"),))
    device = container.cards.device(NIC)
    assert f"{GUEST} dev {device}" in ip("route", "show")
    inside(container, f"ip addr add {GUEST}/32 dev eth0 && ip route add default dev eth0")
    ip("addr", "add", f"{OUR_END}/32", "dev", "lo")
    try:
        wait_until(lambda: reaches(GUEST), "the container is reached")
    finally:
        ip("addr", "del", f"{OUR_END}/32", "dev", "lo")


def test_a_start_with_a_card_that_cannot_be_attached_leaves_nothing(
    start: Callable[..., Container], lxc_ctx: HookContext
) -> None:
    with pytest.raises(HypervisorError, match=r"NIC 0 .*Missing bridges gntnowhere"):
        start(nics=(replace(NIC, mode="bridged", link="gntnowhere"),))
    assert list(traces(lxc_ctx)) == []
    assert list(lxc_ctx.state.iterdir()) == []


def test_its_console_is_a_terminal_with_what_it_says(
    start: Callable[..., Container], lxc: LxcHypervisor, lxc_ctx: HookContext,
    container_instance: InstanceSpec,
) -> None:
    for ttys in (0, 2):
        container = start(num_ttys=ttys)
        instance = replace(container_instance, hvparams={"num_ttys": ttys})
        console = lxc.console(lxc_ctx, instance, HERE)
        assert (console.kind, console.host) == ("ssh", HERE.name)
        assert "uid=0" in on_terminal(console.command, "id", "uid=")
        container.kill()


def test_what_it_says_does_not_fill_the_disk_of_its_node(
    start: Callable[..., Container], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(configuration, "CONSOLE_LOG", "16KB")
    container = start(num_ttys=0)
    inside(container, "i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); done >/dev/console")
    logs = [container.console_log, container.console_log.with_suffix(".log.1")]
    wait_until(lambda: "line 2999" in "".join(
        log.read_text(errors="replace") for log in logs if log.exists()), "all was said")
    assert all(log.stat().st_size <= 16 << 10 for log in logs)
    assert sorted(container.ctx.logs.glob(f"{container.name}.console*")) == logs


# How it lives and ends

def test_a_paused_one_stands_still_until_it_is_rebooted(
    lxc: LxcHypervisor, lxc_ctx: HookContext, container_instance: InstanceSpec
) -> None:
    lxc.start(lxc_ctx, container_instance, True)
    container = Host.here(lxc_ctx).container(container_instance.name)
    used = container.host.limits.cpu_seconds(container.group)
    time.sleep(0.3)
    assert container.host.limits.cpu_seconds(container.group) == used
    lxc.reboot(lxc_ctx, container_instance)
    console_says(container, "CONTAINER READY name=inst1.example.com")


def test_it_shuts_down_when_asked_and_its_files_stay(
    start: Callable[..., Container], lxc: LxcHypervisor, lxc_ctx: HookContext,
    container_instance: InstanceSpec,
) -> None:
    container = start()
    console_says(container, "before=nothing")
    counted = "cat /root/count 2>/dev/null || true"
    wait_until(lambda: int(inside(container, counted) or 0) > 1, "it counts")
    lxc.stop(lxc_ctx, container_instance, False, 30.0)
    assert "POWEROFF" in container.console_log.read_text()
    start()
    wait_until(lambda: container.console_log.read_text().count("READY") == 2, "it is back")
    assert "before=nothing" not in container.console_log.read_text().splitlines()[-1]


def test_one_that_cannot_be_asked_keeps_its_time(
    start: Callable[..., Container], lxc: LxcHypervisor, lxc_ctx: HookContext,
    container_instance: InstanceSpec, monkeypatch: pytest.MonkeyPatch,
) -> None:
    container = start()
    console_says(container, "READY")
    asked = []

    def run(words: list[str], **more: Any) -> Any:
        asked.append(words[0])
        if len(asked) == 1:
            raise CommandFailed("lxc-stop took too long")
        return run_command(words, **more)

    monkeypatch.setattr(lifecycle, "run_command", run)
    lxc.stop(lxc_ctx, container_instance, False, 120.0)
    assert "POWEROFF" in container.console_log.read_text()


def test_one_that_does_not_listen_is_killed_after_its_time(
    start: Callable[..., Container], lxc: LxcHypervisor, lxc_ctx: HookContext,
    container_instance: InstanceSpec,
) -> None:
    start(extra_config="lxc.init.cmd = /bin/sleep 1000")
    begun = time.monotonic()
    lxc.stop(lxc_ctx, container_instance, False, 0.7)
    assert time.monotonic() - begun >= 0.7
    assert lxc.running(lxc_ctx) == []
    assert list(traces(lxc_ctx)) == []


def test_one_that_ends_by_itself_leaves_no_device_and_no_mount(
    start: Callable[..., Container], lxc: LxcHypervisor, lxc_ctx: HookContext, bridge: str
) -> None:
    container = start(nics=(replace(NIC, mode="bridged", link=bridge),))
    console_says(container, "READY")
    inside(container, "kill -TERM 1")
    wait_until(lambda: not container.has_helpers(), "LXC has tidied up")
    assert lxc.running(lxc_ctx) == []
    assert [trace for trace in traces(lxc_ctx) if "/cgroup/" not in trace] == []
    assert lxc.recover(lxc_ctx) == [f"cleared away what {container.name} left"]
    assert list(traces(lxc_ctx)) == []
    assert list(lxc_ctx.state.iterdir()) == []


def test_one_whose_monitor_is_killed_ends_and_is_cleared_away(
    start: Callable[..., Container], lxc: LxcHypervisor, lxc_ctx: HookContext, bridge: str
) -> None:
    container = start(nics=(replace(NIC, mode="bridged", link=bridge),))
    processes.send(lxc_ctx, container.name, signal.SIGKILL)
    wait_until(lambda: not container.is_running(), "the container ends")
    assert lxc.recover(lxc_ctx) == [f"cleared away what {container.name} left"]
    assert list(traces(lxc_ctx)) == []


def test_state_of_a_newer_version_is_left_alone(
    start: Callable[..., Container], lxc: LxcHypervisor, lxc_ctx: HookContext,
    container_instance: InstanceSpec,
) -> None:
    container = start()
    (container.folder / "runtime.json").write_text('{"version": 99}')
    assert lxc.recover(lxc_ctx) == [f"found {container.name} again"]
    container.group.send_kill()
    wait_until(lambda: not container.has_helpers(), "LXC has tidied up")
    assert "left inst1.example.com alone" in lxc.recover(lxc_ctx)[0]
    assert container.folder.exists()
    lxc.stop(lxc_ctx, container_instance, True, 0.0)
    assert list(traces(lxc_ctx)) == []


# What is on its disk

def test_the_first_partition_is_taken_where_there_are_partitions(
    start: Callable[..., Container], container_instance: InstanceSpec, tmp_path: Path
) -> None:
    image = Path(container_instance.disks[0].path).read_bytes()
    path, first = tmp_path / "parted.raw", 2048
    entry = struct.pack("<8xII", first, len(image) // 512)
    entry = bytes([0, 0, 2, 0, 0x83, 0, 0, 0]) + entry[8:]
    table = bytes(446) + entry + bytes(48) + b"\x55\xaa"
    path.write_bytes(table.ljust(first * 512, b"\0") + image)
    container = start(disks=(replace(container_instance.disks[0], path=str(path)),))
    assert inside(container, "cat /etc/hostname") == "inst1.example.com"


def test_a_block_device_is_mounted_itself(
    start: Callable[..., Container], lxc: LxcHypervisor, lxc_ctx: HookContext,
    container_instance: InstanceSpec,
) -> None:
    loop = subprocess.run(["losetup", "--find", "--show", container_instance.disks[0].path],
                          check=True, capture_output=True, text=True, timeout=20).stdout.strip()
    try:
        container = start(disks=(replace(container_instance.disks[0], path=loop),))
        assert inside(container, "mount").startswith(f"{loop} on / type ext4")
        lxc.stop(lxc_ctx, container_instance, False, 30.0)
    finally:
        subprocess.run(["losetup", "--detach", loop], check=True, timeout=20)


@pytest.mark.parametrize(("case", "message"), [
    ("empty", "no file system and no partition table: the OS definition must make one"),
    ("no init", "/sbin/init"), ("none", "has 0 disks: a guest of hypervisor lxc has one"),
    ("two", "has 2 disks"), ("only by address", "is no device or file of the node")])
def test_a_disk_that_cannot_be_booted_is_named_and_nothing_is_left(
    lxc: LxcHypervisor, lxc_ctx: HookContext, container_instance: InstanceSpec, tmp_path: Path,
    case: str, message: str,
) -> None:
    disk = replace(container_instance.disks[0], path=str(tmp_path / "odd.raw"))
    (tmp_path / "odd.raw").write_bytes(bytes(8 << 20))
    disks: dict[str, tuple[DiskSpec, ...]] = {
        "none": (), "two": (disk, disk), "only by address": (
            replace(disk, path="", uris={"kvm": "rbd:pool/x"}),)}
    if case == "no init":
        (tmp_path / "bare").mkdir()
        subprocess.run(["mke2fs", "-q", "-F", "-d", str(tmp_path / "bare"), disk.path], check=True,
                       timeout=60)
    with pytest.raises(HypervisorError, match=message):
        lxc.start(lxc_ctx, replace(container_instance, disks=disks.get(case, (disk,))), False)
    assert list(traces(lxc_ctx)) == []
    assert list(lxc_ctx.state.iterdir()) == []
