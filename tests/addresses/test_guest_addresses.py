"""Guests of a network with a service are served by their own node, wherever they go."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from virtual_cluster import VirtualCluster, wait_until

from ganeti_core.plugin_api import unix_sockets as sockets

pytestmark = [
    pytest.mark.needs_root, pytest.mark.needs_qemu, pytest.mark.timeout(900),
    pytest.mark.skipif(
        os.geteuid() != 0 or any(not shutil.which(one) for one in (
            "dnsmasq", "nft", "qemu-system-x86_64")),
        reason="needs root, QEMU, dnsmasq and nft")]
NAME = "addressed.example.com"
BRIDGE = f"gad{os.getpid()}"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
GUEST = Path(os.environ.get("GANETI_BUSYBOX_GUEST") or CACHE / "ganeti-core/busybox-guest")


@pytest.fixture(scope="module")
def cluster(make_cluster: Callable[..., VirtualCluster]) -> Iterator[VirtualCluster]:
    for words in (("add", BRIDGE, "type", "bridge"), ("set", BRIDGE, "up")):
        subprocess.run(["ip", "link", *words], check=True, timeout=10)
    made = make_cluster("--nodes", "2", "--hypervisor", "kvm", "--disk-templates", "sharedfile",
                        "-H", "kvm:kvm_flag=disabled,kernel_path=")
    made.gnt("gnt-network", "add", "--network", "192.0.2.0/24", "--gateway", "192.0.2.1",
             "--tags", "service:dnsmasq", "office")
    made.gnt("gnt-network", "add", "--network", "198.51.100.0/24", "plain")
    for name in ("office", "plain"):
        made.gnt("gnt-network", "connect", "-N", f"mode=bridged,link={BRIDGE}", name, "default")
    made.gnt("gnt-instance", "add", "-t", "sharedfile", "-s", "1M", "-o", "tiny", "-B",
             "memory=16M", "-n", "node1", "--net", "0:ip=pool,network=office", "--no-name-check",
             "--no-ip-check", NAME)
    yield made
    made.try_("gnt-instance", "remove", "-f", "--shutdown-timeout=0", NAME)
    subprocess.run(["ip", "link", "del", BRIDGE], check=True, timeout=10)


def servers(cluster: VirtualCluster, node: str) -> list[int]:
    """The processes of the service on a node, those that only wait for others included."""
    root = str(cluster.root / node).encode()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            mark = (process / "environ").read_bytes()
        except OSError:
            continue
        if re.search(rb"GANETI_KEPT=\[\"" + re.escape(root) + rb"/[^\"]*network_services", mark):
            found.append(int(process.name))
    return found


def hosts(cluster: VirtualCluster, node: str) -> str:
    """Whom the node's servers know."""
    folder, found = cluster.paths(node).plugin_state / "network_services/dnsmasq", ""
    for file in folder.glob("*/hosts"):
        with suppress(FileNotFoundError):  # it ends just now
            found += file.read_text()
    return found


def ports() -> set[str]:
    shown = subprocess.run(["ip", "-br", "link", "show", "master", BRIDGE], check=True,
                           capture_output=True, text=True, timeout=10).stdout
    return {line.split("@")[0].split()[0] for line in shown.splitlines()}


def is_served(cluster: VirtualCluster, node: str) -> bool:
    return ",192.0.2.2," in hosts(cluster, node) and len(servers(cluster, node)) >= 2


def is_left_alone(cluster: VirtualCluster, node: str) -> bool:
    return not hosts(cluster, node) and not servers(cluster, node)


def test_a_guest_is_served_from_its_start_to_its_end(cluster: VirtualCluster) -> None:
    assert is_served(cluster, "node1")
    assert is_left_alone(cluster, "node2")
    assert {port[:3] for port in ports()} == {"tap", "vet"}
    cluster.gnt("gnt-instance", "shutdown", "--timeout=0", NAME)
    assert is_left_alone(cluster, "node1")
    assert ports() == set()
    cluster.gnt("gnt-instance", "start", NAME)
    assert is_served(cluster, "node1")


def test_a_service_that_dies_comes_back_and_a_guest_that_dies_ends_it(
    cluster: VirtualCluster
) -> None:
    for pid in servers(cluster, "node1"):
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: is_served(cluster, "node1"), "the service is there again")
    (pid_file,) = cluster.paths("node1").plugin_state.glob(f"hypervisors/kvm/{NAME}/pid")
    os.kill(int(pid_file.read_text()), signal.SIGKILL)
    wait_until(lambda: is_left_alone(cluster, "node1") and not ports(), "nothing is left")
    cluster.gnt("gnt-instance", "start", NAME)
    assert is_served(cluster, "node1")


def test_a_node_daemon_that_starts_again_takes_up_what_there_is(cluster: VirtualCluster) -> None:
    cluster.tool("stop", "node1", "ganeti-noded", "--kill")
    for pid in servers(cluster, "node1"):
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not servers(cluster, "node1"), "the service is dead")
    cluster.tool("start", "node1")
    wait_until(lambda: is_served(cluster, "node1"), "the service is there again")


def test_a_guest_that_moves_is_served_where_it_goes(cluster: VirtualCluster) -> None:
    cluster.gnt("gnt-instance", "migrate", "-f", "-n", "node2", NAME)
    assert is_served(cluster, "node2")
    assert is_left_alone(cluster, "node1")
    cluster.gnt("gnt-instance", "failover", "-f", "--shutdown-timeout=0", "-n", "node1", NAME)
    assert is_served(cluster, "node1")
    assert is_left_alone(cluster, "node2")


def test_a_card_that_leaves_the_network_ends_the_service(cluster: VirtualCluster) -> None:
    cluster.gnt("gnt-instance", "modify", "--hotplug", "--net",
                "0:modify,ip=pool,network=plain", NAME)
    assert is_left_alone(cluster, "node1")
    cluster.gnt("gnt-instance", "modify", "--hotplug", "--net",
                "0:modify,ip=pool,network=office", NAME)
    assert is_served(cluster, "node1")


def test_a_guest_that_crashes_leaves_no_filter(cluster: VirtualCluster) -> None:
    """Its table stays when its interface goes; the node takes it away."""
    filtered = "filtered.example.com"
    cluster.gnt("gnt-network", "add", "--network", "203.0.113.0/24", "--tags",
                "mac-filtered,ip-filtered", "strict")
    cluster.gnt("gnt-network", "connect", "-N", f"mode=bridged,link={BRIDGE}", "strict", "default")
    cluster.gnt("gnt-instance", "add", "-t", "sharedfile", "-s", "1M", "-o", "tiny", "-B",
                "memory=16M", "-n", "node2", "--net", "0:ip=pool,network=strict",
                "--no-name-check", "--no-ip-check", filtered)
    try:
        (rules,) = filters()
        ((mac, address),) = cluster.table("gnt-instance", "list", "-o", "nic.mac/0,nic.ip/0",
                                          filtered)
        assert f"ether saddr != {mac} drop" in rules
        assert address in rules
        (pid_file,) = cluster.paths("node2").plugin_state.glob(f"hypervisors/kvm/{filtered}/pid")
        os.kill(int(pid_file.read_text()), signal.SIGKILL)
        wait_until(lambda: not filters(), "its table is gone")
    finally:
        cluster.gnt("gnt-instance", "remove", "-f", "--shutdown-timeout=0", filtered)


def filters() -> list[str]:
    """The tables of filters in this namespace, that of the tests' clusters."""
    shown = subprocess.run(["nft", "list", "ruleset", "netdev"], check=True, capture_output=True,
                           text=True, timeout=10).stdout
    return [table for table in shown.split("table netdev ")[1:] if table.startswith("gnt_tap")]


def test_a_network_that_cannot_be_served_is_refused_before_anything_is_made(
    cluster: VirtualCluster
) -> None:
    cluster.gnt("gnt-network", "add", "--network", "198.18.0.0/24", "--tags", "service:dnsmasq",
                "far")
    cluster.gnt("gnt-network", "connect", "-N", "mode=user,link=main", "far", "default")
    ran = cluster.try_("gnt-instance", "add", "-t", "sharedfile", "-s", "1M", "-o", "tiny", "-B",
                       "memory=16M", "-n", "node2", "--net", "0:ip=pool,network=far",
                       "--no-name-check", "--no-ip-check", "far.example.com")
    assert ran.status == 1
    assert ("cannot serve network far where cards have the mode user: the node has no end of them"
            ) in " ".join(ran.stderr.split())
    assert cluster.instances() == [[NAME]]


def test_a_service_that_is_not_there_is_refused_by_name(cluster: VirtualCluster) -> None:
    ran = cluster.try_("gnt-network", "add-tags", "office", "service:bootp")
    assert ran.status == 1
    assert "Unknown network service 'bootp' (there are: dnsmasq)" in ran.stderr


@pytest.mark.skipif(not (GUEST / "version").exists(),
                    reason="os_definitions/busybox/fetch-kernel was not run")
def test_a_linux_guest_comes_up_with_its_address(cluster: VirtualCluster) -> None:
    linux = "linux.example.com"
    kernel = f"kernel_path={GUEST}/vmlinux,initrd_path={GUEST}/initrd"
    cluster.gnt("gnt-instance", "add", "-t", "sharedfile", "-s", "16M", "-o", "busybox", "-B",
                "memory=128M", "-n", "node2", "--net", "0:ip=pool,network=office",
                "--no-name-check", "--no-ip-check", "-H",
                f"kvm:{kernel},kernel_args=quiet panic=-1 mitigations=off ip=dhcp", linux)
    try:
        ((address,),) = cluster.table("gnt-instance", "list", "-o", "nic.ip/0", linux)
        console = cluster.paths("node2").plugin_state / f"hypervisors/kvm/{linux}/serial"
        with sockets.connect(console, 100.0) as connection:
            lines = connection.makefile("rb")
            said = next(line for line in lines if b"LEASED" in line or b"GUEST READY" in line)
        assert said.decode().strip() == (
            f"LEASED ip={address}/24 router=192.0.2.1 dns=169.254.169.254 name={linux}")
    finally:
        cluster.gnt("gnt-instance", "remove", "-f", "--shutdown-timeout=0", linux)
