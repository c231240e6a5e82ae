"""What the conformance kit needs to know of this network service."""

from pathlib import Path

import pytest

from ganeti_core.plugin_api import HookContext
from ganeti_core.plugin_api.testing.contexts import make_context
from ganeti_core.plugin_api.testing.contracts import NetworkServiceContract

from . import FOLDER, HostsFiles


class TestHostsFiles(NetworkServiceContract):
    @pytest.fixture
    def driver(self) -> HostsFiles:
        return HostsFiles()

    @pytest.fixture
    def ctx(self, tmp_path: Path) -> HookContext:
        ctx = make_context(tmp_path)
        (ctx.root / FOLDER).mkdir(parents=True)
        return ctx
