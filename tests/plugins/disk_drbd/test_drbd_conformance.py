"""The template passes the kit, and what the kit asks of copies."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from drbd_nodes import NO_PATIENCE, Kernels, node_settings, plan_volume

from ganeti_core.plugin_api import HookContext
from ganeti_core.plugin_api.data import NodeRef
from ganeti_core.plugin_api.disk import PlanChild
from ganeti_core.plugin_api.testing.calls import CallMode
from ganeti_core.plugin_api.testing.mirror import MirrorContract
from ganeti_plugins.disk_drbd import DrbdTemplate


class TestDrbd(MirrorContract):
    kill_points = 4

    @pytest.fixture(params=("wire",))
    def call_mode(self, request: pytest.FixtureRequest) -> CallMode:
        """Over the wire alone: each test talks to a kernel that is played, which takes time."""
        mode: CallMode = request.param
        return mode

    @pytest.fixture
    def driver(self, kernels: Kernels) -> DrbdTemplate:
        return DrbdTemplate(kernels.run, NO_PATIENCE)

    @pytest.fixture
    def contexts(self, two_nodes: Mapping[str, HookContext]) -> Mapping[str, HookContext]:
        return two_nodes

    @pytest.fixture
    def settings(self) -> dict[str, Any]:
        return node_settings()

    @pytest.fixture
    def plan_child(self) -> PlanChild:
        return plan_volume

    @pytest.fixture
    def lose(
        self, kernels: Kernels, contexts: Mapping[str, HookContext]
    ) -> Callable[[NodeRef], None]:
        return lambda node: kernels.lose(contexts[node.uuid])
