"""What the conformance kit needs to know of this collector."""

import pytest

from ganeti_core.plugin_api.testing.contracts import CollectorContract

from . import PressureCollector


class TestPressureCollector(CollectorContract):
    @pytest.fixture
    def driver(self) -> PressureCollector:
        return PressureCollector()
