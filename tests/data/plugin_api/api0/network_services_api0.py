"""A plugin written for API 0 of network_services. Frozen: it loads as long as API 0 is accepted."""

import json

from ganeti_core.plugin_api import Description, HookContext, OpExecError, hookimpl
from ganeti_core.plugin_api.network_services import ServedCard, ServedNetwork


class Oldest:
    @hookimpl
    def describe(self) -> Description:
        return Description(api_version=0, title="oldest")

    @hookimpl
    def check(self, networks: tuple[ServedNetwork, ...]) -> list[str]:
        return [f"{one.link} is closed" for one in networks if one.link == "closed"]

    @hookimpl
    def serve(
        self, ctx: HookContext, network: ServedNetwork, cards: tuple[ServedCard, ...]
    ) -> None:
        if problems := self.check((network,)):
            raise OpExecError("; ".join(problems))
        (ctx.state / network.uuid).write_text(json.dumps(
            {card.nic.mac: card.instance.name for card in cards}))

    @hookimpl
    def end(self, ctx: HookContext, network: ServedNetwork) -> None:
        (ctx.state / network.uuid).unlink(missing_ok=True)
