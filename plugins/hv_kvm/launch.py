"""Start a QEMU for an instance, all or nothing."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from ganeti_core.plugin_api import HookContext, HypervisorError, unix_sockets
from ganeti_core.plugin_api.run import DEFAULT_PATH
from ganeti_core.plugin_api.scopes import own_scope

from . import checks, confinement, devices, firmware
from .command_line import AGENT, Engine, Opened, build
from .confinement import Confined
from .guests import Guest, Runtime
from .hardware import Mode, Start, machine_type
from .qmp import Qmp, QmpUnreachable

START_LIMIT = 60.0
SAID_LIMIT = 2000


@dataclass(frozen=True)
class _Output:
    """What a QEMU prints: the rest of its guest's log file."""

    path: Path
    since: int

    @classmethod
    def begin(cls, ctx: HookContext, guest: Guest) -> Self:
        ctx.logs.mkdir(mode=0o750, parents=True, exist_ok=True)
        path = ctx.logs / f"{guest.name}.log"
        return cls(path, path.stat().st_size if path.exists() else 0)

    def text(self) -> str:
        said = self.path.read_bytes()[self.since:].decode(errors="replace").strip()
        return said[-SAID_LIMIT:] or "it gave no reason"


def launch(ctx: HookContext, engine: Engine, guest: Guest, start: Start) -> None:
    """Start QEMU; returns when its QMP does.

    :raises HypervisorError: it did not start; no process, socket, tap device or file is left
    """
    guest.remove()
    guest.folder.mkdir(mode=0o700, parents=True)
    try:
        firmware.prepare(ctx, start.instance)
        with confinement.confined(ctx, guest.folder, start.instance.hvparams) as confined:
            # Written first: whatever happens from here on, the guest will be found again.
            runtime = Runtime(start.instance, start.hardware.slots, keys=confined.keys,
                              incoming=start.mode == "incoming", halted=start.hardware.halted,
                              balloon=start.hardware.balloon,
                              root_ports=devices.is_q35(start.instance.hvparams))
            guest.save(runtime)
            _await_ready(guest, _spawn(ctx, engine, guest, start, confined))
        with guest.control() as qmp:
            guest.save(replace(runtime, machine=machine_type(qmp)))
            _finish(guest, start, qmp)
    except BaseException:
        try:
            guest.kill(patience=0.0)
        except HypervisorError as exc:
            # Why it did not start counts; what is left is cleared away by the next stop.
            ctx.log.warning("%s did not start, and is not cleared away: %s", guest.name, exc)
        raise


def _is_pinned(params: Mapping[str, Any]) -> bool:
    return any(checks.cpu_masks(params["cpu_mask"]))


def _first_mode(start: Start) -> Mode:
    # What is set through QMP must be in force before the guest's first instruction.
    params = start.instance.hvparams
    late = params["vnc_password_file"] or params["spice_password_file"] or _is_pinned(params)
    return "paused" if start.mode == "running" and late else start.mode


def _spawn(
    ctx: HookContext, engine: Engine, guest: Guest, start: Start, confined: Confined
) -> _Output:
    """Begin QEMU in a session of its own; the sockets are its alone when this returns."""
    output = _Output.begin(ctx, guest)
    with ExitStack() as stack:
        listeners = {
            path.name: stack.enter_context(unix_sockets.listen(path))
            for path in (guest.control_socket, guest.query_socket, guest.serial_socket)}
        if start.instance.hvparams["use_guest_agent"]:
            listeners[AGENT] = stack.enter_context(unix_sockets.listen(guest.agent_socket))
        ends = stack.enter_context(guest.cards.ends(
            start.instance, start.instance.nics, incoming=start.mode == "incoming"))
        opened = Opened({name: item.fileno() for name, item in listeners.items()}, ends,
                        confined)
        argv = build(engine, guest, replace(start, mode=_first_mode(start)), opened)
        ctx.log.debug("starting %s", argv)
        # Not by -daemonize: the system call filter can then forbid new processes and sessions.
        with open(output.path, "ab") as log:
            words = ["/usr/bin/env", "setsid", "--fork", *argv]
            scope = own_scope(guest.name)
            try:
                for command in ([*scope, *words], words) if scope else (words,):
                    ran = subprocess.run(
                        command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                        pass_fds=opened.all, env={"PATH": DEFAULT_PATH, "LC_ALL": "C"}, cwd="/",
                        timeout=START_LIMIT, check=False)
                    if ran.returncode == 0:
                        break
            except (OSError, subprocess.TimeoutExpired) as exc:
                raise HypervisorError(f"cannot run setsid for {guest.name}: {exc}") from exc
    return output


def _await_ready(guest: Guest, output: _Output) -> None:
    """Wait until QEMU has its machine and returns; one that ends hangs up.

    :raises HypervisorError: it ended, or is not ready in time
    """
    deadline = time.monotonic() + START_LIMIT
    try:
        Qmp.connect(guest.control_socket, START_LIMIT).close()
    except QmpUnreachable as exc:
        if time.monotonic() > deadline:
            raise HypervisorError(
                f"QEMU for {guest.name} was not ready after {START_LIMIT:g} s") from exc
        raise HypervisorError(f"QEMU did not start {guest.name}: {output.text()}") from exc


def _finish(guest: Guest, start: Start, qmp: Qmp) -> None:
    params = start.instance.hvparams
    pid = guest.pid()
    if pid is None:
        raise HypervisorError(f"QEMU of {guest.name} ended right after its start")
    _pin(guest, start, qmp, pid)
    for protocol in ("vnc", "spice"):
        if (file := params[f"{protocol}_password_file"]) and _has_screen(start, protocol):
            password = Path(file).read_text().strip()
            qmp.execute("set_password", {"protocol": protocol, "password": password})
    if start.mode == "running" and _first_mode(start) == "paused":
        qmp.execute("cont")


def _has_screen(start: Start, protocol: str) -> bool:
    bind = start.instance.hvparams[f"{protocol}_bind{'_address' if protocol == 'vnc' else ''}"]
    return bool(bind) and (start.instance.network_port is not None or bind.startswith("/"))


def _pin(guest: Guest, start: Start, qmp: Qmp, pid: int) -> None:
    masks = checks.cpu_masks(start.instance.hvparams["cpu_mask"])
    if len(masks) == 1 and masks[0]:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with suppress(ProcessLookupError):  # QEMU's helpers come and go
                os.sched_setaffinity(int(thread), masks[0])
    elif len(masks) > 1:
        if len(masks) != start.instance.vcpus:
            raise HypervisorError(
                f"cpu_mask has {len(masks)} masks, but {guest.name} has {start.instance.vcpus} "
                "virtual CPUs: give one for each, or one for all")
        for cpu in qmp.execute("query-cpus-fast"):
            if mask := masks[cpu["cpu-index"]]:
                os.sched_setaffinity(cpu["thread-id"], mask)
