"""What the conformance kit needs to know of this provider."""

from pathlib import Path
from typing import Any

import pytest

from ganeti_core.plugin_api import HookContext
from ganeti_core.plugin_api.testing.contexts import make_context
from ganeti_core.plugin_api.testing.contracts import ExtStorageContract

from . import PARAMETERS, FolderProvider


class TestFolderProvider(ExtStorageContract):
    @pytest.fixture
    def driver(self) -> FolderProvider:
        return FolderProvider()

    @pytest.fixture
    def ctx(self, tmp_path: Path) -> HookContext:
        """A node whose storage is mounted."""
        ctx = make_context(tmp_path / "node1")
        folder = PARAMETERS["properties"]["folder"]["default"]
        (ctx.root / folder.lstrip("/")).mkdir(parents=True)
        return ctx

    @pytest.fixture
    def unusable_params(self) -> list[dict[str, Any]]:
        return [{"folder": "not/from/the/root"}]
