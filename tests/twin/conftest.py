"""Clusters whose instances have disks on two nodes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from third_party import install, present
from virtual_cluster import VirtualCluster

SOURCE = Path(__file__).with_name("ganeti_twin.py")


@pytest.fixture(scope="module")
def pairs(
    make_cluster: Callable[..., VirtualCluster], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[VirtualCluster]:
    """Four nodes that have the template ``twin``, also when they are started anew."""
    folder = tmp_path_factory.mktemp("twin")
    install(folder, "ganeti-twin", {"disk_templates:twin": "Twin"}, SOURCE.read_text())
    with present(folder):
        made = make_cluster("--nodes", "4", "--hypervisor", "fake")
        made.gnt("gnt-cluster", "modify", "--enabled-disk-templates=diskless,file,twin",
                 "--ipolicy-disk-templates=diskless,file,twin")
        yield made
