"""A running cluster whose nodes have DRBD, which is a stand-in: what its tests do to it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fake_drbd
import stand_in
from virtual_cluster import VirtualCluster, wait_until

from ganeti_core.config.ganeti_format import OWN_KEY
from ganeti_core.pid_file import running_pid

NAME = "pair.example.com"
NODES = ("node1", "node2", "node3")
NEW = ("-t", "drbd", "--no-install", "-o", "noop", "-B", "memory=64M", "--no-nics",
       "--no-name-check", "--no-ip-check")


def with_drbd(made: VirtualCluster) -> VirtualCluster:
    """Give all nodes DRBD, whose kernel calls the helper that is installed."""
    helper = Path(sys.executable).with_name("ganeti-drbd-helper")
    with world(made) as kernels:
        for node in NODES:
            root = str(made.paths(node).root)
            kernels.add_node(root, helper=str(helper))
            for name in ("drbdsetup", "drbdmeta"):
                stand_in.install(
                    Path(root) / "usr/sbin" / name, fake_drbd, kernels.folder, root, name)
    made.gnt("gnt-cluster", "modify", "--enabled-disk-templates=diskless,file,drbd",
             "--ipolicy-disk-templates=diskless,file,drbd", f"--drbd-usermode-helper={helper}",
             "--driver-settings", "drbd_volume_template=file")
    return made


def world(cluster: VirtualCluster) -> fake_drbd.World:
    return fake_drbd.World(str(cluster.root / "drbd-world"))


def change(cluster: VirtualCluster, act: Callable[[fake_drbd.World], Any]) -> None:
    with world(cluster) as kernels:
        kernels.pass_moment()
        act(kernels)
        kernels.pass_moment()


def power_off(cluster: VirtualCluster, node: str) -> None:
    """As when the power of a node fails: its daemons and its kernel are gone."""
    cluster.tool("stop", "--crash", node)
    change(cluster, lambda kernels: kernels.data["nodes"][str(cluster.paths(node).root)].update(
        up=False, minors={}, resources={}))


def back(cluster: VirtualCluster, node: str) -> None:
    change(cluster, lambda kernels: kernels.data["nodes"][
        str(cluster.paths(node).root)].update(up=True))
    cluster.tool("start")
    [[offline]] = cluster.table("gnt-node", "list", "-o", "offline", node)
    if offline == "Y":
        cluster.gnt("gnt-node", "modify", "--offline=no", node)


def proc(cluster: VirtualCluster, node: str) -> str:
    return (cluster.paths(node).root / "proc/drbd").read_text()


def volumes(cluster: VirtualCluster, node: str) -> list[str]:
    storage = cluster.paths(node).root / "srv/ganeti/file-storage"
    return sorted(path.name for path in storage.rglob("*") if path.is_file())


def data(cluster: VirtualCluster, node: str) -> Path:
    """The data volume of the one disk."""
    storage = cluster.paths(node).root / "srv/ganeti/file-storage"
    return next(path for path in storage.rglob("*.disk0") if path.stat().st_size < 100 << 20)


def write(cluster: VirtualCluster, node: str, text: bytes) -> None:
    """What a guest writes: onto the device, which only the primary one has; it may have to wait."""
    wait_until(lambda: not is_frozen(cluster, node), "the device is not frozen", pause=0.1)
    with device(cluster, node).open("r+b") as disk:
        disk.write(text)
    change(cluster, lambda _: None)


def device(cluster: VirtualCluster, node: str) -> Path:
    [found] = (cluster.paths(node).root / "dev").glob("drbd*")
    return found


def is_frozen(cluster: VirtualCluster, node: str) -> bool:
    """Whether who writes to the device has to wait.

    The device and the report are read one after the other, and change one after the other.
    """
    def look() -> str:
        frozen, reported = not device(cluster, node).exists(), " s-----" in proc(cluster, node)
        return "" if frozen != reported else "frozen" if frozen else "open"

    answer: str = wait_until(look, "the device and the report agree", pause=0.05)
    return answer == "frozen"


def cut(cluster: VirtualCluster, *pair: str, joined: bool = False) -> None:
    """Cut the network between two nodes, as DRBD uses it, or join it again."""
    ends = sorted(str(cluster.paths(node).root) for node in pair)
    change(cluster, lambda kernels: kernels.data["cut"].remove(ends) if joined
           else kernels.data["cut"].append(ends))


def nodes(cluster: VirtualCluster) -> list[str]:
    [row] = cluster.instances("pnode", "snodes")
    return [name.split(".")[0] for name in row]


def stale(cluster: VirtualCluster) -> list[str]:
    """The nodes of the one disk that the configuration knows to be left behind."""
    file = cluster.root / "exported.json"
    cluster.gnt("gnt-cluster", "export-config", "--all", str(file))
    document = json.loads(file.read_text())
    names = {uuid: node["name"].split(".")[0] for uuid, node in document["nodes"].items()}
    [disk] = document["disks"]
    own = document[OWN_KEY].get(disk, {})
    return [names[uuid] for uuid in own.get("stale", ())]


def signal_master(cluster: VirtualCluster, number: int) -> None:
    """Let the master daemon stop in the middle of what it does, or go on."""
    pid = running_pid(cluster.paths("node1").daemon_pid("ganeti-masterd"))
    assert pid is not None
    os.kill(pid, number)
