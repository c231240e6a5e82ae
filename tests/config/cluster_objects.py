"""A small configuration, and a store on a file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ganeti_core.bootstrap.init import write_objects
from ganeti_core.config.journal import Journal
from ganeti_core.config.store import Store
from ganeti_core.model import Cluster, Disk, Instance, Nic, Node, NodeGroup
from ganeti_core.paths import Paths

GROUP = NodeGroup(uuid="group", name="default")
NODE = Node(uuid="node1", name="node1.example.com", group="group", primary_ip="192.0.2.1")
CLUSTER = Cluster(uuid="cluster", name="cluster.example.com", master_node="node1",
                  master_ip="192.0.2.254")


def instance(number: int, **more) -> Instance:
    return replace(Instance(
        uuid=f"inst{number}", name=f"inst{number}.example.com", primary_node="node1",
        hypervisor="fake", nics=(Nic(uuid=f"nic{number}", mac=f"aa:00:00:00:00:{number:02x}"),)),
        **more)


def disk(number: int, **more) -> Disk:
    return replace(Disk(uuid=f"disk{number}", template="file", size=1), **more)


def new_database(root: Path) -> Path:
    paths = Paths(root)
    paths.make_directories()
    write_objects(paths, [CLUSTER, GROUP, NODE])
    return paths.database


def open_store(database: Path) -> Store:
    return Store(Journal(database))
