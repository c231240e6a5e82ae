"""Live migration by ``xl migrate``, between relays of ours that wait for the master's orders."""

from __future__ import annotations

import os
import secrets
import shlex
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from ganeti_core.plugin_api import CommandFailed, HypervisorError, patience, processes
from ganeti_core.plugin_api.data import MigrationOffer, MigrationStatus, MigrationTarget

from . import relay
from .domains import AWAY, INCOMING, Guest, Runtime
from .lifecycle import CHANGE_LIMIT
from .parameters import ANY_PORT, Kind
from .toolstack import ASK_LIMIT, informed

RELAY = Path(relay.__file__)
BEGIN_LIMIT = 20.0
SETTLE_LIMIT = 50.0
MIB = 1 << 20
SAID = 1000
POLL = 0.02


def offer(guest: Guest, kind: Kind) -> MigrationOffer:
    """Say what memory the guest was ordered to have.

    :raises HypervisorError: Xen cannot send such domains here
    """
    try:
        able = informed(guest.xl.run("info", timeout=ASK_LIMIT)).get("virt_caps", "").split()
    except CommandFailed as exc:
        raise HypervisorError(f"Xen on {guest.ctx.node} does not say what it can: {exc.message}"
                              ) from exc
    # What a paravirtual domain writes while it is sent is only seen by shadow page tables. Releases
    # of Xen that do not list what they can have always had them.
    if kind == "pv" and "pv" in able and "shadow" not in able:
        raise HypervisorError(
            f"{guest.name} cannot be sent while it runs: the Xen of {guest.ctx.node} is built"
            " without shadow paging (virt_caps of xl info), which paravirtual domains need for"
            " that; use gnt-instance failover")
    runtime = guest.load()
    return MigrationOffer(details={"memory": runtime.memory} if runtime else {})


def receive(guest: Guest, runtime: Runtime, address: str) -> MigrationTarget:
    """Start a receiver for what is prepared in the guest's folder.

    :raises HypervisorError: it does not listen
    """
    guest.save(runtime)
    token = secrets.token_hex(relay.TOKEN_BYTES // 2)
    _new_notes(guest, token)
    wanted = int(runtime.spec.hvparams["migration_port"])
    _begin(guest, *_relay(guest, "receive", address, 0 if wanted == ANY_PORT else wanted),
           guest.xl.program, "migrate-receive")
    port = guest.migration / "port"
    _await(lambda: port.exists() or not guest.has_programs(), BEGIN_LIMIT)
    if not port.exists():
        raise HypervisorError(f"the receiver for {guest.name} on {guest.ctx.node} does not listen: "
                              f"{_said(guest)}")
    return MigrationTarget(address, int(port.read_text()), {"token": token})


def send(guest: Guest, target: MigrationTarget) -> None:
    """Begin to send the domain.

    :raises HypervisorError: it does not run, or is on its way already
    """
    runtime, domain = guest.load(), guest.domain()
    if runtime is None or runtime.incoming or domain is None or domain.has_shut_down:
        raise HypervisorError(f"instance {guest.name} does not run on {guest.ctx.node}")
    if guest.migration.exists() and _is_at_work(guest):
        raise HypervisorError(f"instance {guest.name} is being sent already")
    _new_notes(guest, str(target.details["token"]))
    # Otherwise the target would give back to it what it was told to do without.
    config = guest.migration / "config"
    config.touch(mode=0o600)
    config.write_text(guest.configuration(runtime.memory))
    guest.save(replace(runtime, sending=True))
    try:
        _begin(guest, guest.xl.program, "migrate", "-C", str(config), "-s", "", guest.name,
               "exec " + shlex.join(_relay(guest, "send", target.address, target.port)))
    except BaseException:
        guest.save(replace(runtime, sending=False))
        raise


def status(guest: Guest) -> MigrationStatus:
    """Say how far it is, and what this node has of the guest."""
    runtime = guest.load()
    if runtime is None:
        return MigrationStatus("none", guest="none")
    total = runtime.memory * MIB
    if runtime.incoming:
        return MigrationStatus("none", guest="receiving")
    if guest.was_sent():
        return MigrationStatus("completed", total, total, guest="sent")
    if runtime.sending and _is_at_work(guest):
        return MigrationStatus("active", _progress(guest), total, guest="runs")
    here = "runs" if guest.domain() is not None else "none"
    if not runtime.sending:
        return MigrationStatus("none", 0, total, guest=here)  # type: ignore[arg-type]  # as above
    state = "cancelled" if (guest.migration / "abort").exists() else "failed"
    return MigrationStatus(
        state,  # type: ignore[arg-type]  # one of the two literals above
        _progress(guest), total, "" if state == "cancelled" else _said(guest),
        guest=here)  # type: ignore[arg-type]  # as above


def abort(guest: Guest) -> None:
    """Have the transfer end, and wait for it; too late is no error.

    :raises HypervisorError: it does not end
    """
    runtime = guest.load()
    if runtime is None or not runtime.sending:
        return
    _note(guest, "abort")
    if not _await(lambda: guest.was_sent() or not _is_at_work(guest), SETTLE_LIMIT):
        raise HypervisorError(f"{guest.name} is still being sent after {SETTLE_LIMIT:g} s")


def leave_source(guest: Guest) -> None:
    """End what was sent, now that it runs elsewhere.

    :raises HypervisorError: it cannot be ended
    """
    if guest.folder.exists() and guest.migration.exists():
        _note(guest, "gone")
        _await(lambda: not _is_at_work(guest), SETTLE_LIMIT)
    guest.kill()


def keep_source(guest: Guest) -> None:
    """Let the domain run on here, also one that was sent.

    :raises HypervisorError: xl, which alone can do that, was killed meanwhile
    """
    runtime = guest.load()
    if runtime is None:
        return
    if guest.migration.exists():
        _note(guest, "abort")
        # It may just have been sent, and then waits for another word.
        _await(lambda: guest.was_sent() or not _is_at_work(guest), SETTLE_LIMIT)
        if guest.was_sent():
            _note(guest, "back")
            _await(lambda: not _is_at_work(guest), SETTLE_LIMIT)
    found = guest.xl.domains()
    here = guest.name if guest.name in found else guest.name + AWAY
    if here in found and (here != guest.name or found[here].is_suspended):
        raise HypervisorError(f"{guest.name} stands still as {here} on {guest.ctx.node}: the xl "
                              "that sent it is gone. Rename it and resume it, or destroy it and "
                              "start the instance")
    if guest.name not in found:
        guest.kill()
        return
    _forget_notes(guest)
    guest.save(replace(runtime, sending=False))


def run_target(guest: Guest) -> None:
    """Let what has arrived run here; twice is harmless.

    :raises HypervisorError: it has not arrived
    """
    runtime = guest.load()
    if runtime is None:
        raise HypervisorError(f"nothing was prepared here to receive {guest.name}")
    if not runtime.incoming:
        return
    if not _await(lambda: (guest.migration / "arrived").exists() or not _is_at_work(guest),
                  BEGIN_LIMIT) or guest.name not in _arrived(guest):
        raise HypervisorError(f"{guest.name} has not arrived on {guest.ctx.node}: {_said(guest)}")
    _note(guest, "run")
    _await(lambda: guest.domain() is not None or not _is_at_work(guest), SETTLE_LIMIT)
    if guest.domain() is None:
        _run_without_relay(guest)
    guest.save(replace(runtime, incoming=False))
    _await(lambda: not (guest.migration / "arrived").exists() or (
        guest.migration / "runs").exists() or not _is_at_work(guest), BEGIN_LIMIT)
    _forget_notes(guest)


def _arrived(guest: Guest) -> set[str]:
    return {name.removesuffix(INCOMING) for name in guest.xl.domains()}


def _run_without_relay(guest: Guest) -> None:
    """Do what xl would have done, had its receiver not been killed."""
    try:
        guest.xl.run("rename", guest.name + INCOMING, guest.name, timeout=CHANGE_LIMIT)
        guest.xl.run("unpause", guest.name, timeout=CHANGE_LIMIT)
    except CommandFailed as exc:
        raise HypervisorError(f"{guest.name} has arrived on {guest.ctx.node}, and does not run: "
                              f"{exc.message}") from exc


def dismiss_target(guest: Guest) -> None:
    """End the receiver, unless the guest runs in it."""
    runtime = guest.load()
    if runtime is None or runtime.incoming:
        guest.kill(patience=0.0)


def _relay(guest: Guest, role: str, address: str, port: int) -> list[str]:
    return [sys.executable, str(RELAY), role, str(guest.migration), address, str(port)]


def _begin(guest: Guest, *words: str) -> None:
    try:
        processes.begin(guest.ctx, guest.name, words)
    except CommandFailed as exc:
        raise HypervisorError(f"the migration of {guest.name} cannot begin: {exc.message}") from exc


def _new_notes(guest: Guest, token: str) -> None:
    _forget_notes(guest)
    guest.migration.mkdir(mode=0o700)
    descriptor = os.open(guest.migration / "token", os.O_WRONLY | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(token)


def _forget_notes(guest: Guest) -> None:
    for path in guest.migration.glob("*"):
        path.unlink(missing_ok=True)
    if guest.migration.exists():
        guest.migration.rmdir()


def _note(guest: Guest, name: str) -> None:
    relay.Notes(guest.migration).write(name)


def _progress(guest: Guest) -> int:
    try:
        return int((guest.migration / "progress").read_text())
    except (OSError, ValueError):
        return 0


def _is_at_work(guest: Guest) -> bool:
    """Whether a relay is there. The xl that watches a running domain does not count."""
    mine = processes.kept(guest.ctx).get(guest.name)
    return any(str(guest.migration) in _arguments(pid) for pid in (mine.pids if mine else ()))


def _arguments(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(
            errors="replace")
    except OSError:
        return ""


def _said(guest: Guest) -> str:
    try:
        text = (guest.ctx.logs / f"{guest.name}.log").read_text(errors="replace")
    except OSError:
        return "it gave no reason"
    return text[-SAID:].strip() or "it gave no reason"


def _await(condition: Callable[[], bool], seconds: float) -> bool:
    until = time.monotonic() + seconds * patience()
    while not condition():
        if time.monotonic() > until:
            return False
        time.sleep(POLL)
    return True
