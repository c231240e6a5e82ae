"""Drivers that keep their contract as far as a plugin host checks it, and do nothing."""

from __future__ import annotations

from typing import Any

from ganeti_core.plugin_api.data import Description
from ganeti_core.plugin_api.kinds import Kind, hookimpl


def stub(kind: Kind[Any], description: Description) -> object:
    """A driver that keeps its contract as far as the host checks it, and does nothing."""
    hooks: dict[str, Any] = {}
    for name in vars(kind.spec):
        if not name.startswith("_"):
            def hook(self: object) -> None:
                return None

            hook.__name__ = name
            hooks[name] = hookimpl(hook)

    def describe(self: object) -> Description:
        return description

    hooks["describe"] = hookimpl(describe)
    return type("Stub", (), hooks)()
