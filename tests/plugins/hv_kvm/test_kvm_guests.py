"""Real guests: they boot, answer, stop, reboot, and outlive the process that started them."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path

import pytest
from fake_qemu import fake_qemu
from kvm_serial import COUNTS, LONGEST, Serial, serial_path

from ganeti_core.plugin_api import (
    HookContext,
    HypervisorError,
    InstanceSpec,
    NicSpec,
    NodeRef,
    unix_sockets,
)
from ganeti_core.plugin_api.codec import encode
from ganeti_core.plugin_api.data import MigrationTarget
from ganeti_core.plugin_api.testing.contexts import make_context
from ganeti_core.plugin_api.testing.footprint import Footprint
from ganeti_core.query.consoles import attaching
from ganeti_plugins.hv_kvm import KvmHypervisor
from ganeti_plugins.hv_kvm.qmp import Qmp

pytestmark = pytest.mark.needs_qemu

HERE = NodeRef("6fd1c8c4-7e8c-4b4e-9c0e-0d3a0a9a1f01", "node1.example.com", "127.0.0.1")


def pid_of(ctx: HookContext, name: str) -> int:
    return int((ctx.state / name / "pid").read_text())


def kvm_control(ctx: HookContext, name: str) -> Qmp:
    return Qmp.connect(ctx.state / name / "control")


def with_params(instance: InstanceSpec, **params: object) -> InstanceSpec:
    return replace(instance, hvparams={**instance.hvparams, **params})


def test_a_guest_counts_and_answers_on_its_console(
    kvm: KvmHypervisor, ctx: HookContext, guest_instance: InstanceSpec
) -> None:
    kvm.start(ctx, guest_instance, False)
    with Serial(ctx, guest_instance.name) as serial:
        serial.wait_for(COUNTS)
        serial.send("x")
        serial.wait_for("got x")
    info = kvm.info(ctx, guest_instance)
    assert info is not None
    assert info.cpu_time > 0


def test_a_guest_whose_host_was_too_busy_for_it_counts_on(
    kvm: KvmHypervisor, ctx: HookContext, guest_instance: InstanceSpec, tmp_path: Path
) -> None:
    """It gets several ticks of its clock at once then: here a debugger sets the clock on."""
    kvm.start(ctx, guest_instance, False)
    with Serial(ctx, guest_instance.name) as serial:
        serial.wait_for(COUNTS)
        with Qmp.connect(ctx.state / guest_instance.name / "control") as qmp:
            qmp.execute("human-monitor-command", {
                "command-line": f"gdbserver unix:{tmp_path}/gdb,server=on,wait=off"})
        with unix_sockets.connect(tmp_path / "gdb", LONGEST) as debugger:
            ticks = int.from_bytes(bytes.fromhex(asked(debugger, "m46c,4")), "little")
            assert asked(debugger, f"M46c,4:{(ticks + 5).to_bytes(4, 'little').hex()}") == "OK"
            assert asked(debugger, "D") == "OK"
        for _ in range(3):
            serial.wait_for(COUNTS, fresh=True)


def asked(debugger: socket.socket, command: str) -> str:
    """Give QEMU a command in GDB's remote protocol."""
    packet = f"${command}#{sum(command.encode()) % 256:02x}"
    debugger.sendall(packet.encode())
    said = ""
    while not (found := re.search(r"\$([^#T]*)#..", said)):  # T: it tells that the guest stands
        chunk = debugger.recv(4096)
        assert chunk, said
        said += chunk.decode()
    debugger.sendall(b"+")
    return found[1]


@pytest.mark.parametrize("behaviour", ["reboot", "exit"])
def test_a_paused_guest_does_not_count_until_it_is_rebooted(
    kvm: KvmHypervisor, ctx: HookContext, guest_instance: InstanceSpec, behaviour: str
) -> None:
    instance = with_params(guest_instance, reboot_behavior=behaviour)
    kvm.start(ctx, instance, True)
    with Serial(ctx, instance.name) as serial:
        kvm.reboot(ctx, instance)
        serial.wait_for("TINY READY")
        serial.wait_for(COUNTS)


@pytest.mark.parametrize("behaviour", ["reboot", "exit"])
def test_a_rebooted_guest_starts_anew_in_the_same_process(
    kvm: KvmHypervisor, ctx: HookContext, guest_instance: InstanceSpec, behaviour: str
) -> None:
    instance = with_params(guest_instance, reboot_behavior=behaviour)
    kvm.start(ctx, instance, False)
    before = pid_of(ctx, instance.name)
    with Serial(ctx, instance.name) as serial:
        serial.wait_for(COUNTS)
        kvm.reboot(ctx, instance)
        serial.wait_for("TINY READY", fresh=True)
    assert pid_of(ctx, instance.name) == before


def test_a_guest_that_would_end_at_a_reset_is_reset_whatever_is_configured_by_now(
    kvm: KvmHypervisor, ctx: HookContext, guest_instance: InstanceSpec
) -> None:
    kvm.start(ctx, with_params(guest_instance, reboot_behavior="exit"), False)
    before = pid_of(ctx, guest_instance.name)
    with Serial(ctx, guest_instance.name) as serial:
        serial.wait_for(COUNTS)
        kvm.reboot(ctx, with_params(guest_instance, reboot_behavior="reboot"))
        serial.wait_for("TINY READY", fresh=True)
    assert pid_of(ctx, guest_instance.name) == before


def test_a_guest_is_not_killed_because_its_qemu_is_busy(
    kvm: KvmHypervisor, ctx: HookContext, guest_instance: InstanceSpec
) -> None:
    kvm.start(ctx, guest_instance, False)
    folder = ctx.state / guest_instance.name
    (folder / "control").unlink()
    asked: list[str] = []

    def busy(command: str, arguments: dict[str, object]) -> list[dict[str, object] | None]:
        asked.append(command)
        if asked.count("query-status") < 2:
            return [None if command == "query-status" else {"return": {}}]
        with Qmp.connect(folder / "query") as qmp:
            return [{"return": {} if command == "qmp_capabilities"
                     else qmp.execute(command, arguments)}]

    with Serial(ctx, guest_instance.name) as serial:
        serial.wait_for(COUNTS)
        with fake_qemu(folder / "control", busy):
            kvm.stop(ctx, guest_instance, False, 120.0)
        serial.drain()
    assert "POWEROFF" in serial.said


def test_stopping_asks_the_guest_first(
    kvm: KvmHypervisor, ctx: HookContext, guest_instance: InstanceSpec
) -> None:
    kvm.start(ctx, guest_instance, False)
    with Serial(ctx, guest_instance.name) as serial:
        serial.wait_for(COUNTS)
        kvm.stop(ctx, guest_instance, False, 20.0)
        serial.drain()
    assert "POWEROFF" in serial.said
    assert not (ctx.state / guest_instance.name).exists()


def test_a_guest_that_does_not_obey_is_killed_after_the_timeout(
    kvm: KvmHypervisor, ctx: HookContext, guest_instance: InstanceSpec
) -> None:
    deaf = replace(guest_instance, disks=())  # nothing to boot: nobody hears the power button
    kvm.start(ctx, deaf, False)
    before = time.monotonic()
    kvm.stop(ctx, deaf, False, 0.7)
    assert 0.6 < time.monotonic() - before < 60
    assert kvm.running(ctx) == []


def test_a_hanging_qemu_can_be_stopped_and_does_not_stop_the_listing(
    kvm: KvmHypervisor, ctx: HookContext, guest_instance: InstanceSpec
) -> None:
    kvm.start(ctx, guest_instance, False)
    os.kill(pid_of(ctx, guest_instance.name), signal.SIGSTOP)
    assert [guest.state for guest in kvm.running(ctx)] == ["running"]
    kvm.stop(ctx, guest_instance, True, 0.0)
    assert kvm.running(ctx) == []


def test_a_power_off_from_inside_is_told_as_the_users_wish(
    kvm: KvmHypervisor, ctx: HookContext, guest_instance: InstanceSpec
) -> None:
    instance = with_params(guest_instance, user_shutdown=True)
    kvm.start(ctx, instance, False)
    with Serial(ctx, instance.name) as serial:
        serial.wait_for(COUNTS)
        with kvm_control(ctx, instance.name) as qmp:
            qmp.execute("system_powerdown")
        serial.wait_for("POWEROFF")
    deadline = time.monotonic() + 10
    while (states := [guest.state for guest in kvm.running(ctx)]) == ["running"]:
        assert time.monotonic() < deadline
    assert states == ["user-down"]
    kvm.stop(ctx, instance, False, 20.0)
    assert kvm.running(ctx) == []


def test_the_guests_disk_is_written(
    kvm: KvmHypervisor, ctx: HookContext, guest_instance: InstanceSpec, disk_file: Path
) -> None:
    kvm.start(ctx, guest_instance, False)
    with Serial(ctx, guest_instance.name) as serial:
        serial.wait_for(r"count 0*(9|[A-F])\r\n")
    kvm.stop(ctx, guest_instance, True, 0.0)
    assert disk_file.read_bytes()[512:526] == b"count 00000008"


@pytest.mark.parametrize("params", [
    {"disk_type": "ide"}, {"machine_version": "q35"},
    {"disk_cache": "writethrough", "disk_discard": "unmap", "vga": "std", "cpu_mask": "0"},
    {"vnc_bind_address": "127.0.0.1", "usb_mouse": "tablet", "keymap": "de"},
    {"cpu_type": "host", "cpu_cores": 1, "cpu_threads": 1, "cpu_sockets": 1},
    {"use_localtime": True, "kvm_extra": "-boot menu=off"},
])
def test_guests_boot_with_other_parameters(
    kvm: KvmHypervisor, ctx: HookContext, guest_instance: InstanceSpec, unused_port: int,
    params: dict[str, object],
) -> None:
    instance = replace(with_params(guest_instance, **params), network_port=unused_port)
    kvm.validate(ctx, instance.hvparams)
    kvm.start(ctx, instance, False)
    with Serial(ctx, instance.name) as serial:
        serial.wait_for("count")


@pytest.mark.parametrize("params", [
    {"kvm_extra": "-no-such-option"}, {"machine_version": "no-such-machine"},
    {"kernel_path": "/no/such/kernel"}, {"cpu_type": "no-such-cpu"},
    {"vnc_bind_address": "192.0.2.77"},
])
def test_a_start_that_fails_says_why_and_leaves_nothing(
    kvm: KvmHypervisor, ctx: HookContext, guest_instance: InstanceSpec, params: dict[str, object]
) -> None:
    before = Footprint((ctx,))
    instance = replace(with_params(guest_instance, **params), network_port=5901)
    with pytest.raises(HypervisorError) as failure:
        kvm.start(ctx, instance, False)
    words = ("no-such", "/no/such/kernel", "192.0.2.77", "assign requested address",
             "unsupported machine")
    assert any(word in str(failure.value) for word in words), failure.value
    before.assert_unchanged()


def test_a_disk_that_another_guest_holds_is_not_given_to_a_second(
    kvm: KvmHypervisor, ctx: HookContext, guest_instance: InstanceSpec
) -> None:
    kvm.start(ctx, guest_instance, False)
    twin = replace(guest_instance, name="twin.example.com",
                   uuid="c0ffee00-0000-4000-8000-0000000000ff")
    with pytest.raises(HypervisorError, match="lock"):
        kvm.start(ctx, twin, False)
    assert [guest.name for guest in kvm.running(ctx)] == [guest_instance.name]


def test_a_nic_without_its_bridge_is_refused_clearly(
    kvm: KvmHypervisor, ctx: HookContext, guest_instance: InstanceSpec
) -> None:
    nic = NicSpec("41c00000-0000-4000-8000-000000000001", 0, "aa:00:00:11:22:33",
                  "bridged", "nobridge0")
    with pytest.raises(HypervisorError, match="Missing bridges nobridge0"):
        kvm.start(ctx, replace(guest_instance, nics=(nic,)), False)
    assert not (ctx.state / guest_instance.name).exists()


def test_a_guest_outlives_the_process_that_started_it(
    kvm: KvmHypervisor, ctx: HookContext, guest_instance: InstanceSpec, tmp_path: Path
) -> None:
    """The node daemon's worker is killed with its whole process group while it works."""
    program = textwrap.dedent("""
        import json, sys, time
        from pathlib import Path
        from ganeti_core.plugin_api import InstanceSpec
        from ganeti_core.plugin_api.codec import decode
        from ganeti_core.plugin_api.testing.contexts import make_context
        from ganeti_plugins.hv_kvm import KvmHypervisor

        instance = decode(InstanceSpec, json.loads(sys.argv[2]))
        KvmHypervisor().start(make_context(Path(sys.argv[1])), instance, False)
        print("started", flush=True)
        time.sleep(60)
    """)
    worker = subprocess.Popen(
        [sys.executable, "-c", program, str(ctx.root), json.dumps(encode(guest_instance))],
        stdout=subprocess.PIPE, start_new_session=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))})
    with worker:
        assert worker.stdout is not None
        assert worker.stdout.readline() == b"started\n"
        os.killpg(worker.pid, signal.SIGKILL)
    assert kvm.recover(ctx) == [
        f"found {guest_instance.name} again, pid {pid_of(ctx, guest_instance.name)}"]
    with Serial(ctx, guest_instance.name) as serial:
        serial.wait_for("count")
    assert [guest.uuid for guest in kvm.running(ctx)] == [guest_instance.uuid]


def test_a_guest_that_lost_its_pid_file_is_found_again(
    kvm: KvmHypervisor, ctx: HookContext, guest_instance: InstanceSpec
) -> None:
    kvm.start(ctx, guest_instance, False)
    pid = pid_of(ctx, guest_instance.name)
    (ctx.state / guest_instance.name / "pid").unlink()
    assert str(pid) in kvm.recover(ctx)[0]
    assert [guest.uuid for guest in kvm.running(ctx)] == [guest_instance.uuid]


def test_what_a_crashed_guest_left_is_cleared_away(
    kvm: KvmHypervisor, ctx: HookContext, guest_instance: InstanceSpec
) -> None:
    kvm.start(ctx, guest_instance, False)
    os.kill(pid_of(ctx, guest_instance.name), signal.SIGKILL)
    deadline = time.monotonic() + 10
    while kvm.running(ctx):
        assert time.monotonic() < deadline
    assert kvm.recover(ctx) == [f"cleared away what {guest_instance.name} left"]
    assert list(ctx.state.iterdir()) == []


def test_a_stranger_with_the_guests_pid_is_not_taken_for_it(
    kvm: KvmHypervisor, ctx: HookContext, guest_instance: InstanceSpec
) -> None:
    kvm.start(ctx, guest_instance, False)
    kept = (ctx.state / guest_instance.name / "runtime.json").read_text()
    kvm.stop(ctx, guest_instance, True, 0.0)
    (ctx.state / guest_instance.name).mkdir()
    (ctx.state / guest_instance.name / "runtime.json").write_text(kept)
    (ctx.state / guest_instance.name / "pid").write_text(str(os.getpid()))
    assert kvm.running(ctx) == []
    kvm.stop(ctx, guest_instance, True, 0.0)  # and this process is still here


def test_state_of_a_newer_version_is_left_alone(
    kvm: KvmHypervisor, ctx: HookContext
) -> None:
    (ctx.state / "new.example.com").mkdir()
    (ctx.state / "new.example.com/runtime.json").write_text('{"version": 99}')
    assert "left new.example.com alone" in kvm.recover(ctx)[0]
    assert (ctx.state / "new.example.com/runtime.json").exists()


def test_a_guest_whose_state_cannot_be_read_is_listed_all_the_same(
    kvm: KvmHypervisor, ctx: HookContext, guest_instance: InstanceSpec
) -> None:
    kvm.start(ctx, with_params(guest_instance, kvm_extra="-m 24M,slots=2,maxmem=64M"), False)
    before = kvm.info(ctx, guest_instance)
    (ctx.state / guest_instance.name / "runtime.json").write_text('{"version": 99}')
    after = kvm.info(ctx, guest_instance)
    assert before is not None
    assert after is not None
    assert replace(after, cpu_time=0.0) == replace(before, cpu_time=0.0)
    kvm.start(ctx, guest_instance, False)  # is left alone
    assert "found" in kvm.recover(ctx)[0]


def test_secret_os_parameters_do_not_reach_the_disk(
    kvm: KvmHypervisor, ctx: HookContext, guest_instance: InstanceSpec
) -> None:
    kvm.start(ctx, replace(guest_instance, osparams={"password": "hunter2-hunter2"}), False)
    texts = [path.read_bytes() for path in ctx.root.rglob("*") if path.is_file()]
    assert not any(b"hunter2" in text for text in texts)


def test_guests_run_below_a_very_long_root(
    kvm: KvmHypervisor, guest_instance: InstanceSpec, tmp_path: Path
) -> None:
    """A socket's address holds 107 bytes; the console is reached all the same."""
    root = tmp_path / ("d" * 120) / ("e" * 120)
    ctx = make_context(root)
    assert len(str(serial_path(ctx, guest_instance.name))) > 200
    kvm.start(ctx, guest_instance, False)
    try:
        told = kvm.console(ctx, guest_instance, HERE)
        command = attaching(told)
        with subprocess.Popen(
            [word.replace("STDIO,raw,echo=0,escape=0x1d", "STDIO") for word in command],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        ) as console:
            assert console.stdout is not None
            while b"count" not in console.stdout.readline():
                pass
            console.kill()
    finally:
        kvm.stop(ctx, guest_instance, True, 0.0)


def test_a_guest_that_was_started_paused_goes_on_when_its_console_is_opened(
    kvm: KvmHypervisor, ctx: HookContext, guest_instance: InstanceSpec
) -> None:
    kvm.start(ctx, guest_instance, True)
    try:
        command = attaching(kvm.console(ctx, guest_instance, HERE))
        with subprocess.Popen(
            [word.replace("STDIO,raw,echo=0,escape=0x1d", "STDIO") for word in command],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        ) as console:
            assert console.stdout is not None
            said = b""
            while b"count" not in said:
                said += console.stdout.readline()
            console.kill()
        assert b"is paused, and goes on now" in said
        assert kvm.console(ctx, guest_instance, HERE).command == (), "it runs, and is let alone"
    finally:
        kvm.stop(ctx, guest_instance, True, 0.0)


def test_a_guest_that_broke_down_is_not_asked_to_shut_down_and_not_sent(
    kvm: KvmHypervisor, ctx: HookContext, guest_instance: InstanceSpec
) -> None:
    kvm.start(ctx, guest_instance, False)
    control = ctx.state / guest_instance.name / "control"
    control.unlink()
    asked: list[str] = []

    def broken(command: str, _arguments: dict[str, object]) -> list[dict[str, object]]:
        asked.append(command)
        return [{"return": {"status": "internal-error"} if command == "query-status" else {}}]

    with fake_qemu(control, broken):
        with pytest.raises(HypervisorError, match="reset it with gnt-instance reboot"):
            kvm.migrate_out(ctx, guest_instance, MigrationTarget("127.0.0.1", 1), True)
        assert "migrate" not in asked
        kvm.stop(ctx, guest_instance, False, 600.0)
    assert "system_powerdown" not in asked
    assert kvm.info(ctx, guest_instance) is None
