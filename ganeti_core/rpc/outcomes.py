"""What became of recent changing calls, for a master that lost the answer.

The file is written without fsync: after a crash of the host an outcome may be missing, and the
master then asks the plugin (``status``, ``info``) or repeats the call, which is idempotent.
"""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from collections import OrderedDict
from dataclasses import field
from typing import TYPE_CHECKING

from ganeti_core.errors import GanetiError, RpcError
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.rpc.wire import Envelope, failure, is_failure

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

log = logging.getLogger(__name__)

KEPT = 1000
KEPT_SECONDS = 86400.0
LARGEST = 65536
"""Bytes of an outcome that goes to the file; a larger one is kept in memory only."""


@dataclass
class _Running:
    done: threading.Event = field(default_factory=threading.Event)
    envelope: Envelope | None = None


@dataclass
class Outcomes:
    """Remembers outcomes and runs every call id once."""

    file: Path
    clock: Callable[[], float] = time.time
    _finished: OrderedDict[str, tuple[float, Envelope]] = field(default_factory=OrderedDict)
    _running: dict[str, _Running] = field(default_factory=dict)
    _guard: threading.Lock = field(default_factory=threading.Lock)
    _lines: int = 0

    @classmethod
    def in_folder(cls, folder: Path) -> Outcomes:
        """Open the outcomes in `folder`, which is made; damaged lines are passed over."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        outcomes = cls(folder / "outcomes.jsonl")
        outcomes._load()
        return outcomes

    def _load(self) -> None:
        try:
            lines = self.file.read_text().splitlines()
        except FileNotFoundError:
            return
        for line in lines:
            try:
                when, call_id, envelope = json.loads(line)
                self._finished[str(call_id)] = (float(when), dict(envelope))
            except (ValueError, TypeError):
                # The last line of a daemon that was killed may be torn.
                log.warning("a damaged line in %s is passed over", self.file)
        self._forget_old()
        try:
            self._rewrite()
        except OSError as exc:
            # On a full disk the daemon must serve: how else would something be removed there?
            log.error("%s cannot be written anew: %s", self.file, exc)
            self._lines = len(lines)

    def run_once(self, call_id: str, timeout: float, act: Callable[[], Envelope]) -> Envelope:
        """Return the outcome of `call_id`: recorded, awaited (at most `timeout` s) or acted now.

        `act` returns an envelope and must not raise.
        """
        with self._guard:
            if (known := self._finished.get(call_id)) is not None:
                return known[1]
            running = self._running.get(call_id)
            if mine := running is None:
                running = self._running[call_id] = _Running()
        assert running is not None  # noqa: S101  # set above; mypy cannot see it
        if mine:
            return self._act(call_id, running, act)
        if running.done.wait(timeout) and running.envelope is not None:
            return running.envelope
        return failure(RpcError(f"call {call_id} is still running"))

    def _act(self, call_id: str, running: _Running, act: Callable[[], Envelope]) -> Envelope:
        try:
            running.envelope = envelope = act()
            self._remember(call_id, envelope)
        finally:
            with self._guard:
                self._running.pop(call_id, None)
            running.done.set()
        return envelope

    def _remember(self, call_id: str, envelope: Envelope) -> None:
        now = self.clock()
        line = json.dumps([now, call_id, envelope])
        with self._guard:
            self._finished[call_id] = (now, envelope)
            self._forget_old()
            if len(line) > LARGEST:
                return
            try:
                self._append(line)
            except OSError as exc:
                # A full disk must not turn a call that succeeded into a failure.
                log.error("the outcome of call %s is kept in memory only: %s", call_id, exc)

    def _append(self, line: str) -> None:
        if self._lines >= 2 * KEPT:
            self._rewrite()
            return
        descriptor = os.open(self.file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "w") as stream:
            stream.write(line + "\n")
        self._lines += 1

    def _rewrite(self) -> None:
        temporary = self.file.with_suffix(".new")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            with os.fdopen(descriptor, "w") as stream:
                for call_id, (when, envelope) in self._finished.items():
                    line = json.dumps([when, call_id, envelope])
                    if len(line) <= LARGEST:
                        stream.write(line + "\n")
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
        temporary.replace(self.file)
        self._lines = len(self._finished)

    def _forget_old(self) -> None:
        oldest = self.clock() - KEPT_SECONDS
        while self._finished:
            when, _ = next(iter(self._finished.values()))
            if when >= oldest and len(self._finished) <= KEPT:
                return
            self._finished.popitem(last=False)

    def tell(self, call_id: str) -> Envelope:
        """Return ``{"state": unknown | running | done | failed, "answer": envelope}``."""
        with self._guard:
            if call_id in self._running:
                return {"state": "running"}
            known = self._finished.get(call_id)
        if known is None:
            return {"state": "unknown"}
        return {"state": "failed" if is_failure(known[1]) else "done", **_named(known[1])}


def _named(envelope: Envelope) -> Envelope:
    if is_failure(envelope):
        return {"error": envelope}
    return {"result": envelope["ok"]}


def internal_failure(error: Exception) -> Envelope:
    """Wrap an error that nobody foresaw; its traceback is in the node's log."""
    if isinstance(error, GanetiError):
        return failure(error)
    return failure(GanetiError(f"the node daemon failed: {type(error).__name__}: {error}"))
