"""Names in requests to allocators, and in what these choose."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from ganeti_core.config.snapshot import Snapshot
from ganeti_core.errors import OpExecError
from ganeti_core.model import Cluster, Disk, Instance, Node, NodeGroup
from ganeti_core.operations.placement.choose import check_nodes
from ganeti_core.operations.placement.document import Request, _storages
from ganeti_core.plugins import PluginHost

SNAPSHOT = Snapshot(objects={
    "cluster": {"c": Cluster(uuid="c", name="c.example.com", master_node="n",
                             master_ip="192.0.2.9")},
    "nodegroup": {"g": NodeGroup(uuid="g", name="default")},
    "node": {"n": Node(uuid="n", name="n.example.com", group="g", primary_ip="192.0.2.1")},
    "instance": {"i": Instance(uuid="i", name="web.example.com", primary_node="n",
                               hypervisor="fake", disks=("d",))},
    "disk": {"d": Disk(uuid="d", template="file", size=1, nodes=("n",))},
}, names={"instance": {"web.example.com": "i"}, "node": {"n.example.com": "n"}})
MASTER = SimpleNamespace(
    current=SNAPSHOT,
    host=PluginHost(), on_master=SimpleNamespace(host=PluginHost(), call=lambda *_, disk: "room"),
    services=SimpleNamespace(settings=lambda _: {}))


def test_a_new_instance_is_not_taken_for_one_whose_name_it_begins() -> None:
    asked = {"type": "allocate", "disk_template": "diskless"}
    assert _storages(MASTER, SNAPSHOT, Request({**asked, "name": "web"})) == {}  # type: ignore[arg-type]
    assert _storages(  # type: ignore[arg-type]
        MASTER, SNAPSHOT, Request({**asked, "name": "web.example.com"})) == {"g": ("file", "room")}


def test_a_node_that_is_chosen_by_two_of_its_names_is_chosen_twice() -> None:
    check_nodes(MASTER, "near", ["n"])  # type: ignore[arg-type]
    with pytest.raises(OpExecError, match=r"chose node 'n.example.com' twice"):
        check_nodes(MASTER, "near", ["n", "n.example.com"])  # type: ignore[arg-type]
