"""A plugin written for API 0 of network_backends. Frozen: it loads as long as API 0 is accepted."""

from ganeti_core.plugin_api import (
    Description,
    HookContext,
    NetworkLink,
    NicSpec,
    OpExecError,
    hookimpl,
)
from ganeti_core.plugin_api.network import DEVICE_LINK

SEGMENTS = "etc/ganeti/segments"
"""A folder with a file for each link that this node has."""


class Oldest:
    @hookimpl
    def describe(self) -> Description:
        return Description(
            api_version=0, title="oldest", capabilities=frozenset({DEVICE_LINK}))

    @hookimpl
    def check(self, ctx: HookContext, links: tuple[NetworkLink, ...]) -> list[str]:
        return [f"Missing segment {one.link}: there is no {ctx.root / SEGMENTS / one.link}"
                for one in links if not (ctx.root / SEGMENTS / one.link).is_file()]

    @hookimpl
    def attach(self, ctx: HookContext, nic: NicSpec, device: str) -> None:
        if problems := self.check(ctx, (NetworkLink(nic.link),)):
            raise OpExecError("; ".join(problems))
        (ctx.state / device).write_text(f"{nic.mac} on {nic.link}\n")

    @hookimpl
    def detach(self, ctx: HookContext, device: str) -> None:
        (ctx.state / device).unlink(missing_ok=True)
