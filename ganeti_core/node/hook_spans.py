"""A span around each hook of a driver: a wrapper, as those of ``ganeti.wrappers``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ganeti_core.plugin_api.kinds import Kind, hookimpl
from ganeti_core.spans import hook_span

if TYPE_CHECKING:
    from collections.abc import Callable, Generator


class HookSpans:
    """The wrapper of one driver; it is there only where spans are wanted at all."""

    def __init__(self, kind: Kind[Any], driver: str) -> None:
        for hook in kind.hooks():
            setattr(self, hook, hookimpl(wrapper=True)(_around(kind.name, driver, hook)))


def _around(kind: str, driver: str, hook: str) -> Callable[[], Generator[None, Any, Any]]:
    def wrapper() -> Generator[None, Any, Any]:
        with hook_span(kind, driver, hook):
            return (yield)

    return wrapper
