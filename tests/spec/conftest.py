"""One cluster for all tests here: each leaves it as it found it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from virtual_cluster import VirtualCluster


@pytest.fixture(scope="module")
def cluster(of_folder: Callable[..., VirtualCluster]) -> VirtualCluster:
    """Three nodes with the fake hypervisor."""
    return of_folder("--nodes", "3", "--hypervisor", "fake")
