"""Each hook of a network service does on a node what its contract says, for the cards there."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from on_a_node import OnANode, api0

from ganeti_core.node.cards import Cards
from ganeti_core.node.dispatch import Dispatcher
from ganeti_core.node.hooks import HookRequest, hook_envelope
from ganeti_core.node.running import RunningCall
from ganeti_core.node.tending import Tending
from ganeti_core.plugin_api import OpExecError
from ganeti_core.plugin_api.network import NETWORK_BACKENDS
from ganeti_core.plugin_api.network_services import NETWORK_SERVICES, ServedCard, ServedNetwork
from ganeti_core.plugin_api.testing.network_service import NETWORK, card
from ganeti_core.rpc.wire import Envelope

service = api0("network_services")
segments = api0("network_backends")
OFFICE = ServedNetwork(str(NETWORK["uuid"]), "mine", "office",
                       network=NETWORK | {"tags": ["service:mine"]})
FIRST, SECOND = card(OFFICE, 1), card(OFFICE, 2)


class Here:
    """Workers that run hooks in this very process."""

    def __init__(self, node: OnANode) -> None:
        self._node = node

    def run(self, request: HookRequest, call: RunningCall, told: Any) -> Envelope:
        return hook_envelope(self._node.world, request)


@pytest.fixture
def node(tmp_path: Path) -> OnANode:
    found = OnANode.with_driver(tmp_path, NETWORK_SERVICES, service.Oldest())
    found.world.host.add(NETWORK_BACKENDS, "mine", segments.Oldest())
    folder = tmp_path / segments.SEGMENTS
    folder.mkdir(parents=True)
    (folder / "office").touch()
    return found


@pytest.fixture
def tending(node: OnANode) -> Tending:
    world = node.world
    return Tending(world, Dispatcher(world, Here(node)))  # type: ignore[arg-type]  # all of a pool that is used


def served(node: OnANode) -> dict[str, str] | None:
    """Whom the service serves in the office; None when it does not run."""
    file = node.world.local.paths.plugin_state / f"network_services/mine/{OFFICE.uuid}"
    found: dict[str, str] | None = json.loads(file.read_text()) if file.exists() else None
    return found


def driver(node: OnANode, hook: str, one: ServedCard) -> None:
    """What a hypervisor does with a card."""
    call = node.world.context("hypervisors", "any", {}).driver
    call("network_backends", one.nic.mode, hook, nic=one.nic, instance=one.instance,
         device=one.device)


def test_hook_network_service_describe(node: OnANode) -> None:
    assert node.call("describe").title == "oldest"


def test_hook_network_service_check(node: OnANode) -> None:
    assert node.call("check", networks=(OFFICE,)) == []
    assert node.call("check", networks=(OFFICE, replace(OFFICE, link="closed"))) == [
        "closed is closed"]


def test_hook_network_service_serve(node: OnANode) -> None:
    """The daemon calls it without knowing the cards: those that are attached are served."""
    driver(node, "attach", FIRST)
    (node.world.local.paths.plugin_state / f"network_services/mine/{OFFICE.uuid}").unlink()
    node.call("serve", network=OFFICE, cards=())
    assert served(node) == {FIRST.nic.mac: "inst1.example.com"}


def test_hook_network_service_end(node: OnANode) -> None:
    driver(node, "attach", FIRST)
    driver(node, "detach", FIRST)
    for _ in range(2):
        node.call("end", network=OFFICE)
    assert served(node) is None


def test_cards_are_served_from_the_first_to_the_last(node: OnANode) -> None:
    driver(node, "attach", FIRST)
    driver(node, "attach", SECOND)
    assert served(node) == {FIRST.nic.mac: "inst1.example.com", SECOND.nic.mac: "inst2.example.com"}
    driver(node, "detach", FIRST)
    assert served(node) == {SECOND.nic.mac: "inst2.example.com"}
    driver(node, "detach", SECOND)
    assert served(node) is None
    cards = Cards(node.world.cards_folder, node.world.context("x", "y", {}).driver)
    assert (cards.attached(), cards.services()) == ([], [])


def test_a_card_of_a_network_without_services_needs_none(node: OnANode) -> None:
    plain = replace(FIRST, nic=replace(FIRST.nic, network=NETWORK))
    driver(node, "attach", plain)
    assert served(node) is None


def test_a_card_that_goes_into_another_network_is_served_there_only(node: OnANode) -> None:
    driver(node, "attach", FIRST)
    other = replace(FIRST, nic=replace(FIRST.nic, network=NETWORK))
    driver(node, "attach", other)
    assert served(node) is None


def test_a_card_that_cannot_be_served_is_not_attached(node: OnANode) -> None:
    (node.world.local.paths.root / segments.SEGMENTS / "closed").touch()
    with pytest.raises(OpExecError, match="closed is closed"):
        driver(node, "attach", replace(FIRST, nic=replace(FIRST.nic, link="closed")))
    state = node.world.local.paths.plugin_state / "network_backends/mine"
    assert list(state.iterdir()) == []
    assert Cards(node.world.cards_folder, node.world.context("x", "y", {}).driver).attached() == []


def test_what_ended_guests_left_is_taken_back_when_the_daemon_looks(
    node: OnANode, tending: Tending
) -> None:
    driver(node, "attach", FIRST)  # its device does not exist: it has gone with its guest
    tending.look({}, services=False)
    assert served(node) is None
    assert list((node.world.local.paths.plugin_state / "network_backends/mine").iterdir()) == []


@pytest.fixture
def device() -> Iterator[str]:
    name = f"gnh{os.getpid()}"
    if os.geteuid() != 0 or not shutil.which("ip"):
        pytest.skip("an interface is needed, and root to make it")
    subprocess.run(["ip", "tuntap", "add", "dev", name, "mode", "tap"], check=True, timeout=10)
    yield name
    subprocess.run(["ip", "link", "del", name], check=True, timeout=10)


@pytest.mark.needs_root
def test_a_service_that_died_is_begun_again_and_no_running_guest_is_touched(
    node: OnANode, tending: Tending, device: str
) -> None:
    running = replace(FIRST, device=device)
    driver(node, "attach", running)
    (node.world.local.paths.plugin_state / f"network_services/mine/{OFFICE.uuid}").unlink()
    tending.look({}, services=False)
    assert served(node) is None
    tending.look({}, services=True)
    assert served(node) == {FIRST.nic.mac: "inst1.example.com"}
    # The daemon has seen the device go, but by now another guest has it.
    envelope = hook_envelope(node.world, HookRequest("network_backends", "mine", "detach", {
        "nic": {"uuid": FIRST.nic.uuid, "index": 0, "mac": FIRST.nic.mac, "mode": "mine",
                "link": "office"},
        "instance": {"uuid": "u", "name": "n", "hypervisor": "h"}, "device": device}, {}))
    assert "error" not in envelope
    assert served(node) == {FIRST.nic.mac: "inst1.example.com"}


def test_a_service_that_is_uninstalled_keeps_no_guest(node: OnANode) -> None:
    driver(node, "attach", FIRST)
    settings = {"disabled_plugins": ["network_services:mine"]}
    call = node.world.context("hypervisors", "any", settings).driver
    call("network_backends", "mine", "detach", nic=FIRST.nic, instance=FIRST.instance,
         device=FIRST.device)
    # It is ended when it can be called again.
    assert served(node) is not None
    Tending(node.world, Dispatcher(node.world, Here(node))).look({}, services=True)  # type: ignore[arg-type]
    assert served(node) is None
