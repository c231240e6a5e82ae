"""Start, stop, reboot and recover guests."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import replace
from typing import Any

from ganeti_core.plugin_api import (
    ECODE_INVAL,
    CommandFailed,
    HookContext,
    HypervisorError,
    InstanceSpec,
    OpPrereqError,
    root_file_systems,
    run_command,
)
from ganeti_core.plugin_api.run import DEFAULT_PATH

from .jails import Jail, jails

DEFAULT_SCRIPT = "/ganeti-chroot"
START_LIMIT = 60.0
REBOOT_PATIENCE = 30.0
POLL = 0.02
SAID = 2000
_ENTER = 'exec "$@" >>"$0" 2>&1'


def filled(params: dict[str, Any]) -> dict[str, Any]:
    """Lay `params` over the defaults."""
    return {"init_script": DEFAULT_SCRIPT} | params


def check(params: dict[str, Any]) -> None:
    """Check filled `params`.

    :raises OpPrereqError: names the parameter that cannot work, and its value
    """
    for name, value in params.items():
        if name != "init_script":
            raise OpPrereqError(f"chroot parameter {name}={value!r}: there is no such parameter",
                                ECODE_INVAL)
    script = str(params["init_script"])
    if not script.startswith("/") or os.path.normpath(script) != script:
        raise OpPrereqError(f"chroot parameter init_script={script!r}: must be an absolute "
                            "normalized path", ECODE_INVAL)


def start(jail: Jail, instance: InstanceSpec, *, paused: bool) -> None:
    """Start the guest, all or nothing; one that runs is left alone.

    :raises HypervisorError: it did not start; nothing of it is left
    """
    if jail.processes():
        return
    jail.kill()
    complete = replace(instance, hvparams=filled(instance.hvparams))
    try:
        check(complete.hvparams)
    except OpPrereqError as exc:
        raise HypervisorError(
            f"{instance.name} cannot start on {jail.ctx.node}: {exc.message}") from exc
    mount = root_file_systems.mount_command(root_file_systems.root_disk(complete), jail.root)
    try:
        jail.folder.mkdir(mode=0o700, parents=True)
        # Written first: whatever happens from here on, the guest will be found again.
        jail.save(complete)
        jail.root.mkdir()
        run_command(mount, timeout=START_LIMIT, error=HypervisorError)
        _run_script(jail, complete, "start", START_LIMIT)
        if paused:
            jail.pause()
        if not jail.processes():
            raise HypervisorError(f"{instance.name} has no processes after its start; what it said "
                                  f"is in {jail.log}")
    except BaseException:
        try:
            jail.kill()
        except HypervisorError as exc:
            # Why it did not start counts; what is left is cleared away by the next stop.
            jail.ctx.log.warning("%s did not start, and is not cleared away: %s", jail.name, exc)
        raise


def _run_script(jail: Jail, instance: InstanceSpec, word: str, timeout: float) -> None:
    """Run the guest's own script, in a session that outlives this process.

    :raises HypervisorError: it failed, or took too long
    """
    script = str(instance.hvparams["init_script"])
    jail.ctx.logs.mkdir(mode=0o750, parents=True, exist_ok=True)
    since = jail.log.stat().st_size if jail.log.exists() else 0
    try:
        run_command(["setsid", "--wait", "sh", "-c", _ENTER, jail.log, "chroot", jail.root, script,
                     word], timeout=timeout, env={"PATH": DEFAULT_PATH, "LC_ALL": "C"})
    except CommandFailed as exc:
        said = jail.log.read_bytes()[since:][-SAID:].decode(errors="replace").strip()
        raise HypervisorError(f"{script} {word} of {instance.name} failed: "
                              f"{said or exc.message}") from exc


def stop(jail: Jail, *, force: bool, timeout: float) -> None:
    """End the guest: by its own script, by SIGTERM, after `timeout` seconds by SIGKILL.

    :raises HypervisorError: something of it is left
    """
    if not force:
        _ask_to_stop(jail, time.monotonic() + timeout)
    jail.kill()


def _ask_to_stop(jail: Jail, deadline: float) -> None:
    spec = jail.spec()
    if not jail.send(signal.SIGCONT) or spec is None:
        return
    try:
        _run_script(jail, spec, "stop", max(POLL, deadline - time.monotonic()))
    except HypervisorError as exc:
        jail.ctx.log.warning("%s", exc.message)
    jail.send(signal.SIGTERM)
    while jail.processes() and time.monotonic() < deadline:
        time.sleep(POLL)


def reboot(jail: Jail) -> None:
    """Stop the guest and start it as it was.

    :raises HypervisorError: it does not run
    """
    spec = jail.spec()
    if spec is None or not jail.processes():
        raise HypervisorError(f"instance {jail.name} does not run on this node")
    stop(jail, force=False, timeout=REBOOT_PATIENCE)
    start(jail, spec, paused=False)


def recover(ctx: HookContext) -> list[str]:
    """Find guests again and clear away what dead ones left; return a line for each."""
    return [_recovered(jail) for jail in jails(ctx)]


def _recovered(jail: Jail) -> str:
    if jail.processes():
        return f"found {jail.name} again"
    if jail.is_unreadable():
        return f"left {jail.name} alone: its state is of a newer version or damaged"
    try:
        jail.kill()
    except HypervisorError as exc:
        return f"could not clear away all that {jail.name} left: {exc}"
    return f"cleared away what {jail.name} left"
