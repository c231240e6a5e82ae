"""The conformance of network services: `NetworkServiceContract`."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

import pytest

from ganeti_core.errors import OpExecError
from ganeti_core.plugin_api.context import HookContext
from ganeti_core.plugin_api.data import InstanceSpec, NicSpec
from ganeti_core.plugin_api.kinds import Kind
from ganeti_core.plugin_api.network_services import (
    NETWORK_SERVICES,
    NetworkServiceSpec,
    ServedCard,
    ServedNetwork,
)

from .base import PluginContract
from .calls import Calls
from .footprint import Footprint
from .killing import killed_at_each_step

NETWORK = {
    "name": "office", "uuid": "4e700000-0000-4000-8000-000000000001", "serial_no": 1, "ctime": 0.0,
    "mtime": 0.0, "mac_prefix": None, "network": "192.0.2.0/24", "network6": "2001:db8::/64",
    "gateway": "192.0.2.1", "gateway6": None, "reservations": "", "ext_reservations": "",
    "tags": []}


class NetworkServiceContract(PluginContract):
    """Provide `driver`, and `network` where it must be one that this node has.

    And `more_footprint`, which lists what serving changes on the node beside files and processes.
    """

    kind: ClassVar[Kind[Any]] = NETWORK_SERVICES
    kill_points: ClassVar[int] = 6

    @pytest.fixture
    def network(self) -> ServedNetwork:
        """A network that this node can serve."""
        return ServedNetwork(str(NETWORK["uuid"]), "any", "office", network=NETWORK)

    @pytest.fixture
    def unfit(self) -> ServedNetwork | None:
        """A network that this node cannot serve; None where there is none such."""
        return None

    @pytest.fixture
    def cards(self, network: ServedNetwork) -> tuple[ServedCard, ...]:
        """Two cards of the network; their devices need not exist."""
        return tuple(card(network, number) for number in (1, 2))

    @pytest.fixture
    def service(self, calls: Calls[NetworkServiceSpec]) -> NetworkServiceSpec:
        return calls.of(NetworkServiceSpec)

    @pytest.fixture(autouse=True)
    def _ended(
        self, service: NetworkServiceSpec, ctx: HookContext, network: ServedNetwork
    ) -> Iterable[None]:
        """Take away what a failed test left."""
        yield
        service.end(ctx=ctx, network=network)

    def test_a_network_that_can_be_served_has_no_problem(
        self, service: NetworkServiceSpec, ctx: HookContext, network: ServedNetwork
    ) -> None:
        assert service.check(ctx=ctx, networks=()) == []
        assert service.check(ctx=ctx, networks=(network,)) == []

    def test_a_network_that_cannot_be_served_is_refused_and_leaves_nothing(
        self, service: NetworkServiceSpec, ctx: HookContext, network: ServedNetwork,
        unfit: ServedNetwork | None, cards: tuple[ServedCard, ...], footprint: Footprint,
    ) -> None:
        if unfit is not None:
            assert service.check(ctx=ctx, networks=(network, unfit)) != []
            with pytest.raises(OpExecError):
                service.serve(ctx=ctx, network=unfit, cards=cards)
            service.end(ctx=ctx, network=unfit)
        footprint.assert_unchanged()

    def test_serving_and_ending_twice_is_harmless(
        self, service: NetworkServiceSpec, ctx: HookContext, network: ServedNetwork,
        cards: tuple[ServedCard, ...], footprint: Footprint,
        more_footprint: Callable[[], Iterable[str]],
    ) -> None:
        service.serve(ctx=ctx, network=network, cards=cards)
        served = Footprint((ctx,), more_footprint)
        service.serve(ctx=ctx, network=network, cards=cards)
        served.assert_unchanged()
        for _ in range(2):
            service.end(ctx=ctx, network=network)
        footprint.assert_unchanged()

    def test_cards_come_and_go(
        self, service: NetworkServiceSpec, ctx: HookContext, network: ServedNetwork,
        cards: tuple[ServedCard, ...], footprint: Footprint,
    ) -> None:
        for some in (cards[:1], cards, cards[1:]):
            service.serve(ctx=ctx, network=network, cards=some)
        service.end(ctx=ctx, network=network)
        footprint.assert_unchanged()

    def test_what_was_never_served_can_be_ended(
        self, service: NetworkServiceSpec, ctx: HookContext, network: ServedNetwork,
        footprint: Footprint,
    ) -> None:
        service.end(ctx=ctx, network=network)
        footprint.assert_unchanged()

    def test_a_killed_call_can_be_ended_and_repeated(
        self, service: NetworkServiceSpec, ctx: HookContext, network: ServedNetwork,
        cards: tuple[ServedCard, ...], footprint: Footprint,
    ) -> None:
        serve = functools.partial(service.serve, ctx=ctx, network=network, cards=cards)
        for _ in killed_at_each_step(serve, self.kill_points):
            service.end(ctx=ctx, network=network)
            footprint.assert_unchanged()
        serve()


def card(network: ServedNetwork, number: int) -> ServedCard:
    """A card of a network, the only one of its instance."""
    nic = NicSpec(
        f"41c00000-0000-4000-8000-{number:012d}", 0, f"aa:00:00:11:22:{number:02x}",
        mode=network.mode, link=network.link, vlan=network.vlan, ip=f"192.0.2.{number + 6}",
        network=network.network)
    return ServedCard(nic, InstanceSpec(
        f"c0ffee00-0000-4000-8000-{number:012d}", f"inst{number}.example.com", "any",
        beparams={"maxmem": 64, "minmem": 64, "vcpus": 1}, nics=(nic,)), f"tap{number}")
