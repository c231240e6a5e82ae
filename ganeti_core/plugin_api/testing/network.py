"""The conformance of network back ends: `NetworkBackendContract`."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, ClassVar

import pytest

from ganeti_core.errors import OpExecError
from ganeti_core.plugin_api.context import HookContext
from ganeti_core.plugin_api.data import Description, InstanceSpec, NetworkLink, NicSpec
from ganeti_core.plugin_api.kinds import Kind
from ganeti_core.plugin_api.network import (
    DEVICE_LINK,
    NETWORK_BACKENDS,
    USER_MODE,
    NetworkBackendSpec,
)

from .base import PluginContract
from .calls import Calls
from .footprint import Footprint
from .killing import killed_at_each_step

GONE = "tapgone0"
"""An interface that no node has."""


class NetworkBackendContract(PluginContract):
    """Provide `driver`, `nic` and, but for user mode, `device` and `missing`.

    And `more_footprint`, which lists what attaching changes on the node: what is in which bridge,
    rules, ports.
    """

    kind: ClassVar[Kind[Any]] = NETWORK_BACKENDS
    kill_points: ClassVar[int] = 6

    @pytest.fixture
    def nic(self) -> NicSpec:
        """A card whose link this node has."""
        raise NotImplementedError("provide a fixture `nic`")

    @pytest.fixture
    def device(self) -> str:
        """An interface of this node that can stand for the card."""
        return ""

    @pytest.fixture
    def missing(self) -> NetworkLink | None:
        """A link that this node does not have; None where none is needed."""
        return None

    @pytest.fixture
    def instance(self, nic: NicSpec) -> InstanceSpec:
        """The instance that has the card."""
        return InstanceSpec(
            uuid="c0ffee00-0000-4000-8000-000000000001", name="inst1.example.com",
            hypervisor="mine", beparams={"maxmem": 64, "minmem": 64, "vcpus": 1}, nics=(nic,))

    @pytest.fixture
    def card(
        self, ctx: HookContext, nic: NicSpec, instance: InstanceSpec, device: str
    ) -> dict[str, Any]:
        """What `attach` and `detach` are called with."""
        return {"ctx": ctx, "nic": nic, "instance": instance, "device": device}

    @pytest.fixture
    def network(self, calls: Calls[NetworkBackendSpec]) -> NetworkBackendSpec:
        return calls.of(NetworkBackendSpec)

    @pytest.fixture(autouse=True)
    def _detached(self, network: NetworkBackendSpec, card: dict[str, Any]) -> Iterable[None]:
        """Take away what a failed test left."""
        yield
        network.detach(**card)

    def test_only_user_mode_needs_no_interface(
        self, description: Description, device: str
    ) -> None:
        assert (USER_MODE in description.capabilities) == (device == ""), "provide `device`"

    def test_a_link_that_is_there_has_no_problem(
        self, network: NetworkBackendSpec, ctx: HookContext, nic: NicSpec
    ) -> None:
        assert network.check(ctx=ctx, links=()) == []
        assert network.check(ctx=ctx, links=(NetworkLink(nic.link, nic.vlan),)) == []

    def test_a_link_that_is_missing_is_named(
        self, network: NetworkBackendSpec, ctx: HookContext, nic: NicSpec,
        missing: NetworkLink | None, description: Description,
    ) -> None:
        assert missing is not None or DEVICE_LINK not in description.capabilities
        if missing is not None:
            said = network.check(ctx=ctx, links=(NetworkLink(nic.link, nic.vlan), missing))
            assert any(missing.link in line for line in said), said

    def test_attaching_to_a_missing_link_leaves_nothing(
        self, network: NetworkBackendSpec, card: dict[str, Any], missing: NetworkLink | None,
        footprint: Footprint,
    ) -> None:
        if missing is not None:
            lost = replace(card["nic"], link=missing.link, vlan=missing.vlan)
            with pytest.raises(OpExecError):
                network.attach(**card | {"nic": lost})
        footprint.assert_unchanged()

    def test_attaching_and_detaching_twice_is_harmless(
        self, network: NetworkBackendSpec, card: dict[str, Any], footprint: Footprint,
        more_footprint: Callable[[], Iterable[str]],
    ) -> None:
        network.attach(**card)
        attached = Footprint((card["ctx"],), more_footprint)
        network.attach(**card)
        attached.assert_unchanged()
        for _ in range(2):
            network.detach(**card)
        footprint.assert_unchanged()

    def test_what_was_never_attached_can_be_detached(
        self, network: NetworkBackendSpec, card: dict[str, Any], footprint: Footprint
    ) -> None:
        network.detach(**card)
        network.detach(**card | {"device": card["device"] and GONE})
        footprint.assert_unchanged()

    def test_a_killed_attach_can_be_taken_back_and_repeated(
        self, network: NetworkBackendSpec, card: dict[str, Any], footprint: Footprint
    ) -> None:
        attach = functools.partial(network.attach, **card)
        for _ in killed_at_each_step(attach, self.kill_points):
            network.detach(**card)
            footprint.assert_unchanged()
        attach()

    def test_the_environment_of_scripts_names_card_and_interface(
        self, network: NetworkBackendSpec, nic: NicSpec, instance: InstanceSpec, device: str
    ) -> None:
        variables = network.environment(nic=nic, instance=instance, device=device)
        assert {"INSTANCE": instance.name, "MAC": nic.mac, "INTERFACE": device,
                "MODE": nic.mode}.items() <= variables.items()
