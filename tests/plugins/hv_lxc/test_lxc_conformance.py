"""lxc keeps the contract of hypervisors, with real containers."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest
from lxc_traces import traces

from ganeti_core.plugin_api import HookContext
from ganeti_core.plugin_api.testing.hypervisor import HypervisorContract
from ganeti_plugins.hv_lxc import LxcHypervisor
from ganeti_plugins.hv_lxc.conformance import LxcConformance

pytestmark = pytest.mark.needs_root


class TestLxcHypervisor(LxcConformance, HypervisorContract):
    """As `gnt-plugin check` runs it; and nothing is left beside the driver's own files."""

    @pytest.fixture
    def more_footprint(
        self, ctx: HookContext, driver: LxcHypervisor
    ) -> Callable[[], Iterable[str]]:
        return lambda: traces(ctx)
