"""Asks authenticators, one after the other, in processes beside the daemon.

One that hangs is killed at the deadline of its hook, one that crashes is named in the log: both
refuse, and stop neither the daemon nor those that are asked after them.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import threading
import time
from dataclasses import field
from typing import TYPE_CHECKING, Any

from ganeti_core.errors import ConfigurationError, GanetiError, OpExecError, PluginError
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.node import channel
from ganeti_core.operations.helper_process import HelperProcess
from ganeti_core.plugin_api import codec
from ganeti_core.plugin_api.authenticator import AUTHENTICATORS, Identity
from ganeti_core.rpc import wire
from ganeti_core.rpc.calls import hook_answer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from ganeti_core.node.local_node import LocalNode

log = logging.getLogger(__name__)

LOG_FILE = "authenticators.log"
PROGRAM = "ganeti_core.rapi.authenticator_process"
HOOK = "authenticate"
AT_ONCE = 4
"""Questions at the same time, each with a process of its own: slow hashes cost a processor each."""
STARTING_SECONDS = 60.0
SETTINGS_SECONDS = 5.0
"""For so long it counts what settings the cluster had, and which plugins were disabled."""
NOTED_SECONDS = 60.0
"""A trouble is logged once in so long: strangers can have it as often as they like."""
_NAME = re.compile(r"[^\s:#][^\s:]*")


@dataclass
class Authenticators:
    """Asks those of `order`, by name.

    :param settings: asks the master for what hooks get as settings
    :param limit: shortens the hook's deadline, seconds
    """

    order: Sequence[str]
    local: LocalNode
    settings: Callable[[], Awaitable[Mapping[str, Any]]]
    limit: float | None = None
    _known_settings: Mapping[str, Any] = field(default_factory=dict)
    _settings_until: float = 0.0
    _idle: list[HelperProcess] = field(default_factory=list)
    _loads: int = 0
    """How often plugins were to be loaded again: processes of before are not asked any more."""
    _guard: threading.Lock = field(default_factory=threading.Lock)
    _closed: bool = False
    _free: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))
    _noted: dict[str, float] = field(default_factory=dict)

    def check(self) -> None:
        """Start a first process.

        :raises ConfigurationError: one that is to be asked cannot be used
        """
        helper, rows = self._started()
        self._give_back(helper, self._loads)
        for name in self.order:
            if name not in rows:
                known = ", ".join(sorted(rows)) or "none"
                raise ConfigurationError(f"there is no authenticator {name} (there are: {known})")
            if rows[name]:
                raise ConfigurationError(f"the authenticator {name} cannot be used: {rows[name]}")

    async def ask(self, name: str, password: str) -> Identity | None:
        """Who it is, by the first that knows; None where nobody does, or nobody can say."""
        async with self._free:
            settings = await self._current_settings()
            for driver in self.order:
                try:
                    found = await asyncio.to_thread(self._call, driver, name, password, settings)
                except GanetiError as exc:
                    self._note(f"authenticator {driver}: {exc.message}")
                    continue
                if found is not None and not _NAME.fullmatch(found.name):
                    self._note(f"authenticator {driver} returns a name that cannot be a user's")
                elif found is not None:
                    return found
        return None

    async def _current_settings(self) -> Mapping[str, Any]:
        if time.monotonic() > self._settings_until:
            self._settings_until = time.monotonic() + SETTINGS_SECONDS
            try:
                self._known_settings = await self.settings()
            except GanetiError as exc:
                # They seldom change: users are let in while no master runs.
                log.info("the settings of authenticators stay as they were: %s", exc.message)
        return self._known_settings

    def _note(self, trouble: str) -> None:
        now = time.monotonic()
        self._noted = {what: when for what, when in self._noted.items()
                       if now - when < NOTED_SECONDS}
        if trouble not in self._noted:
            self._noted[trouble] = now
            log.error("%s", trouble)

    def _call(
        self, driver: str, name: str, password: str, settings: Mapping[str, Any]
    ) -> Identity | None:
        """:raises GanetiError: it hung, crashed, or said why it cannot tell"""
        helper, loads = self._take()
        title, seconds = f"{AUTHENTICATORS.name} {driver}: {HOOK}", self._seconds
        until = time.monotonic() + seconds
        try:
            sock = helper.sock
            assert sock is not None  # noqa: S101  # it was started
            channel.send(sock, {"driver": driver, "settings": dict(settings), "arguments": {
                "name": codec.encode(name), "password": codec.encode(password)}}, until)
            envelope = channel.receive(sock, until)["answer"]
        except TimeoutError as exc:
            helper.bury()
            raise PluginError.in_hook(
                title, f"it did not end within {seconds:g} s; its process was killed") from exc
        except channel.ChannelClosed as exc:
            raise PluginError.in_hook(title, f"its process died ({helper.bury()})") from exc
        self._give_back(helper, loads)
        found: Identity | None = hook_answer(AUTHENTICATORS, driver, HOOK, wire.unwrap(envelope))
        return found

    @property
    def _seconds(self) -> float:
        seconds = AUTHENTICATORS.hook_where(HOOK).timeout
        return seconds if self.limit is None else min(seconds, self.limit)

    def _take(self) -> tuple[HelperProcess, int]:
        """A process, and of which load of the plugins it is."""
        while True:
            with self._guard:
                helper, loads = self._idle.pop() if self._idle else None, self._loads
            if helper is None:
                return self._started()[0], loads
            if not helper.lost:
                return helper, loads
            log.error("an idle process of authenticators has ended (%d)", helper.bury())

    def _started(self) -> tuple[HelperProcess, dict[str, str]]:
        """A new process; the authenticators that it has found, and why some cannot be used."""
        log_file = self.local.paths.log / LOG_FILE
        helper = HelperProcess(PROGRAM, (json.dumps(self.local.to_dict()), str(log_file)))
        try:
            rows = channel.receive(helper.start(), time.monotonic() + STARTING_SECONDS)["rows"]
        except (OSError, channel.ChannelClosed) as exc:
            raise OpExecError(f"the process of authenticators does not start ({helper.bury()});"
                              f" {log_file} may say why") from exc
        return helper, dict(rows)

    def _give_back(self, helper: HelperProcess, loads: int) -> None:
        with self._guard:
            keep = (not self._closed and loads == self._loads
                    and len(self._idle) < AT_ONCE)
            if keep:
                self._idle.append(helper)
        if not keep:
            helper.bury()

    def forget(self) -> None:
        """Let new processes load the plugins again: there may be others now."""
        self._settings_until = 0.0
        with self._guard:
            self._loads += 1
            idle, self._idle = self._idle, []
        for helper in idle:
            helper.bury()

    def close(self) -> None:
        """End all processes that are idle; the others end with their questions."""
        self._closed = True
        self.forget()
