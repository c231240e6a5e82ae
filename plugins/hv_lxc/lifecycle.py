"""Start, stop, reboot, change and recover containers."""

from __future__ import annotations

import time
from dataclasses import replace

from ganeti_core.plugin_api import (
    CommandFailed,
    HypervisorError,
    InstanceSpec,
    OpPrereqError,
    processes,
    root_file_systems,
    run_command,
)

from . import configuration, parameters
from .containers import Container, Host

FIRST_PATIENCE, MOST_PATIENCE = 0.5, 10.0
"""Seconds between requests to shut down, twice as long each time: the first process of one that is
still starting does not hear the first."""
REBOOT_PATIENCE = 30.0
"""Seconds that a container gets to shut down for a reboot."""
PROGRAM_LIMIT = 10.0
POLL = 0.02
SAID_LINES = 5


def start(container: Container, instance: InstanceSpec, *, paused: bool) -> None:
    """Start the container, all or nothing; one that runs is left alone.

    :raises HypervisorError: it did not start; nothing of it is left
    """
    if container.is_running():
        return
    container.kill()
    complete = replace(instance, hvparams=parameters.filled(instance.hvparams))
    try:
        parameters.check(complete.hvparams, container.host.hierarchies)
    except OpPrereqError as exc:
        raise HypervisorError(
            f"{instance.name} cannot start on {container.ctx.node}: {exc.message}") from exc
    if missing := container.host.limits.missing():
        raise HypervisorError(f"{instance.name} cannot start on {container.ctx.node}: the cgroup "
                              f"controllers {', '.join(missing)} are missing")
    mount = root_file_systems.mount_command(
        root_file_systems.root_disk(complete), container.root)
    try:
        _begin(container, complete, configuration.text(container, complete, mount))
        if paused:
            container.host.limits.freeze(container.group)
    except BaseException:
        try:
            container.kill(patience=0.0)
        except HypervisorError as exc:
            # Why it did not start counts; what is left is cleared away by the next stop.
            container.ctx.log.warning("%s did not start, and is not cleared away: %s",
                                      container.name, exc)
        raise


def _begin(container: Container, instance: InstanceSpec, config: str) -> None:
    container.folder.mkdir(mode=0o700, parents=True)
    # Written first: whatever happens from here on, the container will be found again.
    container.save(instance)
    container.root.mkdir()
    (container.folder / "config").write_text(config)
    container.ctx.logs.mkdir(mode=0o750, parents=True, exist_ok=True)
    since = container.log.stat().st_size if container.log.exists() else 0
    with container.cards.attached(instance):
        try:
            run_command(
                container.program("lxc-start", "-d", "-l", "ERROR", "-o", str(container.log)),
                timeout=parameters.start_limit(instance.hvparams),
                env=processes.mark(container.ctx, container.name))
        except CommandFailed as exc:
            raise HypervisorError(
                f"{instance.name} did not start: {_said(container, since) or exc.message}") from exc
        if not container.is_running():
            raise HypervisorError(f"{instance.name} ended right after its start; its console is in "
                                  f"{container.console_log}")


def _said(container: Container, since: int) -> str:
    """What LXC wrote as errors."""
    try:
        text = container.log.read_bytes()[since:].decode(errors="replace")
    except OSError:
        return ""
    # LXC asks itself for keys of older versions, and complains of that as an error.
    errors = [line.partition(" ERROR ")[2].strip() for line in text.splitlines()
              if " ERROR " in line and "get_config_unsupported_key" not in line]
    return "; ".join(errors[:SAID_LINES])


def stop(container: Container, *, force: bool, timeout: float) -> None:
    """End the container: ask it to shut down, kill it after `timeout` seconds.

    :raises HypervisorError: a process of it hangs in the kernel
    """
    if not force:
        _ask_to_stop(container, time.monotonic() + timeout)
    container.kill()


def _ask_to_stop(container: Container, deadline: float) -> None:
    patience = FIRST_PATIENCE
    while container.is_running() and time.monotonic() < deadline:
        container.host.limits.thaw(container.group)
        try:
            run_command(container.program("lxc-stop", "--nokill", "--nowait"),
                        timeout=PROGRAM_LIMIT)
        except CommandFailed as exc:  # it keeps its time, and is asked again
            container.ctx.log.info("%s cannot be asked to shut down: %s", container.name, exc)
        until = min(deadline, time.monotonic() + patience)
        while container.is_running() and time.monotonic() < until:
            time.sleep(POLL)
        patience = min(2 * patience, MOST_PATIENCE)


def reboot(container: Container) -> None:
    """Let the container shut down, and start it as it was.

    :raises HypervisorError: it does not run
    """
    spec = container.spec()
    if not container.is_running() or spec is None:
        raise HypervisorError(f"instance {container.name} does not run on this node")
    stop(container, force=False, timeout=REBOOT_PATIENCE)
    start(container, spec, paused=False)


def set_memory(container: Container, memory: int) -> None:
    """Let the running container have `memory` MiB.

    :raises HypervisorError: it does not run, or holds more
    """
    if not container.is_running():
        raise HypervisorError(f"instance {container.name} does not run on this node")
    container.host.limits.set_memory(container.group, memory)


def recover(host: Host) -> list[str]:
    """Find containers again and clear away what dead ones left; return a line for each."""
    return [_recovered(container) for container in host.containers()]


def _recovered(container: Container) -> str:
    if container.is_running():
        return f"found {container.name} again"
    if container.is_unreadable():
        return f"left {container.name} alone: its state is of a newer version or damaged"
    try:
        container.kill()
    except HypervisorError as exc:
        return f"could not clear away all that {container.name} left: {exc}"
    return f"cleared away what {container.name} left"
