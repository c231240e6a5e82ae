"""What the conformance kit needs to know of this network back end."""

import pytest

from ganeti_core.plugin_api import HookContext, NetworkLink, NicSpec
from ganeti_core.plugin_api.testing.contracts import NetworkBackendContract

from . import FOLDER, SdnNetwork


class TestSdnNetwork(NetworkBackendContract):
    @pytest.fixture
    def driver(self) -> SdnNetwork:
        return SdnNetwork()

    @pytest.fixture
    def nic(self, ctx: HookContext) -> NicSpec:
        (ctx.root / FOLDER / "ports").mkdir(parents=True)
        (ctx.root / FOLDER / "networks").write_text("tenant7\ntenant9\n")
        return NicSpec("41c00000-0000-4000-8000-000000000001", 0, "aa:00:00:11:22:33",
                       mode="sdn", link="tenant7", ip="192.0.2.7")

    @pytest.fixture
    def device(self) -> str:
        return "tap0"

    @pytest.fixture
    def missing(self) -> NetworkLink:
        return NetworkLink("tenant8")
