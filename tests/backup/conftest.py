"""One cluster for all tests of exports; each has instances of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from third_party import install, present
from virtual_cluster import VirtualCluster, virtual_cluster

PLUGINS = Path(__file__).with_name("ganeti_backed.py")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VirtualCluster]:
    """Three nodes with the plugins of `ganeti_backed`."""
    folder = tmp_path_factory.mktemp("backed")
    install(folder, "ganeti-backed", {"os:used": "Used", "disk_templates:snapped": "Snapped"},
            PLUGINS.read_text())
    with present(folder), virtual_cluster(
            folder / "c", "--nodes", "3", "--hypervisor", "fake") as made:
        made.gnt("gnt-cluster", "modify", "--enabled-disk-templates=diskless,file,snapped",
                 "--ipolicy-disk-templates=diskless,file,snapped",
                 "--compression-tools=gzip,zstd")
        yield made
