"""A container's configuration, as lxc.container.conf(5) has it: a pure function of the instance."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

from ganeti_core.plugin_api import InstanceSpec

from .containers import Container
from .limits import Bounds
from .parameters import words

PTYS = 255
CONSOLE_LOG = "4MB"
"""What a container says fills no disk of the node: its log has this size, and so has the one before
it. LXC wants a power of two."""
UNPLUG = '[ "$LXC_TARGET" = reboot ] || ip link del dev {device} 2>/dev/null || true'


def text(container: Container, instance: InstanceSpec, mount: Sequence[str]) -> str:
    """Return the configuration of `instance`, whose hvparams are filled.

    :param mount: the command that mounts its root file system
    """
    return "".join(f"{key} = {value}\n" for key, value in _lines(container, instance, mount))


def _lines(
    container: Container, instance: InstanceSpec, mount: Sequence[str]
) -> Iterator[tuple[str, str]]:
    params, group = instance.hvparams, container.group
    yield "lxc.uts.name", instance.name
    yield "lxc.rootfs.path", f"dir:{container.root}"
    yield "lxc.hook.version", "1"  # hooks get variables instead of arguments
    yield "lxc.hook.pre-mount", shlex.join(mount)
    yield "lxc.mount.auto", "proc:mixed sys:mixed cgroup:mixed"
    yield "lxc.pty.max", str(PTYS)
    yield "lxc.tty.max", str(params["num_ttys"])
    yield "lxc.console.logfile", str(container.console_log)
    yield "lxc.console.size", CONSOLE_LOG
    yield "lxc.console.rotate", "1"
    # Two nodes on one host share its cgroups, and so do containers of others.
    yield "lxc.cgroup.dir.container", group.name
    yield "lxc.cgroup.dir.monitor", group.monitor
    # Where the monitor goes when the container has ended; below its own, so that nothing else is
    # left behind by one that is killed.
    yield "lxc.cgroup.dir.monitor.pivot", group.monitor
    yield from container.host.limits.settings(Bounds(
        instance.memory, instance.vcpus, str(params["cpu_mask"]), words(params, "devices")))
    if dropped := words(params, "drop_capabilities"):
        yield "lxc.cap.drop", " ".join(dropped)
    yield from _cards(container, instance)
    for line in words(params, "extra_config"):
        key, _, value = line.partition("=")
        yield key.strip(), value.strip()


def _cards(container: Container, instance: InstanceSpec) -> Iterator[tuple[str, str]]:
    cards = container.cards
    if not instance.nics:
        yield "lxc.net.0.type", "empty"
    for index, nic in enumerate(instance.nics):
        yield f"lxc.net.{index}.type", "phys"
        yield f"lxc.net.{index}.link", cards.inner(nic)
        yield f"lxc.net.{index}.name", f"eth{index}"
        yield f"lxc.net.{index}.flags", "up"
        # LXC gives this end back to the node when the container ends; the pair goes with either.
        # What is run is one program.
        yield "lxc.hook.post-stop", shlex.join(
            ["sh", "-c", UNPLUG.format(device=cards.device(nic))])
