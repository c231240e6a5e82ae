"""What the conformance kit needs to know of this allocator."""

import pytest

from ganeti_core.plugin_api.testing.contracts import IallocatorContract

from . import SpreadAllocator


class TestSpreadAllocator(IallocatorContract):
    @pytest.fixture
    def driver(self) -> SpreadAllocator:
        return SpreadAllocator()
