"""Network service ``hosts``: the names of a node's guests, in a file for its resolver."""

from pathlib import Path

from ganeti_core.plugin_api import Description, HookContext, hookimpl
from ganeti_core.plugin_api.network_services import ServedCard, ServedNetwork

FOLDER = "var/lib/guest-names"


class HostsFiles:
    @hookimpl
    def describe(self) -> Description:
        return Description(api_version=0, title="Names of guests, for the node's resolver")

    @hookimpl
    def check(self, ctx: HookContext, networks: tuple[ServedNetwork, ...]) -> list[str]:
        folder = ctx.root / FOLDER
        return [] if not networks or folder.is_dir() else [f"There is no folder {folder}"]

    @hookimpl
    def serve(
        self, ctx: HookContext, network: ServedNetwork, cards: tuple[ServedCard, ...]
    ) -> None:
        file = hosts_file(ctx, network)
        lines = [f"{card.nic.ip} {card.instance.name}\n" for card in cards if card.nic.ip]
        # The resolver sees the file whole or not at all.
        draft = file.with_suffix(".draft")
        draft.write_text("".join(lines))
        draft.replace(file)

    @hookimpl
    def end(self, ctx: HookContext, network: ServedNetwork) -> None:
        file = hosts_file(ctx, network)
        for one in (file, file.with_suffix(".draft")):
            one.unlink(missing_ok=True)


def hosts_file(ctx: HookContext, network: ServedNetwork) -> Path:
    parts = (network.uuid, network.mode, network.link, network.vlan)
    return ctx.root / FOLDER / "-".join(part for part in parts if part)
