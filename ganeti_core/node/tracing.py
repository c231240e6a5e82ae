"""What the hooks of a plugin are called with and what they return, while somebody looks.

Nothing is kept of a plugin that nobody asked about in the last `WATCHED` seconds. What is kept is
short, has no secrets, and is bounded in number: the oldest calls go first.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections import deque
from dataclasses import field
from typing import TYPE_CHECKING, Any

from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.rpc.wire import is_failure

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ganeti_core.node.hooks import HookRequest

WATCHED = 30.0
MOST_CALLS = 500
MOST_PLUGINS = 32
LONGEST = 1000
"""Characters of the arguments or of the result of one call."""
_TEXT, _ITEMS = 80, 8
MASK = "***"
_SECRET = re.compile(r"secret|passw|passphrase|token|private|credential|(^|_)key$", re.IGNORECASE)
_PARAMETERS_OF_OS = ("osparams", "params")
"""Values of OS parameters may be secret whatever they are called."""


def masked(value: Any, *, hides: bool = False) -> Any:
    """A shorter value without secrets.

    :param hides: whether every value below is hidden
    """
    if isinstance(value, dict):
        shown = {key: masked(item, hides=hides or bool(_SECRET.search(key)) or key == "osparams")
                 for key, item in list(value.items())[:4 * _ITEMS]}
        return shown | ({"...": len(value)} if len(value) > 4 * _ITEMS else {})
    if isinstance(value, list):
        return [masked(item, hides=hides) for item in value[:_ITEMS]] + (
            [f"... {len(value)} items"] if len(value) > _ITEMS else [])
    if hides and value not in (None, "", {}):
        return MASK
    if isinstance(value, str) and len(value) > _TEXT:
        return f"{value[:_TEXT]}... {len(value)} characters"
    return value


def _text(value: Any) -> str:
    text = json.dumps(masked(value), default=str)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


@dataclass
class Traces:
    """The last calls of the plugins that are watched."""

    _until: dict[str, float] = field(default_factory=dict)
    _calls: deque[tuple[int, str, dict[str, Any]]] = field(
        default_factory=lambda: deque(maxlen=MOST_CALLS))
    _serial: int = 0
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def watch(self, plugin: str, after: int) -> dict[str, Any]:
        """Watch a plugin (``KIND NAME``) for a while; return its calls since the serial `after`.

        :returns: ``serial``: the last one, to ask with next time; ``calls``: oldest first
        """
        now = time.monotonic()
        with self._guard:
            self._until = {name: until for name, until in self._until.items() if until > now}
            if plugin in self._until or len(self._until) < MOST_PLUGINS:
                self._until[plugin] = now + WATCHED
            calls = [call for serial, name, call in self._calls
                     if name == plugin and serial > after]
            return {"serial": self._serial, "calls": calls}

    def since(self, plugin: str, after: int | None) -> dict[str, Any]:
        """As `watch`; None begins: there are no calls yet."""
        found = self.watch(plugin, after or 0)
        return found if after is not None else {**found, "calls": []}

    def watches(self, plugin: str) -> bool:
        """Whether somebody watches the plugin (``KIND NAME``) now."""
        return self._until.get(plugin, 0.0) >= time.monotonic()

    def note(self, request: HookRequest, seconds: float, envelope: Mapping[str, Any]) -> None:
        """Keep one call, if somebody watches its plugin."""
        if not self.watches(request.plugin):
            return
        arguments = request.arguments
        if request.kind == "os":
            arguments = {key: masked(value, hides=key in _PARAMETERS_OF_OS)
                         for key, value in arguments.items()}
        failed = is_failure(envelope)
        call = {"time": time.time(), "hook": request.hook, "seconds": seconds, "failed": failed,
                "arguments": _text(arguments),
                "result": _text(envelope.get("error" if failed else "ok"))}
        with self._guard:
            self._serial += 1
            self._calls.append((self._serial, request.plugin, call))
