"""A template of two nodes passes the kit, and what the kit asks of copies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ganeti_twin import Twin

from ganeti_core.plugin_api import HookContext, processes
from ganeti_core.plugin_api.data import DiskRequest, DiskSpec
from ganeti_core.plugin_api.disk import PlanChild
from ganeti_core.plugin_api.testing.contexts import declared_settings, make_context
from ganeti_core.plugin_api.testing.disk import NODES
from ganeti_core.plugin_api.testing.mirror import MirrorContract
from ganeti_plugins.disk_file import FileTemplate


class TestTwin(MirrorContract):
    @pytest.fixture
    def driver(self) -> Twin:
        return Twin()

    @pytest.fixture
    def plan_child(self) -> PlanChild:
        def plan(template: str, request: DiskRequest) -> DiskSpec:
            assert template == "file"
            return FileTemplate().layout(replace(request, uuid=f"below-{request.uuid}"),
                                         declared_settings(FileTemplate()))

        return plan

    @pytest.fixture
    def contexts(self, tmp_path: Path) -> Iterator[Mapping[str, HookContext]]:
        shared = tmp_path / "shared"
        shared.mkdir()
        made = {}
        for node in NODES:
            root = tmp_path / node.name.partition(".")[0]
            (root / "srv/ganeti/file-storage").mkdir(parents=True)
            (root / "srv/ganeti/shared-file-storage").symlink_to(shared)
            made[node.uuid] = with_files(make_context(
                root, node.name, config=declared_settings(FileTemplate())))
        yield made
        for ctx in made.values():
            for name in processes.kept(ctx):
                processes.end(ctx, name)


def with_files(ctx: HookContext) -> HookContext:
    """A node that has the template of the children, too."""
    driver = FileTemplate()

    def call(kind: str, name: str, hook: str, /, **arguments: Any) -> Any:
        assert (kind, name) == ("disk_templates", "file")
        taken = {key: value for key, value in arguments.items() if key != "exclusive"}
        return getattr(driver, hook)(ctx, **taken)

    return replace(ctx, driver=call)
