"""Build what the core would pass to a hook: a context whose folders lie below a test's own root."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ganeti_core.errors import ECODE_INVAL, OpPrereqError
from ganeti_core.paths import Paths
from ganeti_core.plugin_api.all_kinds import KINDS
from ganeti_core.plugin_api.context import DriverCaller, HookContext

from .calls import Calls


def declared_settings(*drivers: Any) -> dict[str, Any]:
    """The settings of the cluster that drivers declare, with their defaults."""
    return {name: schema["default"] for driver in drivers
            for name, schema in driver.describe().settings.get("properties", {}).items()}


def declared_folders(*drivers: Any) -> list[str]:
    """Those of their settings that are folders of a node."""
    return [schema["default"] for driver in drivers
            for schema in driver.describe().settings.get("properties", {}).values()
            if schema.get("x-folder")]


def make_context(
    root: Path, node: str = "node1.example.com", *, config: Mapping[str, Any] | None = None,
    driver: DriverCaller | None = None, feedback: Callable[[str], None] | None = None,
) -> HookContext:
    """Build a context for one driver on one node and make its folders below `root`.

    Two nodes of one test get two roots.

    :param config: settings of the cluster, such as the driver's own, `declared_settings`
    """
    paths = Paths(root)
    paths.make_directories()
    context = HookContext(
        node=node, root=root,
        state=paths.plugin_state / "driver", keep=paths.data / "plugins/driver",
        logs=paths.log / "driver", log=logging.getLogger(f"ganeti.test.{node}"),
        config={"address": "127.0.0.1", **(config or {})})
    for folder in (context.state, context.keep, context.logs):
        folder.mkdir(mode=0o750, parents=True, exist_ok=True)
    if driver is not None:
        context = replace(context, driver=driver)
    if feedback is not None:
        context = replace(context, feedback=feedback)
    return context


def neighbours(ctx: HookContext, drivers: Mapping[tuple[str, str], object]) -> DriverCaller:
    """Return a caller of other plugins on the node of `ctx`: drivers by the names of kind and
    plugin. Each has folders of its own.
    """
    def call(kind: str, name: str, hook: str, /, **arguments: Any) -> Any:
        if (kind, name) not in drivers:
            known = ", ".join(own for of, own in sorted(drivers) if of == kind) or "none"
            raise OpPrereqError(f"Unknown {KINDS[kind].title} '{name}' (there are: {known})",
                                ECODE_INVAL)
        own = replace(ctx, **{
            folder: getattr(ctx, folder).parent / kind / name for folder in ("state", "keep")})
        for folder in (own.state, own.keep):
            folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        calls = Calls.to(KINDS[kind], drivers[kind, name], "direct")
        return getattr(calls.manager.hook, hook)(ctx=own, **arguments)

    return call
