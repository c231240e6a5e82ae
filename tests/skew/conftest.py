"""A cluster where not every node has the same plugins."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from unequal import provide, start_with
from virtual_cluster import VirtualCluster, virtual_cluster


@pytest.fixture(scope="module")
def skewed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VirtualCluster]:
    """Four nodes: the newest release on two, an older one on node3, and nothing on node4."""
    folder = tmp_path_factory.mktemp("skew")
    new = provide(folder / "new", 2, "2.0")
    with pytest.MonkeyPatch.context() as patch, ExitStack() as clusters:
        patch.setenv("PYTHONPATH", str(new), prepend=os.pathsep)
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        made = clusters.enter_context(
            virtual_cluster(folder / "c", "--nodes", "4", "--hypervisor", "fake"))
        made.gnt("gnt-cluster", "modify", "--enabled-hypervisors=fake,pretender",
                 "--enabled-disk-templates=diskless,file,twin",
                 "--ipolicy-disk-templates=diskless,file,twin")
        start_with(made, "node3", provide(folder / "old", 1, "1.5"))
        start_with(made, "node4", None)
        yield made
