"""The end of a stream that waits: it offers to take one, or to give one, to who has a token."""

from __future__ import annotations

import contextlib
import hmac
import secrets
import socket
import threading
import time
from typing import TYPE_CHECKING, Any, Self

from .stream_ends import VERSION, Limits, Offer, Progress, Report, Sink, Source, shake, silent
from .stream_flow import fill, pour
from .stream_frames import StreamFailed, Wire, codec

if TYPE_CHECKING:
    from .context import HookContext

CALLERS = 16
"""Connections that may be shaking hands at one time."""
LOOK_SECONDS = 0.05


class _Listener:
    """Waits for one caller; a context manager that closes the door.

    :param progress: is called now and then, and at the end
    :raises OpPrereqError: there is no such compression here
    """

    gives = False
    """Whether the caller gets the stream, instead of sending it."""

    def __init__(
        self, ctx: HookContext, *, compression: str = "none", limits: Limits | None = None,
        progress: Report | None = None,
    ) -> None:
        self._codec = codec(compression)
        self._endpoint = ctx.endpoint()
        self._cancelled = ctx.cancelled
        self._limits = limits or Limits()
        self._progress = progress or silent
        self._until = time.monotonic() + self._limits.offered
        self._admitted: list[tuple[Wire, dict[str, Any]]] = []
        self._claimed = False
        self._guard = threading.Lock()
        self._callers = threading.BoundedSemaphore(CALLERS)
        address = self._endpoint.address
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._listener = socket.create_server((address, 0), family=family)
        self.offer = Offer(address, self._listener.getsockname()[1],
                           secrets.token_urlsafe(32), compression)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._listener.close()

    def run(self) -> int:
        """Wait for the caller, then carry the stream; returns its bytes.

        :raises StreamFailed: nobody came in time, or it did not arrive whole: nothing is kept
        """
        self._progress(Progress("offered"))
        wire, header = self._await()
        with wire.sock:
            return self._carry(wire, header)

    def _carry(self, wire: Wire, header: dict[str, Any]) -> int:
        raise NotImplementedError

    def _welcome(self) -> dict[str, Any]:
        """What the caller gets to know once it is let in."""
        return {"go": True}

    def _await(self) -> tuple[Wire, dict[str, Any]]:
        """Let callers in until one has the token, and then nobody else."""
        self._listener.settimeout(LOOK_SECONDS)
        with self._listener:
            while not self._admitted:
                if self._cancelled():
                    raise StreamFailed("it was cancelled")
                if time.monotonic() > self._until:
                    who = "took" if self.gives else "sent"
                    raise StreamFailed(f"nobody {who} in {self._limits.offered:g} seconds")
                with contextlib.suppress(TimeoutError):
                    self._let_in(self._listener.accept()[0])
        return self._admitted[0]

    def _let_in(self, raw: socket.socket) -> None:
        # In a thread: a silent caller does not keep out who has the token.
        if not self._callers.acquire(blocking=False):
            raw.close()
            return
        threading.Thread(target=self._admit, args=(raw,), daemon=True).start()

    def _admit(self, raw: socket.socket) -> None:
        try:
            wire = shake(raw, self._endpoint.server_context(), self._limits, server=True)
        except OSError:
            self._callers.release()
            return
        let_in = claimed = False
        try:
            if not self._endpoint.admits(wire.sock.getpeercert(binary_form=True) or b""):
                wire.say({"error": "the certificate is of no node of this cluster"})
                return
            header = wire.hear()
            if problem := self._problem(header):
                wire.say({"error": problem})
                return
            claimed = True
            wire.say(self._welcome())
            wire.stall = self._limits.stall
            # Only now: until here this thread uses the connection.
            self._admitted.append((wire, header))
            let_in = True
        except (OSError, StreamFailed):
            # Another caller may have the token by now: only who had it gives it back.
            if claimed:
                with self._guard:
                    self._claimed = False
        finally:
            if not let_in:
                wire.sock.close()
            self._callers.release()

    def _problem(self, header: dict[str, Any]) -> str:
        """Why a caller is refused; empty for the one that is let in."""
        token = str(header.get("token", ""))
        if not hmac.compare_digest(token.encode(), self.offer.token.encode()):
            return "the token is not the one of this offer"
        if header.get("version") != VERSION:
            return f"version {header.get('version')!r} of the protocol, {VERSION} is spoken here"
        if bool(header.get("takes")) != self.gives:
            return f"this offer is to {'give' if self.gives else 'take'} a stream"
        if header.get("offset"):
            return "a stream that was broken off cannot be resumed: begin it again"
        if header.get("compression") != self.offer.compression:
            return (f"compression {header.get('compression')!r}, this offer is of "
                    f"{self.offer.compression!r}")
        with self._guard:
            if self._claimed:
                return "the token of this offer was used"
            self._claimed = True
        return ""


class Receiver(_Listener):
    """Offers to take one stream, into `sink`; a context manager that closes the door.

    :param progress: is called now and then, and at the end
    :raises OpPrereqError: there is no such compression here
    """

    def __init__(
        self, ctx: HookContext, sink: Sink, *, compression: str = "none",
        limits: Limits | None = None, progress: Report | None = None,
    ) -> None:
        super().__init__(ctx, compression=compression, limits=limits, progress=progress)
        self._sink = sink

    def _carry(self, wire: Wire, header: dict[str, Any]) -> int:
        total = header.get("total")
        known = total if isinstance(total, int) else 0
        return fill(wire, self._sink, self._codec, self._cancelled, (self._progress, known))


class Giver(_Listener):
    """Offers to give `source`, once; a context manager that closes the door.

    :param total: how many bytes there will be, where that is known
    :param progress: is called now and then, and at the end
    :raises OpPrereqError: there is no such compression here
    """

    gives = True

    def __init__(  # those of a receiver, and how much there is
        self, ctx: HookContext, source: Source, *, total: int = 0, compression: str = "none",
        limits: Limits | None = None, progress: Report | None = None,
    ) -> None:
        super().__init__(ctx, compression=compression, limits=limits, progress=progress)
        self._source = source
        self._total = total

    def _welcome(self) -> dict[str, Any]:
        return {"go": True, "total": self._total}

    def _carry(self, wire: Wire, header: dict[str, Any]) -> int:
        del header
        return pour(wire, self._source, self._codec, self._cancelled,
                    (self._progress, self._total))
