"""What is known while settings of a cluster are checked: of one that runs, or of one being made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.errors import GanetiError
    from ganeti_core.model import Node
    from ganeti_core.plugin_api.kinds import Kind
    from ganeti_core.plugins import PluginHost
    from ganeti_core.rpc.calls import Call


class SettingsContext(Protocol):
    """The part of an operation's context that checks of settings use."""

    @property
    def snapshot(self) -> Snapshot: ...

    @property
    def host(self) -> PluginHost: ...

    @property
    def settings(self) -> dict[str, Any]: ...

    def info(self, message: str) -> None: ...

    def warn(self, message: str) -> None: ...

    def hook(
        self, node: Node, kind: Kind[Any], driver: str, hook: str, /, *, subject: str = "",
        **arguments: Any,
    ) -> Any: ...

    def hook_call(
        self, kind: Kind[Any], driver: str, hook: str, /, *, subject: str = "", **arguments: Any
    ) -> Call: ...

    def fan_out(
        self, nodes: Iterable[Node], make: Callable[[Node], Call]
    ) -> Mapping[str, Any | GanetiError]: ...
