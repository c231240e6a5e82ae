"""Two nodes whose DRBD is a stand-in, called without a process of its own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from drbd_nodes import Kernels, make_node
from drbd_pair import Pair, make_pair

from ganeti_core.plugin_api import HookContext
from ganeti_core.plugin_api.testing.disk import NODES


@pytest.fixture
def kernels(tmp_path: Path) -> Kernels:
    return Kernels(tmp_path / "world")


@pytest.fixture
def two_nodes(tmp_path: Path, kernels: Kernels) -> Mapping[str, HookContext]:
    """The nodes of the conformance kit, by uuid."""
    return {node.uuid: make_node(tmp_path, kernels, node) for node in NODES}


@pytest.fixture
def pair(kernels: Kernels, two_nodes: Mapping[str, HookContext]) -> Pair:
    """A disk in sync, open, and written to on the first node."""
    return make_pair(kernels, two_nodes)
