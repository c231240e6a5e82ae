"""The file templates and the diskless one keep their contract."""

from pathlib import Path

import pytest

from ganeti_core.plugin_api import HookContext
from ganeti_core.plugin_api.testing.contexts import (
    declared_folders,
    declared_settings,
    make_context,
)
from ganeti_core.plugin_api.testing.disk import DiskTemplateContract
from ganeti_plugins.disk_file import DisklessTemplate, FileTemplate, SharedFileTemplate


@pytest.fixture
def node_with_storage(tmp_path: Path) -> HookContext:
    drivers = (FileTemplate(), SharedFileTemplate())
    ctx = make_context(tmp_path / "node1", config=declared_settings(*drivers))
    for folder in declared_folders(*drivers):
        (ctx.root / folder.lstrip("/")).mkdir(parents=True)
    return ctx


class OnFiles(DiskTemplateContract):
    @pytest.fixture
    def ctx(self, node_with_storage: HookContext) -> HookContext:
        return node_with_storage


class TestFile(OnFiles):
    @pytest.fixture
    def driver(self) -> FileTemplate:
        return FileTemplate()


class TestSharedFile(OnFiles):
    @pytest.fixture
    def driver(self) -> SharedFileTemplate:
        return SharedFileTemplate()


class TestDiskless(DiskTemplateContract):
    @pytest.fixture
    def driver(self) -> DisklessTemplate:
        return DisklessTemplate()
