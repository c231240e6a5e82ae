"""A mirrored disk grows, in use and closed, and whatever is lost while it does."""

from __future__ import annotations

import json
import os
import shutil
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mirror_lab import (
    NAME,
    Writer,
    cluster,
    data,
    device,
    kept,
    kill,
    mirror_cluster,
    nodes,
    number_on,
    pair,
    signal_daemon,
    signal_master,
    stale,
)
from virtual_cluster import Ran, VirtualCluster, wait_until

from ganeti_plugins.hv_kvm.qmp import Qmp

__all__ = ["cluster", "mirror_cluster", "pair"]

GROW = ("gnt-instance", "grow-disk", NAME, "0")
TO = ("gnt-instance", "grow-disk", "--absolute", NAME, "0")
MIB = 1 << 20
END = b"at the new end"

pytestmark = pytest.mark.skipif(
    not (Path("/usr/bin/qemu-storage-daemon").exists() and Path("/dev/fuse").exists()),
    reason="needs qemu-storage-daemon and /dev/fuse")


@pytest.fixture
def writer(pair: VirtualCluster) -> Writer:
    return Writer(device(pair, "node2"))


def sizes(cluster: VirtualCluster) -> set[int]:
    return {data(cluster, node).stat().st_size // MIB for node in ("node2", "node3")}


def configured(cluster: VirtualCluster) -> str:
    [[size]] = cluster.instances("disk.size/0")
    return str(size)


def live(cluster: VirtualCluster) -> dict[str, Any]:
    """What the keeper on the node that writes knows of the other copy."""
    file = next(cluster.paths("node2").plugin_state.rglob("live.json"))
    told: dict[str, Any] = json.loads(file.read_text())
    return told


def goes_on(writer: Writer) -> None:
    known = writer.acknowledged
    wait_until(lambda: writer.acknowledged > known + 1, "writes go on")


def assert_grown(cluster: VirtualCluster, writer: Writer, size: int = 8) -> None:
    """Both copies have what was written at the new end, and all the writer was told is written."""
    goes_on(writer)
    place = device(cluster, nodes(cluster)[0])
    # Writes go on as soon as the copies are linked, and the file becomes larger after that.
    wait_until(lambda: place.stat().st_size == size * MIB, "the file of the disk has grown")
    with place.open("r+b") as disk:
        disk.seek(size * MIB - len(END))
        disk.write(END)
        os.fsync(disk.fileno())
    writer.stop()
    cluster.gnt("gnt-instance", "activate-disks", "--wait-for-sync", NAME)
    assert sizes(cluster) == {size}
    assert configured(cluster) == str(size)
    one, other = (data(cluster, node).read_bytes() for node in ("node2", "node3"))
    assert one == other
    assert one.endswith(END)
    assert number_on(data(cluster, "node3")) >= writer.acknowledged
    assert stale(cluster) == []


def meanwhile(cluster: VirtualCluster, happens: Callable[[], None]) -> Ran:
    """Grow the disk; when its device has grown, and its storage daemon is to end, this happens."""
    [store] = kept(cluster, "node2", "store")
    os.kill(store, signal.SIGSTOP)
    done: list[Ran] = []
    growing = threading.Thread(target=lambda: done.append(cluster.try_(*GROW, "4M")))
    growing.start()
    wait_until(lambda: data(cluster, "node2").stat().st_size == 8 * MIB, "the device has grown")
    happens()
    growing.join()
    return done[0]


def test_a_disk_in_use_grows_and_both_copies_with_it(
    pair: VirtualCluster, writer: Writer
) -> None:
    goes_on(writer)
    pair.gnt(*GROW, "4M")
    assert live(pair) == {"state": "linked", "how": "nothing", "size": 8}
    assert_grown(pair, writer)
    pair.gnt(*TO, "12M")
    assert device(pair, "node2").stat().st_size == 12 * MIB
    pair.gnt("gnt-instance", "failover", "-f", NAME)
    assert device(pair, "node3").stat().st_size == 12 * MIB
    pair.gnt("gnt-instance", "replace-disks", "-n", "node1", NAME)
    assert data(pair, "node1").stat().st_size == 12 * MIB
    pair.verify()


@pytest.mark.needs_qemu
@pytest.mark.skipif(not shutil.which("qemu-system-x86_64"), reason="QEMU is not installed")
def test_a_guest_of_qemu_goes_on_and_sees_it_when_it_starts_next(cluster: VirtualCluster) -> None:
    """The server of the disk's file takes no order about its size."""
    cluster.gnt("gnt-cluster", "modify", "--enabled-hypervisors=fake,kvm", "-H",
                "kvm:kernel_path=,kvm_flag=disabled")
    cluster.gnt("gnt-instance", "add", "-t", "mirror", "-s", "4M", "-o", "tiny", "-n",
                "node2:node3", "-H", "kvm", "-B", "memory=16M", "--no-nics", "--no-name-check",
                "--no-ip-check", NAME)
    said = cluster.gnt(*GROW, "4M").stdout
    assert "has grown, and its running guest does not see that: QEMU refused block_resize" in said
    assert (seen(cluster), sizes(cluster)) == (4 * MIB, {8})
    cluster.gnt("gnt-instance", "reboot", "--type=hard", "--shutdown-timeout=0", NAME)
    assert seen(cluster) == 8 * MIB
    cluster.gnt("gnt-instance", "remove", "-f", "--shutdown-timeout=0", NAME)


def seen(cluster: VirtualCluster) -> int:
    """Bytes of the disk that the running guest has."""
    [control] = cluster.root.glob(f"node2/**/{NAME}/control")
    with Qmp.connect(control) as qmp:
        [image] = [device["inserted"]["image"] for device in qmp.execute("query-block")
                   if device.get("qdev")]
    return int(image["virtual-size"])


def test_a_closed_disk_grows_and_is_alike_when_it_is_opened(pair: VirtualCluster) -> None:
    pair.gnt("gnt-instance", "shutdown", NAME)
    pair.gnt(*GROW, "4M")
    assert sizes(pair) == {8}
    pair.gnt("gnt-instance", "startup", NAME)
    assert_grown(pair, Writer(device(pair, "node2")))


def test_a_disk_whose_copy_is_left_behind_does_not_grow(
    pair: VirtualCluster, writer: Writer
) -> None:
    kill(pair, "node3", "store")
    goes_on(writer)
    wait_until(lambda: stale(pair) == ["node3"], "its loss is known")
    # Until its keeper knows that, too, it grows what it takes for both copies.
    wait_until(lambda: live(pair)["state"] == "alone", "the node goes on alone")
    refused = pair.try_(*GROW, "4M")
    assert refused.status == 1
    assert "both copies must be whole" in refused.stderr, refused
    assert data(pair, "node2").stat().st_size == 4 * MIB
    assert configured(pair) == "4"
    pair.gnt("gnt-instance", "activate-disks", "--wait-for-sync", NAME)
    pair.gnt(*GROW, "4M")
    assert_grown(pair, writer)


@pytest.mark.torture
def test_the_node_daemon_is_killed_while_a_disk_grows(
    pair: VirtualCluster, writer: Writer
) -> None:
    meanwhile(pair, lambda: signal_daemon(pair, "node2", "ganeti-noded", signal.SIGKILL))
    pair.tool("start")
    assert configured(pair) == "8"
    assert_grown(pair, writer)
    pair.verify()


def test_the_master_is_killed_while_a_disk_grows(pair: VirtualCluster, writer: Writer) -> None:
    meanwhile(pair, lambda: signal_master(pair, signal.SIGKILL))
    pair.tool("start")
    goes_on(writer)
    pair.gnt(*TO, "8M")
    assert_grown(pair, writer)
    pair.verify()


@pytest.mark.torture
def test_the_other_copy_is_lost_while_a_disk_grows(pair: VirtualCluster, writer: Writer) -> None:
    """Who writes waits until that is in writing, and the copy is made alike when it is back."""
    meanwhile(pair, lambda: kill(pair, "node3"))
    goes_on(writer)
    wait_until(lambda: stale(pair) == ["node3"], "its loss is known")
    pair.gnt("gnt-instance", "activate-disks", NAME)
    if configured(pair) == "4":
        pair.gnt(*TO, "8M")
    assert_grown(pair, writer)


@pytest.mark.torture
def test_a_copy_that_is_made_before_growing_is_finished_becomes_as_large(
    pair: VirtualCluster, writer: Writer
) -> None:
    """The cluster does not know yet how large the disk is: it makes the copy too small."""
    meanwhile(pair, lambda: signal_master(pair, signal.SIGKILL))
    pair.tool("start")
    goes_on(writer)
    assert configured(pair) == "4"
    made = pair.try_("gnt-instance", "replace-disks", "-s", NAME)
    assert made.status == 1
    assert f"run gnt-instance grow-disk --absolute {NAME} 0 8m" in made.stderr, made
    pair.gnt(*TO, "8m")
    assert_grown(pair, writer)
    pair.verify()
