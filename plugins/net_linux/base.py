"""What all networks of a Linux node have in common: filters, and an administrator's own scripts."""

from __future__ import annotations

import os
from abc import abstractmethod
from pathlib import Path
from typing import ClassVar

from ganeti_core.plugin_api import (
    HookContext,
    InstanceSpec,
    NetworkLink,
    NicSpec,
    hookimpl,
    run_command,
)
from ganeti_core.plugin_api.device_networks import DeviceNetwork
from ganeti_core.plugin_api.network import vif_environment
from ganeti_core.plugin_api.run import DEFAULT_PATH

from . import filters

FOLDER = "etc/ganeti/network"
UP, DOWN = "up", "down"
LIMIT = 50.0


class LinuxNetwork(DeviceNetwork):
    """A network whose own are `missing`, `join` and `leave`.

    An executable ``/etc/ganeti/network/MODE/up`` takes the place of `join`, as in Ganeti, and then
    nothing is `missing`; ``down`` is called before `leave`, which is harmless then.
    """

    mode: ClassVar[str]

    @abstractmethod
    def missing(self, ctx: HookContext, links: tuple[NetworkLink, ...]) -> list[str]:
        """Say which links this node does not have."""

    @abstractmethod
    def join(self, ctx: HookContext, nic: NicSpec, instance: InstanceSpec, device: str) -> None:
        """Connect the interface to the card's link."""

    def leave(self, ctx: HookContext, nic: NicSpec, instance: InstanceSpec, device: str) -> None:
        """Take back what `join` did, also half of it; the interface may be gone by now."""

    @hookimpl
    def check(self, ctx: HookContext, links: tuple[NetworkLink, ...]) -> list[str]:
        own = [] if is_script(self._script(ctx, UP)) else self.missing(ctx, links)
        return [*own, *filters.problems(links)]

    def connect(self, ctx: HookContext, nic: NicSpec, instance: InstanceSpec, device: str) -> None:
        filters.set_up(nic, device)
        if is_script(script := self._script(ctx, UP)):
            run_script(script, nic, instance, device)
        else:
            self.join(ctx, nic, instance, device)

    @hookimpl
    def detach(self, ctx: HookContext, nic: NicSpec, instance: InstanceSpec, device: str) -> None:
        if is_script(script := self._script(ctx, DOWN)):
            run_script(script, nic, instance, device)
        self.leave(ctx, nic, instance, device)
        filters.take_away(nic, device)

    def _script(self, ctx: HookContext, name: str) -> Path:
        return ctx.root / FOLDER / self.mode / name


def is_script(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)


def run_script(script: Path, nic: NicSpec, instance: InstanceSpec, device: str) -> None:
    """Run an administrator's script with the variables that Ganeti gives to such.

    :raises CommandFailed: it failed
    """
    environment = {"PATH": DEFAULT_PATH, "LC_ALL": "C", **vif_environment(nic, instance, device)}
    run_command([script, device], timeout=LIMIT, env=environment, cwd=script.parent)
