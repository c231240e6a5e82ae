"""Instances whose disks hold data that can be told apart."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path

from virtual_cluster import VirtualCluster

MIB = 1 << 20
NEW = ("-o", "noop", "-B", "memory=64M", "--no-nics", "--no-ip-check", "--no-name-check",
       "--no-start")


def add(
    cluster: VirtualCluster, name: str, *more: str, template: str = "file",
    nodes: str = "node1",
) -> list[str]:
    """Add a stopped instance with two disks, a part of each used; return their digests."""
    cluster.gnt("gnt-instance", "add", "-t", template, "--disk", "0:size=4m,name=root", "--disk",
                "1:size=4m,mode=ro", "-n", nodes, *NEW, *more, name)
    cluster.gnt("gnt-instance", "activate-disks", name)
    for at, path in enumerate(paths(cluster, name)):
        with path.open("r+b") as file:
            file.seek(MIB // 2)
            file.write(random.Random(f"{name}{at}").randbytes(MIB + 5))
    found = digests(cluster, name)
    cluster.gnt("gnt-instance", "deactivate-disks", name)
    return found


def home_of(cluster: VirtualCluster, name: str) -> str:
    """The short name of its primary node."""
    (found,) = [node for one, node in cluster.instances("name", "pnode") if one == name]
    return found.split(".")[0]


def paths(cluster: VirtualCluster, name: str) -> list[Path]:
    """The files that hold its disks for its primary node, in their order."""
    found = [*(cluster.root / home_of(cluster, name)).glob(
        f"srv/ganeti/file-storage/{name}/*.disk*"), *(cluster.root / "shared").glob(
        f"**/{name}/*.disk*")]
    return sorted(found, key=lambda path: path.suffix)


def digests(cluster: VirtualCluster, name: str) -> list[str]:
    return [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths(cluster, name)]
