"""Start a QEMU for an instance, all or nothing."""

from __future__ import annotations

import os
import subprocess
from contextlib import ExitStack
from pathlib import Path

from ganeti_core.plugin_api import HookContext, HypervisorError, InstanceSpec
from ganeti_core.plugin_api.run import DEFAULT_PATH

from . import checks, devices, network, sockets
from .command_line import Engine, Mode, Opened, build, vnc_address
from .guests import Guest, Runtime
from .qmp import Qmp

START_LIMIT = 60.0
SAID_LIMIT = 2000


def launch(
    ctx: HookContext, engine: Engine, guest: Guest, instance: InstanceSpec, mode: Mode
) -> None:
    """Start QEMU for `instance`, whose hvparams are filled; returns when its QMP answers.

    :raises HypervisorError: it did not start; no process, socket, tap device or file is left
    """
    if instance.nics and (why := next(filter(None, map(network.problem, instance.nics)), "")):
        raise HypervisorError(why)
    guest.remove()
    guest.folder.mkdir(mode=0o700, parents=True)
    try:
        # Written first: whatever happens from here on, the guest will be found again.
        guest.save(Runtime(instance, devices.slots(instance), incoming=mode == "incoming"))
        _spawn(ctx, engine, guest, instance, mode)
        with guest.control() as qmp:
            _finish(guest, instance, qmp, mode)
    except BaseException:
        guest.kill(patience=0.0)
        raise


def _first_mode(instance: InstanceSpec, mode: Mode) -> Mode:
    # What is set through QMP must be in force before the guest's first instruction.
    params = instance.hvparams
    late = params["vnc_password_file"] or params["cpu_mask"] != "all"
    return "paused" if mode == "running" and late else mode


def _spawn(
    ctx: HookContext, engine: Engine, guest: Guest, instance: InstanceSpec, mode: Mode
) -> None:
    with ExitStack() as stack:
        listeners = {
            path.name: stack.enter_context(sockets.listen(path))
            for path in (guest.control_socket, guest.query_socket, guest.serial_socket)}
        taps = stack.enter_context(network.taps(instance, instance.hvparams))
        opened = Opened({name: item.fileno() for name, item in listeners.items()}, taps)
        argv = build(engine, guest, instance, opened, _first_mode(instance, mode))
        ctx.log.debug("starting %s", argv)
        _run(ctx, guest, argv, opened)


def _run(ctx: HookContext, guest: Guest, argv: list[str], opened: Opened) -> None:
    ctx.logs.mkdir(mode=0o750, parents=True, exist_ok=True)
    log_path = ctx.logs / f"{guest.name}.log"
    # A file, not a pipe: QEMU may keep its standard error for as long as it lives.
    with open(log_path, "ab") as log:
        begin = log.tell()
        try:
            status = subprocess.run(
                argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=opened.all,
                env={"PATH": DEFAULT_PATH, "LC_ALL": "C"}, timeout=START_LIMIT,
                check=False).returncode
        except subprocess.TimeoutExpired as exc:
            raise HypervisorError(
                f"QEMU for {guest.name} was not ready after {START_LIMIT:g} s") from exc
        except OSError as exc:
            raise HypervisorError(f"cannot run {argv[0]}: {exc.strerror or exc}") from exc
    if status != 0:
        raise HypervisorError(f"QEMU did not start {guest.name}: {_said(log_path, begin)}")


def _said(log: Path, begin: int) -> str:
    said = log.read_bytes()[begin:].decode(errors="replace").strip()
    return said[-SAID_LIMIT:] or "it gave no reason"


def _finish(guest: Guest, instance: InstanceSpec, qmp: Qmp, mode: Mode) -> None:
    params = instance.hvparams
    pid = guest.pid()
    if pid is None:
        raise HypervisorError(f"QEMU of {guest.name} ended right after its start")
    if cpus := checks.cpus_of(params["cpu_mask"]):
        for thread in os.listdir(f"/proc/{pid}/task"):
            os.sched_setaffinity(int(thread), cpus)
    if params["vnc_password_file"] and vnc_address(params, instance):
        password = Path(params["vnc_password_file"]).read_text().strip()
        qmp.execute("set_password", {"protocol": "vnc", "password": password})
    if mode == "running" and _first_mode(instance, mode) == "paused":
        qmp.execute("cont")
