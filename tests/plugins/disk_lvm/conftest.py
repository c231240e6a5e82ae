"""A node with a program that stands in for lvm."""

from __future__ import annotations

from pathlib import Path

import pytest
from lvm_host import FakeHost


@pytest.fixture
def host(tmp_path: Path) -> FakeHost:
    """Two groups: one of three physical volumes, one of one."""
    return FakeHost.make(tmp_path / "lvm-host")
