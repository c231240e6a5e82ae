"""The guest agent: a program inside the guest that is asked over a line of its own.

Nobody knows whether it is there but by asking: each talk begins with a question that any agent
returns at once.
"""

from __future__ import annotations

import json
import secrets
import socket
import time
from contextlib import suppress
from dataclasses import replace
from typing import Any

from ganeti_core.plugin_api import HypervisorError, unix_sockets

from .guests import Guest

PRESENCE_LIMIT, LIMIT = 1.0, 10.0
"""Seconds until an agent must have said that it is there, and for what it is asked to do."""
LARGEST = 1 << 20


class AgentSilent(HypervisorError):
    """There is no agent, or it does not do what it is asked for."""


def is_used(guest: Guest) -> bool:
    """Whether the guest was started with a line to its agent."""
    runtime = guest.load()
    return bool(runtime and runtime.spec.hvparams.get("use_guest_agent"))


def shut_down(guest: Guest) -> bool:
    """Ask the agent to shut the guest down; False where there is none that can."""
    try:
        with _Line(guest) as line:
            line.send("guest-shutdown", {"mode": "powerdown"})  # it says nothing to that
    except AgentSilent:
        return False
    return True


def freeze(guest: Guest) -> int:
    """Let the guest write out what it has, and hold its file systems; return how many.

    :raises AgentSilent: there is no agent, or it cannot; nothing is held
    """
    with _Line(guest) as line:
        try:
            return int(line.ask("guest-fsfreeze-freeze"))
        except AgentSilent:
            with suppress(AgentSilent):
                line.ask("guest-fsfreeze-thaw")
            raise


def thaw(guest: Guest) -> None:
    """Let the guest write again; harmless where nothing is held.

    :raises AgentSilent: the agent does not answer
    """
    with _Line(guest) as line:
        line.ask("guest-fsfreeze-thaw")


def quiet(guest: Guest) -> None:
    """Hold the guest's file systems, and remember that.

    :raises HypervisorError: it does not run, or its agent cannot; nothing is held
    """
    runtime = guest.load()
    if guest.pid() is None or runtime is None:
        raise HypervisorError(f"instance {guest.name} does not run on this node")
    if not is_used(guest):
        raise HypervisorError(f"{guest.name} has no guest agent that could hold its file systems "
                              "(use_guest_agent)")
    if runtime.is_quiet:
        return
    guest.save(replace(runtime, is_quiet=True))  # first: what is not noted is never let go
    try:
        freeze(guest)
    except HypervisorError:
        guest.save(runtime)
        raise


def resume_writes(guest: Guest) -> None:
    """Let go what `quiet` holds, if it does.

    :raises AgentSilent: it is still held
    """
    runtime = guest.load()
    if guest.pid() is None or runtime is None or not runtime.is_quiet:
        return
    thaw(guest)
    guest.save(replace(runtime, is_quiet=False))


class _Line:
    """A talk with an agent that is there; a context manager."""

    def __init__(self, guest: Guest) -> None:
        self._name = guest.name
        try:
            self._socket: socket.socket = unix_sockets.connect(guest.agent_socket, PRESENCE_LIMIT)
        except OSError as exc:
            raise AgentSilent(f"{guest.name} has no line to a guest agent: {exc.strerror}") from exc
        self._buffer = b""

    def __enter__(self) -> _Line:
        try:
            number = secrets.randbelow(1 << 31)
            # What an earlier talk left in the agent is ended by a byte that is no JSON.
            self._socket.sendall(b"\xff")
            self.send("guest-sync", {"id": number})
            deadline = time.monotonic() + PRESENCE_LIMIT
            while self._read(deadline).get("return") != number:
                pass
        except OSError as exc:
            self._socket.close()
            raise AgentSilent(f"the guest agent of {self._name} hung up: {exc}") from exc
        except BaseException:
            self._socket.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, command: str, arguments: dict[str, Any] | None = None) -> None:
        message = {"execute": command, **({"arguments": arguments} if arguments else {})}
        try:
            self._socket.sendall(json.dumps(message).encode() + b"\n")
        except OSError as exc:
            raise AgentSilent(f"the guest agent of {self._name} hung up: {exc}") from exc

    def ask(self, command: str) -> Any:
        """:raises AgentSilent: it refuses, or says nothing in time"""
        self.send(command)
        found = self._read(time.monotonic() + LIMIT)
        if "error" in found:
            raise AgentSilent(f"the guest agent of {self._name} refused {command}: "
                              f"{found['error'].get('desc')}")
        return found.get("return")

    def _read(self, deadline: float) -> dict[str, Any]:
        while b"\n" not in self._buffer:
            left = deadline - time.monotonic()
            if left <= 0 or len(self._buffer) > LARGEST:
                raise AgentSilent(f"the guest agent of {self._name} does not answer")
            self._socket.settimeout(left)
            try:
                chunk = self._socket.recv(65536)
            except TimeoutError:
                continue
            if not chunk:
                raise AgentSilent(f"the guest agent of {self._name} hung up")
            self._buffer += chunk
        line, self._buffer = self._buffer.split(b"\n", 1)
        try:
            message = json.loads(line.lstrip(b"\xff"))
        except ValueError:
            return {}
        return message if isinstance(message, dict) else {}
