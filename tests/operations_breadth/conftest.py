"""One cluster for all tests here: each leaves it as it found it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from virtual_cluster import VirtualCluster


@pytest.fixture(scope="module")
def cluster(of_folder: Callable[..., VirtualCluster]) -> Iterator[VirtualCluster]:
    """Three nodes with the fake hypervisor.

    A module that leaves something there fails, not the one that trips over it.
    """
    made = of_folder("--nodes", "3", "--hypervisor", "fake")
    yield made
    with closing(sqlite3.connect(f"file:{made.paths().database}?mode=ro", uri=True)) as db:
        left = db.execute("SELECT doc FROM object WHERE kind IN ('instance', 'disk', 'network')")
        assert left.fetchall() == []
        assert db.execute("SELECT count(*) FROM object WHERE kind = 'nodegroup'").fetchone() == (1,)
