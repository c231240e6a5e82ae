"""One cluster for all tests here: each leaves it as it found it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from virtual_cluster import VirtualCluster, virtual_cluster


@pytest.fixture(scope="package")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VirtualCluster]:
    """Four nodes with the fake hypervisor."""
    folder = tmp_path_factory.mktemp("faces") / "c"
    with virtual_cluster(folder, "--nodes", "4", "--hypervisor", "fake") as made:
        yield made
