"""A cluster of small nodes, so that a few guests fill them; each test leaves it empty."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest
from crowd import MEMORY
from virtual_cluster import VirtualCluster, wait_until


@pytest.fixture(scope="module")
def small_nodes(make_cluster: Callable[..., VirtualCluster]) -> VirtualCluster:
    made = make_cluster("--nodes", "4", "--hypervisor", "fake")
    for number in range(1, 5):
        file = made.paths(f"node{number}").root / "etc/ganeti/fake-node.json"
        file.write_text(json.dumps({"fake_memory": MEMORY, "fake_cpus": 8}))
    wait_until(lambda: {row[0] for row in made.table("gnt-node", "list", "-o", "mtotal")}
               == {str(MEMORY)}, "all nodes pretend the same memory", pause=0.2)
    return made


@pytest.fixture
def cluster(small_nodes: VirtualCluster) -> Iterator[VirtualCluster]:
    yield small_nodes
    for (name,) in small_nodes.instances("name"):
        small_nodes.gnt("gnt-instance", "remove", "-f", name)
