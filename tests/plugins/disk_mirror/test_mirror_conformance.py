"""The template keeps its contract, with real storage daemons and connections of two nodes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from mirror_pair import at_home, end_all, two_nodes

from ganeti_core.plugin_api import HookContext
from ganeti_core.plugin_api.data import DiskRequest, DiskSpec, NodeRef
from ganeti_core.plugin_api.disk import PlanChild
from ganeti_core.plugin_api.testing.contexts import declared_settings
from ganeti_core.plugin_api.testing.mirror import MirrorContract
from ganeti_plugins.disk_file import FileTemplate
from ganeti_plugins.disk_mirror import MirrorTemplate
from ganeti_plugins.disk_mirror.stores import program_of


class TestMirror(MirrorContract):
    kill_points = 4

    @pytest.fixture
    def driver(self) -> MirrorTemplate:
        return MirrorTemplate()

    @pytest.fixture
    def plan_child(self) -> PlanChild:
        def plan(template: str, request: DiskRequest) -> DiskSpec:
            assert template == "file"
            return FileTemplate().layout(
                replace(request, uuid=f"below-{request.uuid}"), declared_settings(FileTemplate()))

        return plan

    @pytest.fixture
    def contexts(self, tmp_path: Path) -> Iterator[Mapping[str, HookContext]]:
        with two_nodes(tmp_path) as made:
            if program_of(next(iter(made.values()))) is None or not Path("/dev/fuse").exists():
                pytest.skip("needs qemu-storage-daemon and /dev/fuse")
            yield made

    @pytest.fixture
    def pair(self, lay_out: Callable[[int], DiskSpec]) -> DiskSpec:
        return at_home(lay_out(0))

    @pytest.fixture
    def lose(self, contexts: Mapping[str, HookContext]) -> Callable[[NodeRef], None]:
        return lambda node: end_all(contexts[node.uuid])
