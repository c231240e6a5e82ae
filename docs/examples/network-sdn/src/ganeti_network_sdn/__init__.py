"""Network back end ``sdn``: cards are documents for the agent of a software-defined network."""

import json
from pathlib import Path

from ganeti_core.plugin_api import HookContext, InstanceSpec, NetworkLink, NicSpec, hookimpl
from ganeti_core.plugin_api.device_networks import DeviceNetwork

FOLDER = "var/lib/sdn"


def networks(ctx: HookContext) -> list[str]:
    try:
        return (ctx.root / FOLDER / "networks").read_text().split()
    except FileNotFoundError:
        return []


def document(ctx: HookContext, device: str) -> Path:
    return ctx.root / FOLDER / "ports" / f"{device}.json"


class SdnNetwork(DeviceNetwork):
    title = "Software-defined networks, by their agent"

    @hookimpl
    def check(self, ctx: HookContext, links: tuple[NetworkLink, ...]) -> list[str]:
        known = networks(ctx)
        return [f"The agent knows no network {one.link}: there are {', '.join(known) or 'none'}"
                for one in links if one.link not in known]

    def connect(self, ctx: HookContext, nic: NicSpec, instance: InstanceSpec, device: str) -> None:
        port = {"interface": device, "network": nic.link, "mac": nic.mac, "ip": nic.ip,
                "owner": instance.name}
        path = document(ctx, device)
        path.parent.mkdir(parents=True, exist_ok=True)
        # The agent sees the document whole or not at all.
        draft = path.with_suffix(".draft")
        draft.write_text(json.dumps(port))
        draft.replace(path)

    @hookimpl
    def detach(self, ctx: HookContext, nic: NicSpec, instance: InstanceSpec, device: str) -> None:
        path = document(ctx, device)
        for one in (path, path.with_suffix(".draft")):
            one.unlink(missing_ok=True)
