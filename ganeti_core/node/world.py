"""Where a hook runs: the node, its files, and the plugin host of this process."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from dataclasses import field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ganeti_core.errors import ECODE_STATE, OpPrereqError
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.node.cards import Cards
from ganeti_core.node.hook_spans import HookSpans
from ganeti_core.node.receiving import stream_endpoint
from ganeti_core.plugin_api.all_kinds import KINDS
from ganeti_core.plugin_api.context import HookContext, MasterQuery, no_master
from ganeti_core.plugin_registry import DISABLED
from ganeti_core.plugins import PluginHost
from ganeti_core.span_exporters import SpanExporters

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from ganeti_core.node.local_node import LocalNode
    from ganeti_core.paths import Paths
    from ganeti_core.plugin_api.data import Description
    from ganeti_core.plugin_api.kinds import Kind


SOURCE_SECONDS = 1.0
UNKNOWN_SECONDS = 0.1
"""A driver that is not known may have come since, and the daemon, which looks by itself, has said
that it is here. Many unknown ones in one round trip are still looked for only once."""
Asking = tuple[float, dict[str, Any]]


@dataclass(frozen=True)
class Asked:
    """How a hook reaches who asked for it: report a line, ask whether to stop, ask the master."""

    feedback: Callable[[str], None] = lambda _: None
    cancelled: Callable[[], bool] = lambda: False
    query: MasterQuery = no_master


UNHEARD = Asked()


def load_node_host() -> PluginHost:
    """Load the plugins of every kind that has hooks for nodes."""
    host = PluginHost(wrap_each=HookSpans if SpanExporters.find() else None)
    host.load([kind for kind in KINDS.values() if _runs_on_nodes(kind)])
    return host


def _runs_on_nodes(kind: Kind[Any]) -> bool:
    return any(kind.hook_where(hook).place == "node" for hook in kind.hooks())


@dataclass(frozen=True)
class World:
    """What is needed to call a hook in this process."""

    local: LocalNode
    host: PluginHost
    _guard: threading.Lock = field(default_factory=threading.Lock)
    _settled: dict[tuple[str, str], tuple[Path, Path, Path]] = field(default_factory=dict)
    """The private folders of plugins, once they were made: a hook call need not look again."""
    _asked: deque[Asking] = field(default_factory=lambda: deque(maxlen=1))
    """When the sources were asked last, and with which settings."""
    _sought: deque[Asking] = field(default_factory=lambda: deque(maxlen=1))
    """The same of the last time that it was for a driver which was not known."""

    def hooks(self, kind: Kind[Any], driver: str, settings: Mapping[str, Any]) -> Any:
        """The hook caller of a driver; sources are asked again for one that is not known.

        :raises OpPrereqError: this node has no such driver, or the cluster has disabled it
        """
        if f"{kind.name}:{driver}" in settings.get("disabled_plugins", ()):
            raise OpPrereqError(
                f"The {kind.title} '{driver}' cannot be used: {DISABLED}", ECODE_STATE)
        with self._guard:
            if not self.host.has(kind, driver):
                # What was asked for other reasons a moment ago may have missed what is new now.
                self._refresh(settings, UNKNOWN_SECONDS, self._sought)
            elif self.host.is_from_source(kind, driver):
                self._refresh(settings, SOURCE_SECONDS)
            try:
                return self.host.driver(kind, driver)
            except OpPrereqError as exc:
                name = self.local.identity.name
                raise OpPrereqError(f"Node '{name}': {exc.message}", exc.ecode) from exc

    def refresh(self, settings: Mapping[str, Any]) -> None:
        """Look again for drivers that sources list."""
        with self._guard:
            self._refresh(settings, 0.0)

    def reload(self, settings: Mapping[str, Any]) -> bool:
        """Look again for all drivers, those of distributions too; tells whether any of those have
        changed, so that processes that hold plugins are to be replaced."""
        with self._guard:
            changed = self.host.refresh_distributions()
            self._refresh(settings, 0.0)
        return changed

    def _refresh(
        self, settings: Mapping[str, Any], age: float, last: deque[Asking] | None = None
    ) -> None:
        """Ask the sources, unless they were asked the same less than `age` seconds ago.

        :param last: the asking that counts; without it the last one
        """
        last = self._asked if last is None else last
        asked = (time.monotonic(), dict(settings))
        if last and last[-1][0] > asked[0] - age and last[-1][1] == asked[1]:
            return
        self.host.refresh_sources(self.local.paths.root, settings)
        last.append(asked)
        self._asked.append(asked)

    def drivers(self) -> list[tuple[Kind[Any], str, Description]]:
        """Every usable driver."""
        with self._guard:
            return [(kind, name, self.host.describe(kind, name))
                    for kind in KINDS.values() for name in self.host.names(kind)]

    def context(
        self, kind: str, driver: str, settings: Mapping[str, Any], asked: Asked = UNHEARD
    ) -> HookContext:
        """Make what a hook gets as `ctx`; its private folders exist."""
        if (folders := self._settled.get((kind, driver))) is None:
            folders = self._settled[kind, driver] = _make_folders(self.local.paths, kind, driver)
        state, keep, logs = folders
        return HookContext(
            node=self.local.identity.name, root=self.local.paths.root, state=state, keep=keep,
            logs=logs,
            log=logging.getLogger(f"plugin.{kind}.{driver}"),
            config={"address": self.local.identity.address, **settings},
            feedback=asked.feedback, cancelled=asked.cancelled, query=asked.query,
            endpoint=lambda: stream_endpoint(self.local),
            driver=self._neighbour(settings, asked))

    @cached_property
    def cards_folder(self) -> Path:
        """Where the cards are noted that are attached on this node."""
        return self.local.paths.run / "cards"

    def hook(
        self, kind: Kind[Any], driver: str, hook: str, settings: Mapping[str, Any], asked: Asked
    ) -> Callable[..., Any]:
        """Return a hook for the daemon itself; cards pass through their notes, see `Cards`.

        :raises OpPrereqError: this node has no such driver, or the cluster has disabled it
        """
        plain = getattr(self.hooks(kind, driver, settings), hook)
        return self._cards(settings, asked).wrapped(
            kind.name, driver, hook, outside=True) or plain

    def _cards(self, settings: Mapping[str, Any], asked: Asked) -> Cards:
        return Cards(self.cards_folder, self._neighbour(settings, asked, plain=True))

    def _neighbour(
        self, settings: Mapping[str, Any], asked: Asked, *, plain: bool = False
    ) -> Callable[..., Any]:
        def call(kind_name: str, driver: str, hook: str, /, **arguments: Any) -> Any:
            if (kind := KINDS.get(kind_name)) is None:
                raise LookupError(f"there is no kind {kind_name}")
            function = getattr(self.hooks(kind, driver, settings), hook)
            if not plain:
                function = self._cards(settings, asked).wrapped(
                    kind_name, driver, hook, outside=False) or function
            ctx = self.context(kind_name, driver, settings, asked)
            return function(ctx=ctx, **arguments)

        return call


def _make_folders(paths: Paths, kind: str, driver: str) -> tuple[Path, Path, Path]:
    """What is a plugin's own on this node: its state, what it keeps, its logs."""
    logs = paths.os_logs if kind == "os" else paths.log / _log_folder(kind, driver)
    folders = paths.plugin_state / kind / driver, paths.plugin_keep(kind, driver), logs
    for folder in folders:
        folder.mkdir(mode=0o750, parents=True, exist_ok=True)
    return folders


def _log_folder(kind: str, driver: str) -> str:
    # As Ganeti has them: one folder per hypervisor, one for all external storage.
    return driver if kind == "hypervisors" else kind


def find_kind(name: str) -> Kind[Any]:
    """:raises OpPrereqError: this version knows no such kind"""
    try:
        return KINDS[name]
    except KeyError:
        raise OpPrereqError(f"this node knows no plugins of the kind {name}", "wrong_input"
                            ) from None
