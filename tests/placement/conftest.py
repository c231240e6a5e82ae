"""A cluster whose nodes have two storages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from third_party import install, present
from virtual_cluster import VirtualCluster

SOURCE = Path(__file__).with_name("ganeti_shelves.py")


@pytest.fixture(scope="module")
def shelves(
    make_cluster: Callable[..., VirtualCluster], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[VirtualCluster]:
    """Two nodes that have the template ``shelves``."""
    folder = tmp_path_factory.mktemp("shelves")
    install(folder, "ganeti-shelves", {"disk_templates:shelves": "Shelves"}, SOURCE.read_text())
    with present(folder):
        made = make_cluster("--nodes", "2", "--hypervisor", "fake")
        made.gnt("gnt-cluster", "modify", "--enabled-disk-templates=shelves,file",
                 "--ipolicy-disk-templates=shelves,file", "--default-iallocator=hail")
        yield made
