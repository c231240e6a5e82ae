"""Start, stop, reboot, change and recover domains."""

from __future__ import annotations

import os
import time
from dataclasses import replace

from ganeti_core.plugin_api import (
    CommandFailed,
    HypervisorError,
    InstanceSpec,
    OpPrereqError,
    patience,
    processes,
)

from . import configuration, parameters
from .domains import DESTROY_LIMIT, Guest, Runtime, guests
from .parameters import Kind
from .toolstack import POWEROFF, Domain, Xl

CREATE_LIMIT = 100.0
CHANGE_LIMIT = 25.0
REBOOT_LIMIT = 100.0
FIRST_PATIENCE, MOST_PATIENCE = 1.0, 20.0
"""Seconds between requests to shut down: a guest that is still booting does not hear the first."""
POLL = 0.1
REBOOT_POLL = 0.5
"""As long as a domain is made, each look takes from the time that xl has for its parts."""


def complete(kind: Kind, instance: InstanceSpec) -> InstanceSpec:
    """Fill the parameters of `instance`."""
    return replace(instance, hvparams=parameters.filled(kind, instance.hvparams))


def prepare(guest: Guest, kind: Kind, instance: InstanceSpec) -> InstanceSpec:
    """Check what is to run here, and make its folder; return it with its parameters filled.

    :raises HypervisorError: it cannot run here; nothing is left
    """
    spec = complete(kind, instance)
    try:
        parameters.check(kind, spec.hvparams)
    except OpPrereqError as exc:
        raise HypervisorError(
            f"{instance.name} cannot start on {guest.ctx.node}: {exc.message}") from exc
    for disk in spec.disks:
        if disk.path and not os.path.exists(disk.path):
            raise HypervisorError(f"{instance.name} cannot start on {guest.ctx.node}: disk "
                                  f"{disk.index}: there is no {disk.path}")
    guest.kill(patience=0.0)
    configuration.text(kind, spec)  # refuses what no domain can have, while nothing is made
    try:
        guest.folder.mkdir(mode=0o700, parents=True)
        # Written first: whatever happens from here on, the domain will be found again.
        guest.save(Runtime(spec, spec.memory))
        guest.config.write_text(configuration.text(kind, guest.link_disks(spec)))
        guest.config.chmod(0o600)
        guest.write_cards(spec)
    except BaseException:
        guest.kill(patience=0.0)
        raise
    return spec


def start(guest: Guest, kind: Kind, instance: InstanceSpec, *, paused: bool) -> None:
    """Make the domain, all or nothing; one that runs is left alone.

    :raises HypervisorError: it did not start; nothing of it is left
    """
    domain = guest.domain() if guest.folder.exists() else None
    if domain is not None and not domain.has_shut_down:
        return
    prepare(guest, kind, instance)
    try:
        guest.xl.run("create", *(["-p"] if paused else []), str(guest.config),
                     timeout=CREATE_LIMIT, env=processes.mark(guest.ctx, guest.name))
    except BaseException as exc:
        try:
            guest.kill(patience=0.0)
        except HypervisorError as left:
            guest.ctx.log.warning("%s did not start, and is not cleared away: %s", guest.name, left)
        if isinstance(exc, CommandFailed):
            raise HypervisorError(f"{guest.name} did not start: {exc.message}") from exc
        raise


def stop(guest: Guest, *, force: bool, timeout: float) -> None:
    """End the domain: ask the guest to shut down, destroy it after `timeout` seconds.

    :raises HypervisorError: it cannot be ended
    """
    if not force and guest.folder.exists():
        _ask_to_stop(guest, time.monotonic() + timeout)
    guest.kill()


def _ask_to_stop(guest: Guest, deadline: float) -> None:
    patience, domain = FIRST_PATIENCE, _running(guest)
    while domain is not None and (left := deadline - time.monotonic()) > 0:
        try:
            _unpause(guest, domain)
            # Without drivers of Xen in the guest: its power button.
            guest.xl.run("shutdown", "-F", guest.name, timeout=CHANGE_LIMIT)
        except CommandFailed as exc:  # it keeps its time, and is asked again
            guest.ctx.log.info("%s cannot be asked to shut down: %s", guest.name, exc)
        until = min(deadline, time.monotonic() + patience)
        while (domain := _running(guest)) is not None and time.monotonic() < until:
            time.sleep(min(POLL, left))
        patience = min(2 * patience, MOST_PATIENCE)


def _running(guest: Guest) -> Domain | None:
    """Return the domain, unless its guest has ended."""
    domain = guest.domain()
    return domain if domain is not None and not domain.has_shut_down else None


def _unpause(guest: Guest, domain: Domain) -> None:
    if domain.is_paused:
        guest.xl.run("unpause", guest.name, timeout=CHANGE_LIMIT)


def reboot(guest: Guest) -> None:
    """Have the guest reboot; Xen makes it a new domain.

    :raises HypervisorError: it does not run, or does not reboot in time
    """
    before, runtime = _running(guest), guest.load()
    if before is None or runtime is None:
        raise HypervisorError(f"instance {guest.name} does not run on this node")
    try:
        _unpause(guest, before)
        guest.xl.run("reboot", "-F", guest.name, timeout=CHANGE_LIMIT)
    except CommandFailed as exc:
        raise HypervisorError(f"{guest.name} cannot be rebooted: {exc.message}") from exc
    until = time.monotonic() + REBOOT_LIMIT * patience()
    while not _is_anew(guest, runtime, before.number):
        if time.monotonic() > until:
            raise HypervisorError(f"{guest.name} did not reboot in {REBOOT_LIMIT:g} s")
        time.sleep(REBOOT_POLL)


def _is_anew(guest: Guest, runtime: Runtime, number: int) -> bool:
    """Whether another domain runs than that of this number, or none is to be made in its place.

    :raises HypervisorError: it has shut down, or cannot be made anew
    """
    restarts = runtime.spec.hvparams["reboot_behavior"] == "reboot"
    try:
        now = guest.domain()
    except HypervisorError as exc:  # the host is busy making it anew
        guest.ctx.log.info("%s is asked for again: %s", guest.name, exc)
        return False
    if now is None:
        return not restarts
    if now.number != number:
        return not now.is_paused  # until all is there that it needs, also its console
    if now.has_shut_down and now.reason == POWEROFF:
        raise HypervisorError(f"{guest.name} has shut down, and did not reboot")
    if now.has_shut_down and not guest.has_programs():
        _make_anew(guest, runtime if restarts else None)
    return False


def _make_anew(guest: Guest, runtime: Runtime | None) -> None:
    """Do what the xl would have done that was killed, or has ended with a migration."""
    guest.xl.destroy(guest.name, DESTROY_LIMIT)
    if runtime is None:
        return
    guest.config.write_text(guest.configuration(runtime.memory))
    try:
        guest.xl.run("create", str(guest.config), timeout=CREATE_LIMIT,
                     env=processes.mark(guest.ctx, guest.name))
    except CommandFailed as exc:
        raise HypervisorError(f"{guest.name} did not start again: {exc.message}") from exc


def set_memory(guest: Guest, memory: int) -> None:
    """Have the running guest give memory back, or take it.

    :raises HypervisorError: it does not run, or cannot
    """
    runtime = guest.load()
    if guest.domain() is None or runtime is None:
        raise HypervisorError(f"instance {guest.name} does not run on this node")
    try:
        guest.xl.run("mem-set", guest.name, f"{memory}m", timeout=CHANGE_LIMIT)
    except CommandFailed as exc:
        raise HypervisorError(
            f"the memory of {guest.name} cannot be changed: {exc.message}") from exc
    guest.save(replace(runtime, memory=memory))


def recover(xl: Xl) -> list[str]:
    """Find domains again and clear away what dead ones left; return a line for each."""
    found = list(guests(xl))
    if not found:
        return []  # without guests Xen need not run
    domains = xl.domains()
    # One that reboots has no domain until its xl has made the new one.
    return [_recovered(guest, guest.name in domains or guest.was_sent() or guest.has_programs())
            for guest in found]


def _recovered(guest: Guest, is_here: bool) -> str:
    if is_here:
        return f"found {guest.name} again"
    if guest.is_unreadable():
        return f"left {guest.name} alone: its state is of a newer version or damaged"
    try:
        guest.kill()
    except HypervisorError as exc:
        return f"could not clear away all that {guest.name} left: {exc}"
    return f"cleared away what {guest.name} left"
