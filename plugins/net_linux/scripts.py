"""Cards that the administrator's own scripts attach."""

from __future__ import annotations

from pathlib import Path

from ganeti_core.plugin_api import (
    HookContext,
    InstanceSpec,
    NetworkLink,
    NicSpec,
)
from ganeti_core.plugin_api.network import DEVICE_LINK, FILTERS, VLANS

from .base import DOWN, UP, LinuxNetwork, is_script, run_script

FOLDER = "etc/ganeti/networks"


class ScriptNetwork(LinuxNetwork):
    """Runs the scripts of the folder ``/etc/ganeti/networks/LINK``.

    ``up`` attaches the interface and ``down``, which may be missing, takes that back; both get
    Ganeti's variables for such scripts (``INTERFACE``, ``MAC``, ``INSTANCE``, ...). ``down`` is
    called whenever a guest has ended, also twice, and when the interface is gone by itself. Where
    there is Ganeti's ``/etc/ganeti/network/ext/up``, that one is used for all links instead.
    """

    mode = "ext"
    title = "Scripts in /etc/ganeti/networks"
    capabilities = frozenset({DEVICE_LINK, VLANS, FILTERS})

    def missing(self, ctx: HookContext, links: tuple[NetworkLink, ...]) -> list[str]:
        return [f"Network {link} is missing: there is no executable {_script(ctx, link, UP)}"
                for link in sorted({one.link for one in links})
                if not is_script(_script(ctx, link, UP))]

    def join(self, ctx: HookContext, nic: NicSpec, instance: InstanceSpec, device: str) -> None:
        run_script(_script(ctx, nic.link, UP), nic, instance, device)

    def leave(self, ctx: HookContext, nic: NicSpec, instance: InstanceSpec, device: str) -> None:
        if is_script(script := _script(ctx, nic.link, DOWN)):
            run_script(script, nic, instance, device)


def _script(ctx: HookContext, link: str, name: str) -> Path:
    return ctx.root / FOLDER / link / name

