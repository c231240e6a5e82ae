"""Fixtures: a cluster on loopback whose servers and threads end with the test."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from loopback import Cluster, Pair


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    before = set(threading.enumerate())
    made = Cluster(tmp_path)
    yield made
    made.close()
    assert set(threading.enumerate()) <= before, "a thread outlives its test"


@pytest.fixture
def make_pair(cluster: Cluster) -> Callable[..., Pair]:
    def make(**options: Any) -> Pair:
        master, node = cluster.node("master-uuid"), cluster.node("node-uuid")
        server = cluster.server(node, candidates=[master], **options)
        return Pair(cluster, master, node, server, cluster.client(master))

    return make


@pytest.fixture
def pair(make_pair: Callable[..., Pair]) -> Pair:
    return make_pair()
