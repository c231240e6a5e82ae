"""Guests get their addresses from dnsmasq: real servers and DHCP clients in network namespaces."""

from __future__ import annotations

import ipaddress
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from virtual_cluster import wait_until

from ganeti_core.plugin_api import HookContext, OpExecError, processes
from ganeti_core.plugin_api.network_services import ServedCard, ServedNetwork
from ganeti_core.plugin_api.testing.contexts import declared_settings, make_context, neighbours
from ganeti_core.plugin_api.testing.network_service import (
    NETWORK,
    NetworkServiceContract,
    card,
)
from ganeti_plugins.net_linux import BridgedNetwork, RoutedNetwork, UserNetwork
from ganeti_plugins.net_services import DnsmasqService, metadata
from ganeti_plugins.net_services.driver import PROGRAMS, Server
from ganeti_plugins.net_services.files import eui64, hosts, options

pytestmark = [
    pytest.mark.needs_root,
    pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root"),
    pytest.mark.skipif(any(not shutil.which(one) for one in PROGRAMS),
                       reason=f"needs {', '.join(PROGRAMS)}"),
]
PREFIX = ipaddress.IPv6Network(str(NETWORK["network6"]))
TOLD = """#!/bin/sh
[ "$1" = bound ] && env > "$TOLD"
exit 0
"""


def run(*words: str, timeout: float = 20.0) -> str:
    return subprocess.run(
        words, check=True, capture_output=True, text=True, timeout=timeout).stdout


def interfaces(ctx: HookContext, network: ServedNetwork) -> list[str]:
    """The server's interface, if it is there; other tests run beside this one."""
    own = Server.of(ctx, network).device
    return [link["ifname"] for link in json.loads(run("ip", "-j", "link"))
            if link["ifname"] == own]


@pytest.fixture
def bridge() -> Iterator[str]:
    name = f"gsv{os.getpid()}"
    run("ip", "link", "add", name, "type", "bridge", "forward_delay", "0")
    run("ip", "link", "set", name, "up")
    yield name
    run("ip", "link", "del", name)


@pytest.fixture
def network(bridge: str) -> ServedNetwork:
    return ServedNetwork(str(NETWORK["uuid"]), "bridged", bridge, network=NETWORK)


@pytest.fixture
def ctx(tmp_path: Path) -> HookContext:
    made = make_context(tmp_path / "node1", config=declared_settings(DnsmasqService()))
    modes = {"bridged": BridgedNetwork(), "routed": RoutedNetwork(), "user": UserNetwork()}
    driver = neighbours(made, {
        ("network_backends", mode): backend for mode, backend in modes.items()})
    for mode in modes:
        driver("network_backends", mode, "describe")  # makes its folders
    return replace(made, driver=driver)


class TestDnsmasq(NetworkServiceContract):
    @pytest.fixture
    def driver(self) -> DnsmasqService:
        return DnsmasqService()

    @pytest.fixture
    def ctx(self, ctx: HookContext) -> HookContext:
        return ctx

    @pytest.fixture
    def network(self, network: ServedNetwork) -> ServedNetwork:
        return network

    @pytest.fixture
    def unfit(self, network: ServedNetwork) -> ServedNetwork:
        return replace(network, mode="user", link="")

    @pytest.fixture
    def more_footprint(
        self, ctx: HookContext, network: ServedNetwork
    ) -> Callable[[], Iterable[str]]:
        return lambda: interfaces(ctx, network)


@dataclass(frozen=True)
class Guest:
    """A namespace with one interface, whose other end is in the bridge."""

    pid: int
    folder: Path

    def run(self, *words: str) -> str:
        return run("nsenter", "-t", str(self.pid), "-n", *words)

    def dhcp(self, tries: int = 5) -> dict[str, str]:
        """Ask for an address once; what came, or nothing."""
        told = self.folder / "told"
        script = self.folder / "script"
        script.write_text(TOLD)
        script.chmod(0o755)
        told.unlink(missing_ok=True)
        subprocess.run(
            ["nsenter", "-t", str(self.pid), "-n", "busybox", "udhcpc", "-i", "eth0", "-f", "-q",
             "-n", "-t", str(tries), "-T", "1", "-O", "121", "-s", script],
            env={**os.environ, "TOLD": str(told)}, capture_output=True, timeout=30, check=False)
        if not told.exists():
            return {}
        return dict(line.split("=", 1) for line in told.read_text().splitlines() if "=" in line)

    def addresses(self) -> list[str]:
        (shown,) = json.loads(self.run("ip", "-j", "addr", "show", "dev", "eth0"))
        return [one["local"] for one in shown["addr_info"] if not one.get("tentative")]


def ask(one: Guest, path: str) -> str:
    """What a guest is told of itself."""
    return subprocess.run(
        ["nsenter", "-t", str(one.pid), "-n", sys.executable, "-c", ASK,
         f"http://169.254.169.254/latest/meta-data/{path}"], capture_output=True,
        text=True, timeout=20, check=False).stdout


@contextmanager
def guest(bridge: str, mac: str, device: str, folder: Path) -> Iterator[Guest]:
    holder = subprocess.Popen(["unshare", "-n", "sleep", "600"])
    try:
        wait_until(lambda: Path(f"/proc/{holder.pid}/ns/net").readlink()
                   != Path("/proc/self/ns/net").readlink(), "a namespace of its own")
        run("ip", "link", "add", device, "type", "veth", "peer", "name", "eth0", "address", mac,
            "netns", str(holder.pid))
        run("ip", "link", "set", device, *(["master", bridge] if bridge else []), "up")
        made = Guest(holder.pid, folder)
        made.run("ip", "link", "set", "eth0", "up")
        yield made
    finally:
        holder.kill()
        holder.wait()
        subprocess.run(["ip", "link", "del", device], check=False, capture_output=True, timeout=10)


@pytest.fixture
def service(ctx: HookContext, network: ServedNetwork) -> Iterator[DnsmasqService]:
    made = DnsmasqService()
    yield made
    made.end(ctx, network)


@pytest.fixture
def served(network: ServedNetwork) -> tuple[ServedCard, ServedCard]:
    return card(network, 1), card(network, 2)


@pytest.mark.skipif(not shutil.which("busybox"), reason="needs a DHCP client, of busybox")
def test_guests_get_the_addresses_of_their_cards_and_strangers_none(
    service: DnsmasqService, ctx: HookContext, network: ServedNetwork,
    served: tuple[ServedCard, ServedCard], bridge: str, tmp_path: Path,
) -> None:
    first, second = served
    service.serve(ctx, network, (first,))
    with guest(bridge, first.nic.mac, f"gva{os.getpid()}", tmp_path) as one:
        told = one.dhcp()
        assert {name: told.get(name) for name in (
            "ip", "mask", "router", "dns", "domain", "hostname", "serverid")} == {
            "ip": "192.0.2.7", "mask": "24", "router": "192.0.2.1", "dns": "169.254.169.254",
            "domain": "example.com", "hostname": "inst1", "serverid": "169.254.169.254"}
        assert told["staticroutes"] == "169.254.169.254/32 0.0.0.0 0.0.0.0/0 192.0.2.1"
        wait_until(lambda: "2001:db8::a800:ff:fe11:2201" in one.addresses(), "an address of IPv6")
        with guest(bridge, second.nic.mac, f"gvb{os.getpid()}", tmp_path) as other:
            assert other.dhcp(tries=2) == {}, "it is no guest of this node"
            (before,) = processes.kept(ctx).values()
            service.serve(ctx, network, served)
            assert other.dhcp()["ip"] == "192.0.2.8"
            (after,) = processes.kept(ctx).values()
            assert before.pids[0] == after.pids[0], "its namespace stays when files are read again"
        one.run("ip", "addr", "add", "192.0.2.7/24", "dev", "eth0")
        one.run("ip", "route", "add", "169.254.169.254", "dev", "eth0")
        said = one.run("busybox", "nslookup", "inst2.example.com", "169.254.169.254")
        assert "192.0.2.8" in said
        service.serve(ctx, network, (second,))
        assert one.dhcp(tries=2) == {}, "its card has gone"


def test_what_has_died_is_served_again_and_its_end_leaves_nothing(
    service: DnsmasqService, ctx: HookContext, network: ServedNetwork,
    served: tuple[ServedCard, ServedCard],
) -> None:
    service.serve(ctx, network, served)
    (name,) = processes.kept(ctx)
    processes.end(ctx, name)
    wait_until(lambda: interfaces(ctx, network) == [], "its interface goes with its namespace")
    service.serve(ctx, network, served)
    assert list(processes.kept(ctx)) == [name]
    service.end(ctx, network)
    assert interfaces(ctx, network) == []
    assert processes.kept(ctx) == {}
    assert list(ctx.state.iterdir()) == []


def test_another_range_is_a_new_start(
    service: DnsmasqService, ctx: HookContext, network: ServedNetwork,
    served: tuple[ServedCard, ServedCard],
) -> None:
    service.serve(ctx, network, served)
    (before,) = processes.kept(ctx).values()
    service.serve(ctx, replace(network, network=NETWORK | {"network6": None}), served)
    (after,) = processes.kept(ctx).values()
    assert before.pids != after.pids


def test_a_mode_of_which_the_node_has_no_end_is_refused_by_name(
    ctx: HookContext, network: ServedNetwork, served: tuple[ServedCard, ServedCard]
) -> None:
    user = replace(network, mode="user", link="")
    with pytest.raises(OpExecError, match="network office where cards have the mode user"):
        DnsmasqService().serve(ctx, user, served)


def test_a_range_of_which_guests_make_no_addresses_is_refused_by_name(
    ctx: HookContext, network: ServedNetwork
) -> None:
    wide = replace(network, network=NETWORK | {"network6": "2001:db8::/48"})
    assert DnsmasqService().check(ctx, (wide,)) == [
        "Network service dnsmasq cannot serve network office: of its IPv6 range 2001:db8::/48 "
        "guests make no addresses, for it is not a /64"]


@pytest.mark.skipif(not shutil.which("busybox"), reason="needs a DHCP client, of busybox")
def test_guests_that_share_no_segment_are_served(
    ctx: HookContext, network: ServedNetwork, served: tuple[ServedCard, ServedCard], tmp_path: Path
) -> None:
    pytest.importorskip("waitress")
    # As the network of instance communication has it.
    routed = replace(network, mode="routed", link="", network=NETWORK | {
        "tags": [metadata.TAG], "network6": "fe80::/10"})
    backend = RoutedNetwork()
    devices = [f"gr{end}{os.getpid()}" for end in "ab"]
    cards = tuple(replace(one, device=device, nic=replace(one.nic, mode="routed", link=""))
                  for one, device in zip(served, devices, strict=True))
    service = DnsmasqService()
    try:
        with (guest("", cards[0].nic.mac, devices[0], tmp_path) as one,
              guest("", cards[1].nic.mac, devices[1], tmp_path) as other):
            for card_ in cards:
                backend.attach(ctx, card_.nic, card_.instance, card_.device)
            service.serve(ctx, routed, cards[:1])
            told = one.dhcp()
            assert (told.get("ip"), told.get("serverid")) == ("192.0.2.7", "169.254.169.254")
            assert other.dhcp(tries=2) == {}, "it is not served yet"
            service.serve(ctx, routed, cards)
            assert other.dhcp()["ip"] == "192.0.2.8"
            one.run("ip", "addr", "add", "192.0.2.7/24", "dev", "eth0")
            one.run("ip", "route", "add", "169.254.169.254", "dev", "eth0")
            assert wait_until(lambda: ask(one, "hostname"), "an answer") == "inst1.example.com"
            service.serve(ctx, routed, cards[1:])
            assert ask(one, "hostname") == "", "its card has gone"
            for card_ in cards:
                backend.detach(ctx, card_.nic, card_.instance, card_.device)
    finally:
        service.end(ctx, routed)
    # Other tests' servers may have theirs in this namespace.
    assert f"gnt_server_{Server.of(ctx, routed).name}" not in run("nft", "list", "tables")
    assert interfaces(ctx, routed) == []


@pytest.fixture
def _forwards() -> Iterator[None]:
    """The node routes IPv6, as its administrator lets it."""
    setting = Path("/proc/sys/net/ipv6/conf/all/forwarding")
    if not setting.exists():
        pytest.skip("this node has no IPv6")
    before = setting.read_text()
    setting.write_text("1\n")
    yield
    setting.write_text(before)


@pytest.mark.usefixtures("_forwards")
@pytest.mark.parametrize("filters", [(), ("ip", "mac")])
def test_guests_that_share_no_segment_have_addresses_of_ipv6_and_reach_others(
    ctx: HookContext, network: ServedNetwork, served: tuple[ServedCard, ServedCard],
    tmp_path: Path, filters: tuple[str, ...],
) -> None:
    tags = [f"{name}-filtered" for name in filters]
    routed = replace(network, mode="routed", link="", network=NETWORK | {"tags": tags})
    devices = [f"gs{end}{os.getpid()}" for end in "ab"]
    cards = [replace(one, device=device, nic=replace(
        one.nic, mode="routed", link="", network=NETWORK | {"tags": tags}))
        for one, device in zip(served, devices, strict=True)]
    addresses = [str(eui64(PREFIX, one.nic.mac)) for one in cards]
    service, backend = DnsmasqService(), RoutedNetwork()
    try:
        with (guest("", cards[0].nic.mac, devices[0], tmp_path) as one,
              guest("", cards[1].nic.mac, devices[1], tmp_path) as other):
            for card_ in cards:
                backend.attach(ctx, card_.nic, card_.instance, card_.device)
            for device in devices:
                assert f"{addresses[devices.index(device)]} dev {device}" in run(
                    "ip", "-6", "route", "show", "proto", "static")
            service.serve(ctx, routed, cards)
            for there, address in zip((one, other), addresses, strict=True):
                wait_until(lambda there=there, address=address: address in there.addresses(),
                           "an address of IPv6")
                wait_until(lambda there=there: "via fe80::" in there.run(
                    "ip", "-6", "route", "show", "default"), "a way out")
            assert reaches(one, addresses[1])
            assert reaches(other, addresses[0])
            assert reaches(other, str(PREFIX.network_address + 0xa9fea9fe)), "the server itself"
            run("ip", "addr", "add", "2001:db8:ffff::1/128", "dev", "lo")
            assert reaches(one, "2001:db8:ffff::1"), "the node, and what is behind it"
            run("ip", "addr", "del", "2001:db8:ffff::1/128", "dev", "lo")
            for card_ in cards:
                backend.detach(ctx, card_.nic, card_.instance, card_.device)
            assert not any(device in run("ip", "-6", "route", "show", "proto", "static")
                           for device in devices)
    finally:
        service.end(ctx, routed)


def reaches(one: Guest, address: str) -> bool:
    """Whether an answer comes, at last: neighbors have to be found first."""
    def answered() -> bool:
        return subprocess.run(
            ["nsenter", "-t", str(one.pid), "-n", "busybox", "ping", "-6", "-c", "1", "-W", "2",
             address], capture_output=True, timeout=30, check=False).returncode == 0

    wait_until(answered, f"{address} answers")
    return True


def test_a_program_that_is_missing_is_named_with_its_package(
    ctx: HookContext, network: ServedNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ganeti_plugins.net_services.driver.DEFAULT_PATH", "/nowhere")
    said = DnsmasqService().check(ctx, (network,))
    assert "Network service dnsmasq needs the program nft (Debian: nftables)" in said


@pytest.mark.parametrize(("given", "lines"), [
    ("", ["option:dns-server,169.254.169.254"]),
    ("192.0.2.53,2001:db8::53",
     ["option:dns-server,192.0.2.53", "option6:dns-server,[2001:db8::53]"])])
def test_guests_get_the_resolvers_of_the_cluster(
    network: ServedNetwork, served: tuple[ServedCard, ServedCard], given: str, lines: list[str]
) -> None:
    told = options(network, served, {"guest_dns_servers": given}).splitlines()
    assert [line for line in told if "dns-server" in line] == lines


def test_the_address_of_a_prefix_is_made_of_the_mac() -> None:
    prefix = ipaddress.IPv6Network("2001:db8:0:1::/64")
    assert str(eui64(prefix, "00:1b:21:01:02:03")) == "2001:db8:0:1:21b:21ff:fe01:203"




def test_metadata_are_those_of_ec2() -> None:
    about = {"name": "web1.example.com", "uuid": "c0ff", "mac": "aa:00:00:11:22:33",
             "ip": "192.0.2.7", "keys": ["ssh-rsa A a", "ssh-rsa B b"], "user_data": "#!/bin/sh"}
    assert {path: metadata.answer(about, path) for path in (
        "/", "/latest/", "/latest/user-data", "/2009-04-04/meta-data/hostname",
        "/latest/meta-data/public-keys/", "/latest/meta-data/public-keys/1/",
        "/latest/meta-data/public-keys/1/openssh-key", "/latest/meta-data/public-keys/2",
        "/latest/meta-data/password", "/1999-01-01/")} == {
        "/": "2009-04-04\nlatest", "/latest/": "meta-data/\nuser-data",
        "/latest/user-data": "#!/bin/sh", "/2009-04-04/meta-data/hostname": "web1.example.com",
        "/latest/meta-data/public-keys/": "0=key0\n1=key1",
        "/latest/meta-data/public-keys/1/": "openssh-key",
        "/latest/meta-data/public-keys/1/openssh-key": "ssh-rsa B b",
        "/latest/meta-data/public-keys/2": None, "/latest/meta-data/password": None,
        "/1999-01-01/": None}
    assert (metadata.answer(about, "/latest/meta-data") or "").splitlines() == [
        "hostname", "instance-id", "local-hostname", "local-ipv4", "mac", "public-keys/"]


ASK = """import sys, urllib.request
print(urllib.request.urlopen(sys.argv[1], timeout=3).read().decode(), end="")
"""


def test_a_guest_finds_its_own_metadata(
    service: DnsmasqService, ctx: HookContext, network: ServedNetwork,
    served: tuple[ServedCard, ServedCard], bridge: str, tmp_path: Path,
) -> None:
    pytest.importorskip("waitress")
    tagged = replace(network, network=NETWORK | {"tags": [metadata.TAG]})
    cards = tuple(replace(one, instance=replace(one.instance, osparams={
        "keys": f"ssh-rsa {one.instance.name}"})) for one in served)
    service.serve(ctx, tagged, cards)
    with guest(bridge, served[0].nic.mac, f"gvm{os.getpid()}", tmp_path) as one:
        one.run("ip", "addr", "add", "192.0.2.7/24", "dev", "eth0")
        one.run("ip", "route", "add", "169.254.169.254", "dev", "eth0")

        assert wait_until(lambda: ask(one, "hostname"), "an answer") == "inst1.example.com"
        assert ask(one, "public-keys/0/openssh-key") == "ssh-rsa inst1.example.com"
        service.serve(ctx, tagged, cards[1:])
        assert ask(one, "hostname") == "", "its card has gone"
    (server,) = processes.kept(ctx).values()
    (pid_file,) = ctx.state.glob("*/pid")
    assert int(pid_file.read_text()) in server.pids
    os.kill(int(pid_file.read_text()), signal.SIGKILL)
    wait_until(lambda: processes.kept(ctx) == {}, "what runs beside dnsmasq ends with it")


def test_metadata_without_their_server_are_refused_by_name(
    ctx: HookContext, network: ServedNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    tagged = replace(network, network=NETWORK | {"tags": [metadata.TAG]})
    assert DnsmasqService().check(ctx, (network,)) == []
    assert DnsmasqService().check(ctx, (tagged,)) == [
        "The tag cloud-metadata needs the Python package waitress "
        "(pip install 'ganeti-core[metadata]')"]


@pytest.mark.parametrize(("name", "told"), [
    ("web1.example.com", ",web1"), ("1024.example.com", ""), ("7d.example.com", ""),
    ("ignore.example.com", ""), ("infinite", ""), ("7dwarfs.example.com", ",7dwarfs")])
def test_a_host_that_dnsmasq_would_take_for_something_else_is_not_named(
    network: ServedNetwork, name: str, told: str
) -> None:
    """As in dnsmasq(8), dhcp-host: a number is the time of a lease, and ignore serves nobody."""
    served = card(network, 1)
    served = replace(served, instance=replace(served.instance, name=name))
    (line,) = hosts(network, (served,)).splitlines()
    assert line.endswith(f"]{told}")
