"""Where a hook runs: the node, its files, and the plugin host of this process."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from ganeti_core.errors import ECODE_STATE, OpPrereqError
from ganeti_core.paths import Paths
from ganeti_core.plugin_api.all_kinds import KINDS
from ganeti_core.plugin_api.context import HookContext
from ganeti_core.plugins import DISABLED, PluginHost
from ganeti_core.rpc.identity import NodeIdentity

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ganeti_core.plugin_api.data import Description
    from ganeti_core.plugin_api.kinds import Kind


SOURCE_SECONDS = 1.0


@dataclass(frozen=True)
class Place:
    """The node and its file tree: data, so that it can be told to another process."""

    identity: NodeIdentity
    paths: Paths

    def to_dict(self) -> dict[str, Any]:
        return {"identity": asdict(self.identity), "root": str(self.paths.root)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        return cls(NodeIdentity(**data["identity"]), Paths(Path(data["root"])))


@dataclass(frozen=True)
class Asked:
    """How a hook reaches who asked for it: tell something, ask whether to stop."""

    feedback: Callable[[str], None] = lambda _: None
    cancelled: Callable[[], bool] = lambda: False


UNHEARD = Asked()


def load_node_host() -> PluginHost:
    """Load the plugins of every kind that has hooks for nodes."""
    host = PluginHost()
    host.load([kind for kind in KINDS.values() if _runs_on_nodes(kind)])
    return host


def _runs_on_nodes(kind: Kind[Any]) -> bool:
    return any(kind.hook_where(hook).place == "node" for hook in kind.hooks())


@dataclass(frozen=True)
class World:
    """What is needed to call a hook in this process."""

    place: Place
    host: PluginHost
    _guard: threading.Lock = field(default_factory=threading.Lock)
    _settled: set[tuple[str, str]] = field(default_factory=set)
    """Plugins whose private folders were made: a hook call need not look again."""
    _asked: deque[tuple[float, dict[str, Any]]] = field(default_factory=lambda: deque(maxlen=1))

    def hooks(self, kind: Kind[Any], driver: str, settings: Mapping[str, Any]) -> Any:
        """The hook caller of a driver; sources are asked again for one that is not known.

        :raises OpPrereqError: this node has no such driver, or the cluster has disabled it
        """
        if f"{kind.name}:{driver}" in settings.get("disabled_plugins", ()):
            raise OpPrereqError(
                f"The {kind.title} '{driver}' cannot be used: {DISABLED}", ECODE_STATE)
        with self._guard:
            if not self.host.has(kind, driver) or self.host.is_from_source(kind, driver):
                self._refresh(settings, SOURCE_SECONDS)
            return self.host.driver(kind, driver)

    def refresh(self, settings: Mapping[str, Any]) -> None:
        """Look again for drivers that sources list."""
        with self._guard:
            self._refresh(settings, 0.0)

    def _refresh(self, settings: Mapping[str, Any], age: float) -> None:
        """Ask the sources, unless they were asked the same less than `age` seconds ago."""
        asked = (time.monotonic(), dict(settings))
        if self._asked and self._asked[-1][0] > asked[0] - age and self._asked[-1][1] == asked[1]:
            return
        self.host.refresh_sources(self.place.paths.root, settings)
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
        paths = self.place.paths
        state = paths.plugin_state / kind / driver
        keep = paths.data / "plugins" / kind / driver
        logs = paths.os_logs if kind == "os" else paths.log / _log_folder(kind, driver)
        if (kind, driver) not in self._settled:
            for folder in (state, keep, logs):
                folder.mkdir(mode=0o750, parents=True, exist_ok=True)
            self._settled.add((kind, driver))
        return HookContext(
            node=self.place.identity.name, root=paths.root, state=state, keep=keep, logs=logs,
            log=logging.getLogger(f"plugin.{kind}.{driver}"),
            config={"address": self.place.identity.address, **settings},
            feedback=asked.feedback, cancelled=asked.cancelled,
            driver=self._neighbour(settings, asked))

    def _neighbour(self, settings: Mapping[str, Any], asked: Asked) -> Callable[..., Any]:
        def call(kind_name: str, driver: str, hook: str, /, **arguments: Any) -> Any:
            if (kind := KINDS.get(kind_name)) is None:
                raise LookupError(f"there is no kind {kind_name}")
            function = getattr(self.hooks(kind, driver, settings), hook)
            ctx = self.context(kind_name, driver, settings, asked)
            return function(ctx=ctx, **arguments)

        return call


def _log_folder(kind: str, driver: str) -> str:
    # As the peer has them: one folder per hypervisor, one for all external storage.
    return driver if kind == "hypervisors" else kind


def find_kind(name: str) -> Kind[Any]:
    """:raises OpPrereqError: this version knows no such kind"""
    try:
        return KINDS[name]
    except KeyError:
        raise OpPrereqError(f"this node knows no plugins of the kind {name}", "wrong_input"
                            ) from None
