"""The contract of network services: what a node does for the guests in a network, such as DHCP.

A network is given a service by the tag ``service:NAME``, where NAME is the plugin's. The core calls
it on each node on which a card of that network is attached, with all such cards of the node, and
again whenever they change; when the last one has gone it ends the service there. So a service on
many nodes has no state of its own to share: each node serves its own guests, wherever they move.
"""

from __future__ import annotations

from collections.abc import Iterable

from ganeti_core.lazy_dataclass import dataclass

from .context import HookContext
from .data import Description, InstanceSpec, JsonDict, NicSpec
from .kinds import Kind, hookspec, where

SERVICE_TAG = "service:"
"""What a network's tag begins with that names one of its services."""


@dataclass(frozen=True)
class ServedNetwork:
    """A network, and what its cards are attached to; two that differ in anything are two.

    :param mode: the network back end of the cards
    :param network: as in `NicSpec.network`: ``uuid``, ``name``, ``network``, ``gateway``,
        ``network6``, ``gateway6``, ``tags``, ...
    """

    uuid: str
    mode: str
    link: str
    vlan: str = ""
    network: JsonDict | None = None


@dataclass(frozen=True)
class ServedCard:
    """A card that is attached on this node; `device` is the node's end of it."""

    nic: NicSpec
    instance: InstanceSpec
    device: str


class NetworkServiceSpec:
    """What the core asks of a network service; node hooks run where the guests are.

    Only one call about a network runs on a node at a time. Errors are `OpExecError`.
    """

    @hookspec(firstresult=True)
    @where("master")
    def describe(self) -> Description:
        """Describe the service; what it can be told is in `settings`."""
        raise NotImplementedError

    @hookspec(firstresult=True)
    def check(self, ctx: HookContext, networks: tuple[ServedNetwork, ...]) -> list[str]:
        """Say why this node could not serve `networks`; empty when it could.

        Asked before an instance with a card in one of them is created, started, changed or moved
        to the node, and when the cluster is verified.
        """
        raise NotImplementedError

    @hookspec(firstresult=True)
    @where(changes=True, timeout=60.0)
    def serve(
        self, ctx: HookContext, network: ServedNetwork, cards: tuple[ServedCard, ...]
    ) -> None:
        """Serve these cards and no others, of which there is at least one.

        The first call starts the service. It is called before a guest with a new card runs, after
        one has lost its card, and now and then, to bring back what has died; so twice is harmless,
        and cheap.

        :raises OpExecError: they are not served; for a new card that means that its guest does
            not start
        """
        raise NotImplementedError

    @hookspec(firstresult=True)
    @where(changes=True, timeout=60.0)
    def end(self, ctx: HookContext, network: ServedNetwork) -> None:
        """Take back all that `serve` did for a network, also half of it; twice is harmless.

        :raises OpExecError: something is left; it is called again later
        """
        raise NotImplementedError


def services_of(tags: Iterable[str]) -> list[str]:
    """Return the services that a network's tags name."""
    return sorted({tag.removeprefix(SERVICE_TAG) for tag in tags if tag.startswith(SERVICE_TAG)})


def served_network(nic: NicSpec) -> ServedNetwork | None:
    """Return the network that a card is in, as services know it; None where it is in none."""
    if not nic.network:
        return None
    return ServedNetwork(str(nic.network["uuid"]), nic.mode, nic.link, nic.vlan, nic.network)


NETWORK_SERVICES = Kind("network_services", NetworkServiceSpec)
