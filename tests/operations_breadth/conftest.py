"""One cluster for all tests here: each leaves it as it found it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest
from virtual_cluster import VirtualCluster, virtual_cluster


@pytest.fixture(scope="package")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VirtualCluster]:
    """Three nodes with the fake hypervisor."""
    folder = tmp_path_factory.mktemp("breadth") / "c"
    with virtual_cluster(folder, "--nodes", "3", "--hypervisor", "fake") as made:
        yield made


@pytest.fixture(scope="module", autouse=True)
def tidy(request: pytest.FixtureRequest) -> Iterator[None]:
    """Find the module that leaves something on the cluster, not the one that trips over it."""
    module = request.node
    used = {name for item in request.session.items if item.getparent(pytest.Module) is module
            for name in getattr(item, "fixturenames", ())}
    if "cluster" not in used or "cluster" in vars(request.module):
        yield
        return
    made: VirtualCluster = request.getfixturevalue("cluster")
    yield
    with closing(sqlite3.connect(f"file:{made.paths().database}?mode=ro", uri=True)) as db:
        left = db.execute("SELECT doc FROM object WHERE kind IN ('instance', 'disk', 'network')")
        assert left.fetchall() == []
        assert db.execute("SELECT count(*) FROM object WHERE kind = 'nodegroup'").fetchone() == (1,)
