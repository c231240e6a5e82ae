"""What a guest sends under others' addresses is dropped: real interfaces, in a namespace."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from virtual_cluster import wait_until

from ganeti_core.plugin_api import HookContext, InstanceSpec, NetworkLink, NicSpec, OpExecError
from ganeti_core.plugin_api.network import link_of
from ganeti_core.plugin_api.testing.contexts import make_context
from ganeti_plugins.net_linux import BridgedNetwork, RoutedNetwork, filters

pytestmark = [
    pytest.mark.needs_root,
    pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("nft") or not shutil.which("busybox"),
                       reason="needs root, nft and busybox")]
MAC, OTHER_MAC = "aa:00:00:11:22:33", "aa:00:00:11:22:99"
NIC = NicSpec("41c00000-0000-4000-8000-000000000001", 0, MAC, mode="bridged", ip="198.51.100.7")
NODE = "198.51.100.1"


def run(*words: str) -> str:
    return subprocess.run(words, check=True, capture_output=True, text=True, timeout=20).stdout


def tables() -> str:
    return run("nft", "list", "tables", "netdev")


def tagged(nic: NicSpec, *tags: str) -> NicSpec:
    return replace(nic, network={"name": "office", "uuid": "u", "network": "198.51.100.0/24",
                                 "network6": "2001:db8::/64", "tags": list(tags)})


@dataclass(frozen=True)
class Wire:
    """A guest's namespace, its interface's end on the node, and the node's bridge."""

    guest: int
    device: str
    bridge: str

    def inside(self, *words: str) -> str:
        return run("nsenter", "-t", str(self.guest), "-n", *words)

    def has(self, mac: str, *addresses: str) -> None:
        """Give the guest's card a MAC and addresses."""
        for words in (("addr", "flush", "dev", "eth0"), ("neigh", "flush", "all"),
                      ("link", "set", "eth0", "down"), ("link", "set", "eth0", "address", mac),
                      ("link", "set", "eth0", "up"),
                      *(("addr", "add", one, "dev", "eth0", "nodad") for one in addresses
                        if ":" in one),
                      *(("addr", "add", one, "dev", "eth0") for one in addresses
                        if ":" not in one)):
            self.inside("ip", *words)
        run("ip", "neigh", "flush", "all")

    def reaches(self, address: str, source: str) -> bool:
        """Whether an echo comes back to the guest."""
        done = subprocess.run(
            ["nsenter", "-t", str(self.guest), "-n", "busybox", "ping", "-c", "1", "-W", "1",
             "-I", source, address], capture_output=True, check=False, timeout=20)
        return done.returncode == 0

    def comes_to_reach(self, address: str, source: str) -> bool:
        """The same, with time for an interface to become ready."""
        return bool(wait_until(lambda: self.reaches(address, source), "an echo", seconds=15.0))


@pytest.fixture
def wire() -> Iterator[Wire]:
    number = os.getpid()
    device, bridge = f"vethf{number}", f"gfb{number}"
    holder = subprocess.Popen(["unshare", "-n", "sleep", "600"])
    try:
        wait_until(lambda: Path(f"/proc/{holder.pid}/ns/net").readlink()
                   != Path("/proc/self/ns/net").readlink(), "a namespace of its own")
        run("ip", "link", "add", bridge, "type", "bridge", "forward_delay", "0")
        run("ip", "addr", "add", f"{NODE}/24", "dev", bridge)
        run("ip", "addr", "add", "2001:db8::1/64", "dev", bridge, "nodad")
        run("ip", "link", "set", bridge, "up")
        run("ip", "link", "add", device, "type", "veth", "peer", "name", "eth0", "address", MAC,
            "netns", str(holder.pid))
        yield Wire(holder.pid, device, bridge)
    finally:
        holder.kill()
        holder.wait()
        for name in (device, bridge):
            subprocess.run(["ip", "link", "del", name], check=False, capture_output=True,
                           timeout=10)


@pytest.fixture
def ctx(tmp_path: Path) -> HookContext:
    return make_context(tmp_path)


def instance(nic: NicSpec) -> InstanceSpec:
    return InstanceSpec("c0ff", "inst1.example.com", "any", nics=(nic,))


def test_only_the_cards_own_addresses_pass(wire: Wire, ctx: HookContext) -> None:
    nic = tagged(replace(NIC, link=wire.bridge), "mac-filtered", "ip-filtered")
    back_end = BridgedNetwork()
    back_end.attach(ctx, nic, instance(nic), wire.device)
    own6 = "2001:db8::a800:ff:fe11:2233"
    wire.has(MAC, "198.51.100.7/24", f"{own6}/64", "198.51.100.66/24", "2001:db8::66/64")
    assert wire.comes_to_reach(NODE, "198.51.100.7")
    assert wire.comes_to_reach("2001:db8::1", own6)
    assert not wire.reaches(NODE, "198.51.100.66"), "another IP address"
    assert not wire.reaches("2001:db8::1", "2001:db8::66"), "another IPv6 address"
    wire.has(OTHER_MAC, "198.51.100.7/24")
    assert not wire.reaches(NODE, "198.51.100.7"), "another MAC"
    wire.has(MAC, "198.51.100.7/24")
    assert wire.comes_to_reach(NODE, "198.51.100.7")
    back_end.detach(ctx, nic, instance(nic), wire.device)
    assert filters._table(wire.device) not in tables()


def test_without_tags_and_after_a_change_of_network_all_passes(
    wire: Wire, ctx: HookContext
) -> None:
    filtered = tagged(replace(NIC, link=wire.bridge), "ip-filtered")
    back_end = BridgedNetwork()
    back_end.attach(ctx, filtered, instance(filtered), wire.device)
    assert filters._table(wire.device) in tables()
    plain = tagged(replace(NIC, link=wire.bridge))
    back_end.attach(ctx, plain, instance(plain), wire.device)
    wire.has(OTHER_MAC, "198.51.100.66/24")
    assert wire.comes_to_reach(NODE, "198.51.100.66")
    assert filters._table(wire.device) not in tables()


def test_a_filter_by_mac_lets_all_addresses_pass(wire: Wire, ctx: HookContext) -> None:
    nic = tagged(replace(NIC, link=wire.bridge, ip=None), "mac-filtered")
    BridgedNetwork().attach(ctx, nic, instance(nic), wire.device)
    wire.has(MAC, "198.51.100.66/24")
    assert wire.comes_to_reach(NODE, "198.51.100.66")
    wire.has(OTHER_MAC, "198.51.100.66/24")
    assert not wire.reaches(NODE, "198.51.100.66")
    BridgedNetwork().detach(ctx, nic, instance(nic), wire.device)


def test_a_table_goes_although_its_interface_went_first(wire: Wire, ctx: HookContext) -> None:
    nic = tagged(replace(NIC, mode="routed"), "mac-filtered", "ip-filtered")
    RoutedNetwork().attach(ctx, nic, instance(nic), wire.device)
    assert filters._table(wire.device) in tables()
    run("ip", "link", "del", wire.device)
    RoutedNetwork().detach(ctx, nic, instance(nic), wire.device)
    assert filters._table(wire.device) not in tables()


def test_a_card_without_address_is_refused_where_addresses_are_filtered(
    wire: Wire, ctx: HookContext
) -> None:
    nic = tagged(replace(NIC, link=wire.bridge, ip=None), "ip-filtered")
    with pytest.raises(OpExecError, match="has no IP address, but its network is tagged ip-filter"):
        BridgedNetwork().attach(ctx, nic, instance(nic), wire.device)


def test_a_node_without_nft_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    assert link_of(tagged(NIC, "ip-filtered", "mac-filtered")).filters == ("ip", "mac")
    assert filters.problems([NetworkLink("br0", filters=("mac",))]) == []
    monkeypatch.setattr(filters, "DEFAULT_PATH", "/nowhere")
    assert filters.problems([NetworkLink("br0")]) == []
    (said,) = filters.problems([NetworkLink("br0", filters=("mac",))])
    assert "program nft, which is missing (Debian: nftables)" in said


def test_a_node_whose_kernel_cannot_filter_is_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "nft"
    program.write_text("#!/bin/sh\necho 'Operation not supported' >&2; exit 1\n")
    program.chmod(0o755)
    monkeypatch.setattr(filters, "PROGRAM", str(program))
    (said,) = filters.problems([NetworkLink("br0", filters=("mac",))])
    assert "nftables, which does not work here" in said
    assert "Operation not supported" in said
