"""Where a virtual cluster lies: its folder, its nodes, their names and addresses."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import sysconfig
from typing import TYPE_CHECKING, Any, Self

from ganeti_core.errors import ConfigurationError
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.paths import ROOT_VARIABLE, Paths
from ganeti_core.resolve import HOSTNAME_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

VERSION = 1
DOMAIN = "example.com"
PORT = 1811
"""Every node daemon's port: addresses differ."""
MOST_NODES = 200
_MASTER_HOST = 254
"""Last part of the cluster's own address."""
_ATTEMPTS = 50


class NoSuchCluster(ConfigurationError):
    """The folder holds no virtual cluster."""


@dataclass(frozen=True)
class VirtualNode:
    """One node: `root` is its file tree, `address` the loopback address of its daemons."""

    name: str
    address: str
    root: Path

    @property
    def paths(self) -> Paths:
        return Paths(self.root)

    @property
    def is_enrolled(self) -> bool:
        """Whether it belongs to the cluster: a removed node does not."""
        return (self.paths.data / "node.json").exists()

    def environment(self) -> dict[str, str]:
        """What a program needs to run on this node instead of on the machine."""
        return {ROOT_VARIABLE: str(self.root), HOSTNAME_VARIABLE: self.name,
                "PATH": search_path(programs_of(self.root.parent))}


@dataclass(frozen=True)
class Layout:
    """A virtual cluster; `network` is the first three parts of its addresses.

    :param extras: daemons that it has beside those that every cluster has, by their names
    """

    root: Path
    network: str
    nodes: tuple[VirtualNode, ...]
    extras: tuple[str, ...] = ()

    @classmethod
    def plan(cls, root: Path, count: int, extras: tuple[str, ...] = ()) -> Self:
        """Choose addresses for a new cluster; nothing is written.

        :raises ConfigurationError: too many nodes, or no free network
        """
        if not 1 <= count <= MOST_NODES:
            raise ConfigurationError(f"--nodes {count}: a virtual cluster has 1 to {MOST_NODES}")
        return cls._of(root, _free_network(root, count), count, extras)

    @classmethod
    def _of(cls, root: Path, network: str, count: int, extras: tuple[str, ...]) -> Self:
        return cls(root, network, tuple(
            VirtualNode(f"node{i}.{DOMAIN}", f"{network}.{i}", root / f"node{i}")
            for i in range(1, count + 1)), extras)

    @classmethod
    def load(cls, root: Path) -> Self:
        """:raises NoSuchCluster: there is none in `root`"""
        file = layout_file(root)
        try:
            data: dict[str, Any] = json.loads(file.read_text())
            if data["version"] != VERSION:
                raise ConfigurationError(f"{file} was written by another version of gnt-vcluster")
            return cls._of(root, str(data["network"]), int(data["nodes"]),
                           tuple(map(str, data.get("with", ()))))
        except FileNotFoundError as exc:
            raise NoSuchCluster(
                f"there is no virtual cluster in {root} (gnt-vcluster up makes one)") from exc
        except PermissionError as exc:
            raise ConfigurationError(f"{file} cannot be read: it is another user's") from exc
        except (ValueError, KeyError, TypeError) as exc:
            raise ConfigurationError(f"{file} is damaged: {exc!r}") from exc

    def save(self) -> None:
        """Write it down; from here on `load` finds the cluster."""
        layout_file(self.root).write_text(json.dumps(
            {"version": VERSION, "network": self.network, "nodes": len(self.nodes),
             "with": list(self.extras)}) + "\n")

    @property
    def cluster_name(self) -> str:
        return f"cluster.{DOMAIN}"

    @property
    def address(self) -> str:
        """The cluster's own address."""
        return f"{self.network}.{_MASTER_HOST}"

    @property
    def shared_files(self) -> Path:
        """The folder that all nodes see under one name, as if it were a network file system."""
        return self.root / "shared"

    @property
    def programs(self) -> Path:
        return programs_of(self.root)

    def hosts(self) -> str:
        """The hosts file of every node."""
        names = [(self.address, self.cluster_name)]
        names += [(node.address, node.name) for node in self.nodes]
        return "".join(f"{address} {name} {name.split('.', 1)[0]}\n" for address, name in names)

    def node(self, name: str) -> VirtualNode:
        """Find a node by its name, the first part of it, or its address; `master` is one, too.

        :raises ConfigurationError: there is none
        """
        if name == "master":
            return self.master
        for node in self.nodes:
            if name in (node.name, node.name.split(".", 1)[0], node.address):
                return node
        raise ConfigurationError(
            f"this cluster has no node {name}: it has node1 to node{len(self.nodes)}")

    @property
    def master(self) -> VirtualNode:
        """The node that the newest of the nodes' own files calls the master.

        A node that was away still names the old one: it is the file's age that tells, and all
        files are of one machine's clock.
        """
        told = max(map(_told, self.nodes))
        return next((node for node in self.nodes if node.name == told[1]), self.nodes[0])


def layout_file(root: Path) -> Path:
    return root / "vcluster.json"


def programs_of(root: Path) -> Path:
    """The folder with the programs of the cluster in `root`: its nodes find them first."""
    return root / "bin"


def search_path(programs: Path) -> str:
    """``PATH`` with `programs` and then the project's own commands before all else."""
    first = [str(programs), sysconfig.get_path("scripts")]
    others = os.environ.get("PATH", os.defpath).split(os.pathsep)
    return os.pathsep.join([*first, *(folder for folder in others if folder not in first)])


def _told(node: VirtualNode) -> tuple[int, str]:
    """Whom the node calls the master, and since when."""
    file = node.paths.ssconf / "ssconf_master_node"
    try:
        return file.stat().st_mtime_ns, file.read_text().strip()
    except OSError:
        return 0, ""


def _free_network(root: Path, count: int) -> str:
    """Choose a network on the loopback device, always the same for a root where it is free."""
    for network in _candidates(root):
        if all(_is_free(f"{network}.{host}") for host in (*range(1, count + 1), _MASTER_HOST)):
            return network
    raise ConfigurationError(
        f"no network 127.x.y.0/24 is free at port {PORT}: end other virtual clusters "
        "(gnt-vcluster down)")


def _candidates(root: Path) -> Iterator[str]:
    digest = hashlib.sha256(os.fsencode(root)).digest()
    number = int.from_bytes(digest[:4], "big")
    for attempt in range(_ATTEMPTS):
        # 127.0.x.y is where everything else on the machine is; 104729 is prime to 254 * 256.
        upper, lower = divmod((number + attempt * 104729) % (254 * 256), 256)
        yield f"127.{upper + 1}.{lower}"


def _is_free(address: str) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # Connections of an earlier cluster that still fade away do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, PORT))
        except OSError:
            return False
    return True
