"""The whole life of a container in a cluster of real daemons."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from lxc_traces import ip, on_terminal
from virtual_cluster import Ran, VirtualCluster, wait_until

from ganeti_core.plugin_api.testing.contexts import make_context
from ganeti_plugins.hv_lxc.containers import Container, Host

pytestmark = pytest.mark.needs_root

NAME = "web.example.com"
OUR_END, GUEST = "198.18.5.1", "198.18.5.9"


@pytest.fixture(scope="module")
def bridge(lxc_image: Path) -> Iterator[str]:
    name = f"gnt{os.getpid()}"
    ip("link", "add", name, "type", "bridge")
    try:
        ip("link", "set", "dev", name, "up")
        ip("addr", "add", f"{OUR_END}/24", "dev", name)
        yield name
    finally:
        ip("link", "del", name)


@pytest.fixture(scope="module")
def lxc_cluster(
    lxc_image: Path, make_cluster: Callable[..., VirtualCluster]
) -> VirtualCluster:
    return make_cluster("--nodes", "2", "--hypervisor", "lxc", "--disk-templates", "sharedfile")


@pytest.fixture
def cluster(lxc_cluster: VirtualCluster) -> Iterator[VirtualCluster]:
    yield lxc_cluster
    lxc_cluster.bring_back()
    for (name,) in lxc_cluster.instances("name"):
        lxc_cluster.try_("gnt-instance", "remove", "-f", "--ignore-failures", name)
    lxc_cluster.verify()
    assert left(lxc_cluster) == []


def left(cluster: VirtualCluster) -> list[str]:
    """What no container of this cluster may leave."""
    loops = subprocess.run(["losetup", "--list", "--noheadings", "--output", "BACK-FILE"],
                           check=True, capture_output=True, text=True, timeout=20).stdout
    # A run that was killed may have left control groups of other clusters on this host.
    ours = [_state(cluster, node).group.name for node in ("node1", "node2")]
    return [line for line in loops.splitlines() if line.startswith(f"{cluster.root}/")] + [
        str(path) for group in ours for path in Path("/sys/fs/cgroup").glob(f"*/{group}*")]


def add(cluster: VirtualCluster, *words: str) -> Ran:
    return cluster.try_(
        "gnt-instance", "add", "-t", "sharedfile", "-s", "16M", "-o", "container", "-n", "node1",
        "-B", "minmem=64M,maxmem=128M,vcpus=1", "--no-name-check", "--no-ip-check", *words, NAME)


def field(cluster: VirtualCluster, *names: str) -> list[str]:
    (row,) = cluster.instances(*names)
    return row


def inside(cluster: VirtualCluster, node: str, command: str) -> str:
    """What a command says in the container."""
    shown = cluster.gnt("gnt-instance", "console", "--show-cmd", NAME).stdout
    words = shlex.split(shown)
    words = shlex.split(words[-1]) if words[0] == "ssh" else words
    assert words[0] == "lxc-console"
    assert words[2].startswith(str(cluster.root / node))
    ran = subprocess.run(["lxc-attach", *words[1:5], "--", "/bin/sh", "-c", command], check=True,
                         capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
    return ran.stdout.strip()


def count(cluster: VirtualCluster, node: str) -> int:
    return int(wait_until(lambda: inside(cluster, node, "cat /root/count 2>/dev/null || true"),
                          "the container counts"))


def test_the_whole_life_of_a_container(cluster: VirtualCluster, bridge: str) -> None:
    ran = add(cluster, "--net", f"0:mode=bridged,link={bridge},ip={GUEST}")
    assert ran.status == 0, ran
    assert field(cluster, "status", "oper_ram", "oper_vcpus", "pnode") == [
        "running", "128", "1", "node1.example.com"]
    wait_until(lambda: subprocess.run(
        ["busybox", "ping", "-c", "1", "-W", "1", GUEST], check=False, capture_output=True,
        timeout=20).returncode == 0, "the container is reached by the address that it was given")

    command = cluster.gnt("gnt-instance", "console", "--show-cmd", NAME).stdout
    assert re.search(NAME, on_terminal(tuple(shlex.split(command)), "hostname", NAME))

    cluster.gnt("gnt-instance", "modify", "-m", "96M", NAME)
    assert field(cluster, "oper_ram") == ["96"]

    before = count(cluster, "node1")
    for how in ("soft", "hard"):
        cluster.gnt("gnt-instance", "reboot", "-t", how, "--shutdown-timeout", "10", NAME)
        assert field(cluster, "status") == ["running"]
    assert count(cluster, "node1") >= before

    refused = cluster.try_("gnt-instance", "migrate", "-f", NAME)
    assert (refused.status, "Hypervisor lxc cannot migrate: containers are not "
            "moved while they run; use gnt-instance failover" in refused.stderr) == (1, True)
    cluster.gnt("gnt-instance", "failover", "-f", "-n", "node2", NAME)
    assert field(cluster, "status", "pnode") == ["running", "node2.example.com"]
    assert count(cluster, "node2") >= before

    cluster.gnt("gnt-instance", "shutdown", "--timeout", "20", NAME)
    assert field(cluster, "status") == ["ADMIN_down"]
    log = cluster.root / "node2/var/log/ganeti"
    assert any("POWEROFF" in path.read_text(errors="replace")
               for path in log.rglob(f"{NAME}.console.log"))
    assert left(cluster) == []
    cluster.gnt("gnt-instance", "remove", "-f", NAME)


def test_a_container_outlives_the_daemon_of_its_node(cluster: VirtualCluster) -> None:
    assert add(cluster, "--no-nics").status == 0
    first = inside(cluster, "node1", "cat /proc/sys/kernel/random/boot_id")
    cluster.tool("stop", "--kill", "node1", "noded")
    cluster.bring_back()
    wait_until(lambda: field(cluster, "status") == ["running"], "it is found again")
    assert inside(cluster, "node1", "cat /proc/sys/kernel/random/boot_id") == first


def _state(cluster: VirtualCluster, node: str = "node1") -> Container:
    """What a node has of the container."""
    folder = cluster.root / node / "var/run/ganeti/plugins/hypervisors/lxc"
    return Container(Host.here(make_context(cluster.root / "scratch", "scratch")), folder / NAME)


@pytest.mark.parametrize(("verb", "sign"), [
    ("start", "folder"), ("start", "running"), ("shutdown", "running"), ("shutdown", "monitor")])
def test_a_daemon_that_is_killed_in_the_middle_leaves_nothing(
    cluster: VirtualCluster, verb: str, sign: str
) -> None:
    assert add(cluster, "--no-nics", *(["--no-start"] if verb == "start" else [])).status == 0
    there = _state(cluster)
    begins = verb == "start"
    signs = {"folder": lambda: there.folder.exists() == begins,
             "running": lambda: there.is_running() == begins,
             "monitor": lambda: _has_monitor(there) == begins}
    said = cluster.gnt("gnt-instance", verb, "--submit", NAME)
    job = re.findall(r"\d+", said.stdout + said.stderr)[-1]
    wait_until(signs[sign], f"{verb} has come so far", pause=0.001)
    cluster.tool("stop", "--kill", "node1", "noded")
    cluster.bring_back()
    cluster.try_("gnt-job", "watch", job)
    cluster.verify()
    assert field(cluster, "status")[0] in ("running", "ADMIN_down", "ERROR_down")
    cluster.gnt("gnt-instance", "start", NAME)
    count(cluster, "node1")
    cluster.gnt("gnt-instance", "shutdown", "--timeout", "20", NAME)
    assert not there.folder.exists()
    assert left(cluster) == []


def _has_monitor(container: Container) -> bool:
    return any((one.base / container.group.monitor).exists()
               for one in container.host.hierarchies)


def test_a_node_that_crashes_takes_its_container_along(cluster: VirtualCluster) -> None:
    assert add(cluster, "--no-nics").status == 0
    before = count(cluster, "node1")
    cluster.tool("stop", "--crash", "node1")
    cluster.bring_back()
    wait_until(lambda: field(cluster, "status") == ["ERROR_down"], "it is seen to be down")
    assert left(cluster) == []
    cluster.gnt("gnt-instance", "start", NAME)
    assert count(cluster, "node1") >= before


def test_one_that_has_crashed_is_started_anew(cluster: VirtualCluster) -> None:
    assert add(cluster, "--no-nics").status == 0
    count(cluster, "node1")
    inside(cluster, "node1", "kill -TERM 1")
    wait_until(lambda: field(cluster, "status") == ["ERROR_down"], "it is seen to be down")
    cluster.gnt("gnt-instance", "start", NAME)
    assert field(cluster, "status") == ["running"]


@pytest.mark.parametrize(("parameter", "said"), [
    ("devices=sda", "lxc parameter devices='sda': must be like 'c 1:3 rw'"),
    ("cpu_mask=4096", "lxc parameter cpu_mask='4096': this node has"),
    ("extra_config=lxc.rootfs.path = /", "lxc.rootfs.path is set by the driver"),
    ("num_ttys=-1", "num_ttys"), ("cgroups=all", "cgroups")])
def test_parameters_that_cannot_work_are_refused_when_they_are_given(
    cluster: VirtualCluster, parameter: str, said: str
) -> None:
    ran = add(cluster, "--no-nics", "-H", f"lxc:{parameter}")
    assert ran.status != 0
    assert said in ran.stderr
    assert cluster.instances("name") == []


def test_it_has_one_disk_and_others_are_refused_before_they_are_made(
    cluster: VirtualCluster
) -> None:
    common = ("gnt-instance", "add", "-o", "container", "-n", "node1", "--no-nics",
              "--no-name-check", "--no-ip-check")
    said = "An instance of hypervisor lxc has 1 disk, not"
    two = cluster.try_(*common, "-t", "sharedfile", "--disk", "0:size=16M", "--disk", "1:size=1M",
                       NAME)
    assert (two.status, f"{said} 2" in two.stderr) == (1, True), two
    assert add(cluster, "--no-nics", "--no-start").status == 0
    more = cluster.try_("gnt-instance", "modify", "--disk", "add:size=1M", NAME)
    assert (more.status, f"{said} 2" in more.stderr) == (1, True), more
    none = cluster.try_("gnt-instance", "modify", "--disk", "remove", NAME)
    assert (none.status, f"{said} 0" in none.stderr) == (1, True), none


def test_one_that_does_not_start_says_why_and_can_be_removed(cluster: VirtualCluster) -> None:
    ran = add(cluster, "--no-nics", "-H", "lxc:extra_config=lxc.init.cmd = /sbin/nothing")
    assert ran.status != 0
    assert "/sbin/nothing" in ran.stderr
    assert left(cluster) == []
