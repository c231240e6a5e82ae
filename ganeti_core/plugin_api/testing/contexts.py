"""Build what the core would pass to a hook: a context whose folders lie below a test's own root."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ganeti_core.paths import Paths
from ganeti_core.plugin_api.context import DriverCaller, HookContext

DEFAULT_CONFIG: Mapping[str, Any] = {
    "file_storage_dir": "/srv/ganeti/file-storage",
    "shared_file_storage_dir": "/srv/ganeti/shared-file-storage",
}


def make_context(
    root: Path, node: str = "node1.example.com", *, config: Mapping[str, Any] | None = None,
    driver: DriverCaller | None = None, feedback: Callable[[str], None] | None = None,
) -> HookContext:
    """Build a context for one driver on one node and make its folders below `root`.

    Two nodes of one test get two roots. `config` is laid over settings that suit most drivers.
    """
    paths = Paths(root)
    paths.make_directories()
    context = HookContext(
        node=node, root=root,
        state=paths.plugin_state / "driver", keep=paths.data / "plugins/driver",
        logs=paths.log / "driver", log=logging.getLogger(f"ganeti.test.{node}"),
        config={"address": "127.0.0.1", **DEFAULT_CONFIG, **(config or {})})
    for folder in (context.state, context.keep, context.logs):
        folder.mkdir(mode=0o750, parents=True, exist_ok=True)
    if driver is not None:
        context = replace(context, driver=driver)
    if feedback is not None:
        context = replace(context, feedback=feedback)
    return context
