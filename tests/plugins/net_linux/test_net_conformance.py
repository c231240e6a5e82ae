"""Networks of a Linux node keep the contract of network back ends, on real interfaces."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import fake_ovs
import pytest
import stand_in

from ganeti_core.plugin_api import HookContext, InstanceSpec, NetworkLink, NicSpec, OpExecError
from ganeti_core.plugin_api.testing.network import NetworkBackendContract
from ganeti_plugins.net_linux import (
    BridgedNetwork,
    OpenvswitchNetwork,
    RoutedNetwork,
    ScriptNetwork,
    UserNetwork,
    bridged,
)
from ganeti_plugins.net_linux.bridged import vlan_commands

NIC = NicSpec("41c00000-0000-4000-8000-000000000001", 0, "aa:00:00:11:22:33", ip="192.0.2.7")
NOWHERE = NetworkLink("gntnowhere")
TABLE = "3939"


def ip(*words: str) -> str:
    return subprocess.run(
        ["ip", *words], check=True, capture_output=True, text=True, timeout=10).stdout


def masters() -> list[str]:
    """Which of this process's interfaces are in bridges: other tests run beside it."""
    return [f"{link['ifname']} in {link['master']}" for link in json.loads(ip("-j", "link"))
            if "master" in link and link["ifname"].endswith(str(os.getpid()))]


def routing() -> list[str]:
    lines = [*ip("rule", "show").splitlines(), *ip("route", "show", "table", "all").splitlines()]
    return [line for line in lines if f"{os.getpid()} " in line]


@contextmanager
def link(name: str, *command: str) -> Iterator[str]:
    """An interface made by a command; the test is skipped where the kernel has no such one."""
    try:
        ip(*command)
    except subprocess.CalledProcessError as exc:
        pytest.skip(f"no interface can be made here by {command}: {exc.stderr}")
    try:
        yield name
    finally:
        subprocess.run(["ip", "link", "del", name], check=True, timeout=10)


@pytest.fixture
def device() -> Iterator[str]:
    """An interface of a guest; its other end stands for the guest's."""
    with tap(f"tap{os.getpid()}") as name:
        yield name


def tap(name: str) -> Any:
    return link(name, "tuntap", "add", "dev", name, "mode", "tap")


@pytest.fixture
def bridge() -> Iterator[str]:
    name = f"gnt{os.getpid()}"
    with link(name, "link", "add", name, "type", "bridge"):
        yield name


@pytest.fixture
def filtering(bridge: str) -> None:
    try:
        ip("link", "set", "dev", bridge, "type", "bridge", "vlan_filtering", "1")
    except subprocess.CalledProcessError:
        pytest.skip("this kernel's bridges do not filter VLANs")


@pytest.fixture
def uplink(bridge: str) -> Iterator[str]:
    with tap(f"up{os.getpid()}") as name:
        ip("link", "set", "dev", name, "master", bridge)
        yield name


def vlans(device: str) -> dict[int, set[str]]:
    """The VLANs of an interface of a bridge, and how it is in each."""
    shown = subprocess.run(["bridge", "-j", "vlan", "show", "dev", device], check=True,
                           capture_output=True, text=True, timeout=10).stdout
    return {one["vlan"]: set(one.get("flags", ())) for port in json.loads(shown)
            for one in port["vlans"]}


@pytest.mark.needs_root
class TestBridged(NetworkBackendContract):
    @pytest.fixture
    def driver(self) -> BridgedNetwork:
        return BridgedNetwork()

    @pytest.fixture
    def device(self, device: str) -> str:
        return device

    @pytest.fixture
    def nic(self, bridge: str) -> NicSpec:
        return replace(NIC, mode="bridged", link=bridge)

    @pytest.fixture
    def missing(self) -> NetworkLink:
        return NOWHERE

    @pytest.fixture
    def more_footprint(self) -> Callable[[], Iterable[str]]:
        return masters

    def test_a_missing_bridge_is_reported_as_ganeti_does(
        self, driver: BridgedNetwork, ctx: HookContext
    ) -> None:
        links = (NetworkLink("br8"), NetworkLink("br7"), NetworkLink("br8"))
        assert driver.check(ctx, links) == ["Missing bridges br7, br8"]

    def test_an_attached_device_is_up_in_its_bridge_and_lends_it_no_address(
        self, driver: BridgedNetwork, ctx: HookContext, nic: NicSpec, instance: InstanceSpec,
        device: str, bridge: str,
    ) -> None:
        ip("link", "set", "dev", bridge, "mtu", "1400")
        driver.attach(ctx, nic, instance, device)
        (seen,) = json.loads(ip("-j", "link", "show", "dev", device))
        assert (seen["master"], seen["mtu"], "UP" in seen["flags"]) == (bridge, 1400, True)
        assert seen["address"].startswith("fe:")

    @pytest.mark.parametrize(("given", "expected"), [
        (".10", {10: {"PVID", "Egress Untagged"}}),
        (":20:30", {20: set(), 30: set()}),
        (".10:20", {10: {"PVID", "Egress Untagged"}, 20: set()}),
    ])
    def test_a_card_is_in_its_vlans_alone_and_its_bridge_leads_them_out(
        self, driver: BridgedNetwork, ctx: HookContext, nic: NicSpec, instance: InstanceSpec,
        device: str, filtering: None, uplink: str, given: str, expected: dict[int, set[str]],
    ) -> None:
        driver.attach(ctx, replace(nic, vlan=given), instance, device)
        assert vlans(device) == expected
        assert expected.keys() <= vlans(uplink).keys()

    def test_a_card_of_a_guest_that_runs_is_in_no_vlan_before_its_own(
        self, driver: BridgedNetwork, ctx: HookContext, nic: NicSpec, instance: InstanceSpec,
        device: str, bridge: str, monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """A bridge puts each of its ports into a VLAN of its own choice first."""
        ip("link", "set", "dev", device, "up")
        states = []

        def watch(*_: object, **__: object) -> None:
            (seen,) = json.loads(ip("-j", "link", "show", "dev", device))
            states.append((seen["master"], "UP" in seen["flags"]))

        monkeypatch.setattr(bridged, "run_command", watch)
        driver.join(ctx, replace(nic, vlan=".10"), instance, device)
        assert set(states) == {(bridge, False)}
        (seen,) = json.loads(ip("-j", "link", "show", "dev", device))
        assert "UP" in seen["flags"]

    def test_vlans_need_a_bridge_that_filters(
        self, driver: BridgedNetwork, ctx: HookContext, nic: NicSpec, instance: InstanceSpec,
        device: str, bridge: str,
    ) -> None:
        with pytest.raises(OpExecError, match=f"{bridge} has VLAN filtering disabled"):
            driver.attach(ctx, replace(nic, vlan=".10"), instance, device)
        assert driver.check(ctx, (NetworkLink(bridge),)) == []
        assert masters() == []


def test_the_first_vlan_is_untagged_where_it_says_so_and_uplinks_carry_them_all() -> None:
    """As Ganeti writes them; run for real where the kernel's bridges filter VLANs."""
    assert [" ".join(words[2:]) for words in vlan_commands(".10:20", "tap0", ["eth0"])] == [
        "del dev tap0 vid 1-4094", "add dev tap0 vid 10 pvid untagged master",
        "add dev eth0 vid 10 master", "add dev tap0 vid 20 master", "add dev eth0 vid 20 master"]
    assert [" ".join(words[2:]) for words in vlan_commands(":20", "tap0", [])] == [
        "del dev tap0 vid 1-4094", "add dev tap0 vid 20 master"]


@pytest.mark.needs_root
class TestRouted(NetworkBackendContract):
    @pytest.fixture
    def driver(self) -> RoutedNetwork:
        return RoutedNetwork()

    @pytest.fixture
    def device(self, device: str) -> str:
        return device

    @pytest.fixture(params=["", TABLE])
    def nic(self, request: pytest.FixtureRequest) -> NicSpec:
        return replace(NIC, mode="routed", link=request.param)

    @pytest.fixture
    def missing(self) -> NetworkLink:
        return NetworkLink("no-such-table")

    @pytest.fixture
    def more_footprint(self) -> Callable[[], Iterable[str]]:
        return routing

    def test_the_address_is_routed_to_the_device_also_from_it(
        self, driver: RoutedNetwork, ctx: HookContext, nic: NicSpec, instance: InstanceSpec,
        device: str,
    ) -> None:
        driver.attach(ctx, nic, instance, device)
        table = ["table", nic.link] if nic.link else []
        assert f"192.0.2.7 dev {device} proto static" in ip("route", "show", *table)
        assert (f"iif {device} lookup {TABLE}" in ip("rule", "show")) == bool(nic.link)
        assert Path(f"/proc/sys/net/ipv4/conf/{device}/proxy_arp").read_text() == "1\n"

    def test_rules_go_although_their_device_is_gone(
        self, driver: RoutedNetwork, ctx: HookContext, nic: NicSpec, instance: InstanceSpec
    ) -> None:
        before = routing()
        name = f"tapx{os.getpid()}"
        with tap(name):
            driver.attach(ctx, nic, instance, name)
        driver.detach(ctx, nic, instance, name)
        assert routing() == before

    def test_a_card_without_address_is_refused(
        self, driver: RoutedNetwork, ctx: HookContext, nic: NicSpec, instance: InstanceSpec,
        device: str,
    ) -> None:
        with pytest.raises(OpExecError, match="has no IP address"):
            driver.attach(ctx, replace(nic, ip=None), instance, device)


@pytest.mark.needs_root
class TestOpenvswitch(NetworkBackendContract):
    @pytest.fixture
    def program(self, tmp_path: Path) -> Path:
        """A stand-in for the program, for Open vSwitch needs a kernel module and daemons."""
        path = tmp_path / "ovs-vsctl"
        stand_in.install(path, fake_ovs, str(tmp_path / "ports"))
        return path

    @pytest.fixture
    def driver(self, program: Path) -> OpenvswitchNetwork:
        return OpenvswitchNetwork(str(program))

    @pytest.fixture
    def device(self, device: str) -> str:
        return device

    @pytest.fixture
    def nic(self) -> NicSpec:
        return replace(NIC, mode="openvswitch", link="ovs0", vlan=".10:20:30")

    @pytest.fixture
    def missing(self) -> NetworkLink:
        return NOWHERE

    @pytest.fixture
    def ports(self, program: Path) -> Callable[[], dict[str, Any]]:
        return lambda: fake_ovs.read(program.with_name("ports"))

    @pytest.fixture
    def more_footprint(self, ports: Callable[[], dict[str, Any]]) -> Callable[[], Iterable[str]]:
        return lambda: sorted(ports())

    @pytest.mark.parametrize(("vlan", "settings"), [
        ("", []), (".10", ["tag=10"]), (":20:30", ["trunks=20,30"]),
        (".10:20", ["tag=10", "trunks=20", "vlan_mode=native-untagged"])])
    def test_a_port_has_the_vlans_of_its_card(
        self, driver: OpenvswitchNetwork, ctx: HookContext, nic: NicSpec, instance: InstanceSpec,
        device: str, ports: Callable[[], dict[str, Any]], vlan: str, settings: list[str],
    ) -> None:
        driver.attach(ctx, replace(nic, vlan=vlan), instance, device)
        assert ports() == {device: settings}

    def test_without_open_vswitch_links_are_missing_and_nothing_is_to_be_detached(
        self, ctx: HookContext, nic: NicSpec, instance: InstanceSpec, device: str
    ) -> None:
        absent = OpenvswitchNetwork("/no/such/ovs-vsctl")
        assert "cannot be asked" in absent.check(ctx, (NetworkLink("ovs0"),))[0]
        absent.detach(ctx, nic, instance, device)


class TestScripts(NetworkBackendContract):
    @pytest.fixture
    def driver(self) -> ScriptNetwork:
        return ScriptNetwork()

    @pytest.fixture
    def nic(self, ctx: HookContext) -> NicSpec:
        folder = ctx.root / "etc/ganeti/networks/office"
        folder.mkdir(parents=True)
        for name, text in (("up", f'printenv > "{ctx.state}/$1"\n'),
                           ("down", f'rm -f "{ctx.state}/$1"\n')):
            (folder / name).write_text(f"#!/bin/sh\n{text}")
            (folder / name).chmod(0o755)
        return replace(NIC, mode="ext", link="office", name="eth", network={
            "name": "net1", "uuid": "u", "tags": ["a"], "network": "192.0.2.0/24"})

    @pytest.fixture
    def device(self) -> str:
        return "tap0"

    @pytest.fixture
    def missing(self) -> NetworkLink:
        return NOWHERE

    def test_scripts_get_ganetis_variables(
        self, driver: ScriptNetwork, ctx: HookContext, nic: NicSpec, instance: InstanceSpec,
        device: str,
    ) -> None:
        driver.attach(ctx, nic, instance, device)
        told = dict(line.split("=", 1) for line in
                    (ctx.state / device).read_text().splitlines())
        assert {name: told.get(name) for name in (
            "INSTANCE", "INTERFACE", "INTERFACE_INDEX", "INTERFACE_NAME", "IP", "LINK", "MODE",
            "NETWORK_NAME", "NETWORK_SUBNET", "NETWORK_TAGS")} == {
            "INSTANCE": instance.name, "INTERFACE": device, "INTERFACE_INDEX": "0",
            "INTERFACE_NAME": "eth", "IP": "192.0.2.7", "LINK": "office", "MODE": "ext",
            "NETWORK_NAME": "net1", "NETWORK_SUBNET": "192.0.2.0/24", "NETWORK_TAGS": "a"}

    def test_a_script_that_fails_is_undone_and_its_words_are_in_the_error(
        self, driver: ScriptNetwork, ctx: HookContext, nic: NicSpec, instance: InstanceSpec,
        device: str,
    ) -> None:
        up = ctx.root / "etc/ganeti/networks/office/up"
        up.write_text(f'#!/bin/sh\ntouch "{ctx.state}/$1"\necho no cable >&2\nexit 1\n')
        with pytest.raises(OpExecError, match="no cable"):
            driver.attach(ctx, nic, instance, device)
        assert not (ctx.state / device).exists()


class TestCustom(NetworkBackendContract):
    """A mode whose cards are attached by Ganeti's scripts, ``/etc/ganeti/network/MODE``."""

    @pytest.fixture
    def driver(self) -> BridgedNetwork:
        return BridgedNetwork()

    @pytest.fixture
    def nic(self, ctx: HookContext) -> NicSpec:
        folder = ctx.root / "etc/ganeti/network/bridged"
        folder.mkdir(parents=True)
        for name, text in (("up", f'printenv > "{ctx.state}/$1"\n'),
                           ("down", f'rm -f "{ctx.state}/$INTERFACE"\n')):
            (folder / name).write_text(f"#!/bin/sh\n{text}")
            (folder / name).chmod(0o755)
        return replace(NIC, mode="bridged", link="office")

    @pytest.fixture
    def device(self) -> str:
        return "tapx0"

    def test_a_link_that_is_missing_is_named(self) -> None:
        """Which links there are, the scripts know alone."""

    def test_the_script_gets_the_interface_and_ganetis_variables(
        self, driver: BridgedNetwork, ctx: HookContext, nic: NicSpec, instance: InstanceSpec,
        device: str,
    ) -> None:
        driver.attach(ctx, nic, instance, device)
        told = dict(line.split("=", 1) for line in
                    (ctx.state / device).read_text().splitlines())
        assert {name: told.get(name) for name in ("INSTANCE", "INTERFACE", "IP", "LINK", "MAC",
                                                  "MODE")} == {
            "INSTANCE": instance.name, "INTERFACE": device, "IP": "192.0.2.7", "LINK": "office",
            "MAC": nic.mac, "MODE": "bridged"}

    def test_a_script_that_fails_is_undone_and_its_words_are_in_the_error(
        self, driver: BridgedNetwork, ctx: HookContext, nic: NicSpec, instance: InstanceSpec,
        device: str,
    ) -> None:
        up = ctx.root / "etc/ganeti/network/bridged/up"
        up.write_text(f'#!/bin/sh\ntouch "{ctx.state}/$1"\necho no cable >&2\nexit 1\n')
        with pytest.raises(OpExecError, match="no cable"):
            driver.attach(ctx, nic, instance, device)
        assert not (ctx.state / device).exists()

    def test_scripts_of_a_mode_come_before_those_of_a_link(
        self, ctx: HookContext, nic: NicSpec, instance: InstanceSpec, device: str
    ) -> None:
        (ctx.root / "etc/ganeti/network/bridged").rename(ctx.root / "etc/ganeti/network/ext")
        ScriptNetwork().attach(ctx, replace(nic, mode="ext"), instance, device)
        assert (ctx.state / device).exists()
        ScriptNetwork().detach(ctx, replace(nic, mode="ext"), instance, device)
        assert not (ctx.state / device).exists()


class TestUser(NetworkBackendContract):
    @pytest.fixture
    def driver(self) -> UserNetwork:
        return UserNetwork()

    @pytest.fixture
    def nic(self) -> NicSpec:
        return replace(NIC, mode="user")
