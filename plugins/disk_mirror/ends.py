"""Connections between the keepers of a disk's two nodes: members, who know the disk's secret."""

from __future__ import annotations

import hmac
import socket
import ssl
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ganeti_core.plugin_api.stream_ends import Limits, shake
from ganeti_core.plugin_api.stream_frames import StreamFailed, Wire

from .pump import Watch, pump

if TYPE_CHECKING:
    from collections.abc import Callable

    from ganeti_core.plugin_api import HookContext

STALL = 10.0
"""Seconds without a reply after which the other node is lost."""
DIAL_SECONDS = 5.0
LIMITS = Limits(stall=STALL, all=10 * 365 * 24 * 3600.0)


def dial(
    ctx: HookContext, order: dict[str, Any], kind: str, limits: Limits = LIMITS, **more: Any
) -> tuple[Wire, Any]:
    """Connect to the keeper on the other node; returns what it replies.

    :param order: what this keeper is to do
    :param kind: ``control``, ``copy`` to write to the other copy, ``guest`` to use the disk there
    :raises StreamFailed: it refuses; or nobody is there
    """
    address, port = order["peer"]["address"], order["port"]
    endpoint = ctx.endpoint()
    try:
        raw = socket.create_connection((address, port), min(DIAL_SECONDS, limits.stall))
        wire = shake(raw, endpoint.client_context(), limits, server=False)
    except OSError as exc:
        raise StreamFailed(f"{order['peer']['name']} cannot be reached ({address} port {port}):"
                           f" {exc}") from exc
    try:
        if not endpoint.admits(wire.sock.getpeercert(binary_form=True) or b""):
            raise StreamFailed(f"{address} port {port} shows a certificate of no node of this "
                               "cluster")
        wire.say({"disk": order["disk"], "secret": order["secret"], "kind": kind, **more})
        return wire, wire.hear()
    except BaseException:
        wire.sock.close()
        raise


def accept(
    ctx: HookContext, order: dict[str, Any], raw: socket.socket
) -> tuple[Wire, dict[str, Any]]:
    """Let a caller in; returns what it says: its `kind`, what it wants, and more.

    :raises StreamFailed: it is nobody who may come in
    """
    endpoint = ctx.endpoint()
    try:
        wire = shake(raw, endpoint.server_context(), LIMITS, server=True)
    except OSError as exc:
        raise StreamFailed(str(exc)) from exc
    try:
        if not endpoint.admits(wire.sock.getpeercert(binary_form=True) or b""):
            raise StreamFailed("the certificate is of no node of this cluster")
        said = wire.hear()
        if said.get("disk") != order["disk"] or not hmac.compare_digest(
                str(said.get("secret")).encode(), str(order["secret"]).encode()):
            raise StreamFailed("this is the port of another disk, or the secret is another one")
        return wire, said
    except BaseException as exc:
        with suppress(OSError, StreamFailed):
            wire.say({"error": str(exc)})
        wire.sock.close()
        raise


@dataclass
class Carrier:
    """Carries bytes for several connections, each in a thread; `cut` ends all of them."""

    _socks: set[socket.socket] = field(default_factory=set)
    _carried: int = 0
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _closed: bool = False

    def carry(self, wire: Wire, local: socket.socket, watch: Watch | None = None,
              ended: Callable[[], None] = lambda: None) -> None:
        """Carry until one end closes; back when the local one has taken all, and hung up.

        :param watch: as of `pump`; what it raises as an error of its own is raised here
        :param ended: called when an end has closed; the local one may hang up much later
        """
        with self._changed:
            if self._closed:
                wire.sock.close()
                local.close()
                return
            self._socks |= {wire.sock, local}
            self._carried += 1
        try:
            try:
                with suppress(BrokenPipeError, ConnectionError, ssl.SSLError, ValueError):
                    pump(wire.sock, local, watch)
            finally:
                wire.sock.close()
                ended()
                _finish(local)
        finally:
            with self._changed:
                self._socks -= {wire.sock, local}
                self._carried -= 1
                self._changed.notify_all()

    def cut(self) -> None:
        """End all that is carried, and carry nothing more."""
        with self._changed:
            self._closed = True
            for sock in self._socks:
                with suppress(OSError):
                    # Not that of the TLS socket: from then on it would write in the clear. The
                    # local end is to read what it was sent.
                    socket.socket.shutdown(sock, socket.SHUT_RDWR if isinstance(
                        sock, ssl.SSLSocket) else socket.SHUT_WR)

    def drain(self) -> None:
        """Wait until nothing is carried any more."""
        with self._changed:
            self._changed.wait_for(lambda: not self._carried)


def _finish(local: socket.socket) -> None:
    """Wait until who was written to has done all of it, and hung up."""
    with suppress(OSError), local:
        local.settimeout(None)
        local.shutdown(socket.SHUT_WR)
        while local.recv(1 << 16):
            pass
