"""Streams between nodes: over the nodes' TLS, once, by a token.

One side makes an `Offer`: to take a stream, with `Receiver` in a hook that waits for it, or with
`begin_receiver` in a process that outlives the hook; or to give one, with `Giver` or `begin_giver`.
The offer goes to the other node as an argument of a hook, which calls `send` or `receive`. Only
nodes of the cluster are let in, of these only who has the token, and only once. What has not
arrived whole is not kept. All of it runs in the processes of hooks: it never holds up the node
daemon.
"""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING, Any

from .stream_ends import (
    HELLO_SECONDS,
    VERSION,
    Limits,
    Offer,
    Progress,
    Report,
    Sink,
    Source,
    shake,
    silent,
)
from .stream_flow import fill, pour
from .stream_frames import StreamFailed, Wire, codec, compressions
from .stream_kept import begin_giver, begin_receiver, end_giver, end_receiver, receiver_progress
from .stream_listener import Giver, Receiver

if TYPE_CHECKING:
    from .context import HookContext

__all__ = [
    "Giver", "Limits", "Offer", "Progress", "Receiver", "Sink", "Source", "StreamFailed",
    "begin_giver", "begin_receiver", "compressions", "end_giver", "end_receiver", "receive",
    "receiver_progress", "send", "to_job"]

TOLD_SECONDS = 10.0
MIB = 1 << 20


def send(
    ctx: HookContext, offer: Offer, source: Source, *, total: int = 0,
    limits: Limits | None = None, progress: Report | None = None,
) -> int:
    """Send a stream to who made `offer`; returns how many bytes of `source` went.

    It is back when the other side has kept all of it. `ctx.cancelled` ends it.

    :param total: how many bytes there will be, where that is known
    :raises OpPrereqError: this node does not know the compression
    :raises StreamFailed: it was refused, broken off, or stalled
    """
    packing = codec(offer.compression)
    wire, _ = _call(ctx, offer, limits or Limits(), {"total": total})
    with wire.sock:
        return pour(wire, source, packing, ctx.cancelled, (progress or silent, total))


def receive(
    ctx: HookContext, offer: Offer, sink: Sink, *,
    limits: Limits | None = None, progress: Report | None = None,
) -> int:
    """Take the stream that `offer` gives, into `sink`; returns how many bytes came.

    `ctx.cancelled` ends it. A new file is there when all has arrived, and not before; of a function
    the caller must know that what it got is of use only when this is back.

    :raises OpPrereqError: this node does not know the compression
    :raises StreamFailed: it was refused, broken off, or stalled
    """
    packing = codec(offer.compression)
    wire, welcome = _call(ctx, offer, limits or Limits(), {"takes": True})
    total = welcome.get("total")
    with wire.sock:
        return fill(wire, sink, packing, ctx.cancelled,
                    (progress or silent, total if isinstance(total, int) else 0))


def to_job(ctx: HookContext, what: str) -> Report:
    """Report a stream's progress to the owner of the job, every ten seconds.

    :param what: of which stream, such as ``disk/0``
    """
    began = time.monotonic()
    due = began + TOLD_SECONDS

    def report(progress: Progress) -> None:
        nonlocal due
        now = time.monotonic()
        if progress.state != "active" or now < due:
            return
        due = now + TOLD_SECONDS
        speed = progress.transferred / (now - began)
        line = f"{what}: {progress.transferred // MIB} MiB, {speed / MIB:.1f} MiB/s"
        if progress.total:
            left = (progress.total - progress.transferred) / max(speed, 1.0)
            line += f", {100 * progress.transferred // progress.total}%, {left:.0f} s left"
        ctx.feedback(line)

    return report


def _call(
    ctx: HookContext, offer: Offer, limits: Limits, wanted: dict[str, Any]
) -> tuple[Wire, dict[str, Any]]:
    """Connect to who made the offer; returns what it says when it lets this side in."""
    endpoint = ctx.endpoint()
    where = f"{offer.address} port {offer.port}"
    try:
        raw = socket.create_connection(
            (offer.address, offer.port), min(limits.stall, HELLO_SECONDS))
        wire = shake(raw, endpoint.client_context(), limits, server=False)
    except OSError as exc:
        raise StreamFailed(f"{where} takes no stream: {exc}") from exc
    try:
        if not endpoint.admits(wire.sock.getpeercert(binary_form=True) or b""):
            raise StreamFailed(f"{where} shows a certificate of no node of this cluster")
        wire.say({"version": VERSION, "token": offer.token, "compression": offer.compression,
                  "offset": 0, **wanted})
        welcome = wire.hear()
        wire.stall = limits.stall
        return wire, welcome
    except BaseException:
        wire.sock.close()
        raise
