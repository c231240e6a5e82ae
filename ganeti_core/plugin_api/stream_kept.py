"""Ends of streams that wait in a process of their own, beside the hooks: of a file, or a device.

Each has a name, which is that of its process (`processes.kept`) and of the file with its state.
"""

from __future__ import annotations

import contextlib
import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ganeti_core.errors import ECODE_NOENT, OpExecError, OpPrereqError

from .processes import begin, end, kept
from .stream_ends import Limits, Offer, Progress
from .stream_frames import codec
from .stream_listener import Giver, Receiver

if TYPE_CHECKING:
    from .context import HookContext

START_SECONDS = 50.0
"""A busy host may need as long for a process; who asked for it waits for a minute."""
Part = Literal["receiver", "giver"]


def begin_receiver(
    ctx: HookContext, name: str, path: Path, *, compression: str = "none",
    limits: Limits | None = None,
) -> Offer:
    """Receive into a new file, or a device, in a process that outlives the hook.

    It ends by itself: with the stream, or when nobody sent within `limits`. An earlier one of the
    same name is ended.

    :raises OpPrereqError: there is no such compression here
    :raises OpExecError: the process did not start
    """
    return _begin(ctx, "receiver", name, {
        "path": str(path), "compression": compression, "limits": asdict(limits or Limits())})


def receiver_progress(ctx: HookContext, name: str) -> Progress:
    """How far the stream is for which `begin_receiver` made the offer."""
    return _progress(ctx, "receiver", name)


def end_receiver(ctx: HookContext, name: str) -> None:
    """End the receiver, whatever it does, and forget it; a stream under way is not kept."""
    _end(ctx, "receiver", name)


def begin_giver(
    ctx: HookContext, name: str, path: Path, *, compression: str = "none",
    limits: Limits | None = None, size: int | None = None,
) -> Offer:
    """Offer a file or device to who calls `receive`, in a process that outlives the hook.

    It ends by itself: with the stream, or when nobody took it within `limits`. An earlier one of
    the same name is ended.

    All of it is given, whatever its size: a device may be larger than its disk, and in use so.

    :param size: how many bytes there are about, for the progress of a device; None: those of a file
    :raises OpPrereqError: there is no such file, or no such compression here
    :raises OpExecError: the process did not start
    """
    if not path.exists():
        raise OpPrereqError(f"there is no {path} to give", ECODE_NOENT)
    return _begin(ctx, "giver", name, {
        "path": str(path), "compression": compression, "limits": asdict(limits or Limits()),
        "size": size})


def end_giver(ctx: HookContext, name: str) -> None:
    """End the giver, whatever it does, and forget it."""
    _end(ctx, "giver", name)


def _begin(ctx: HookContext, part: Part, name: str, wanted: dict[str, Any]) -> Offer:
    codec(wanted["compression"])
    _end(ctx, part, name)
    process, file = f"{part}-{name}", _status_file(ctx, part, name)
    begin(ctx, process, [
        *ctx.endpoint().program, json.dumps(
            {**wanted, "part": part, "name": name, "state": str(ctx.state)})])
    until = time.monotonic() + START_SECONDS
    while True:
        found = _read_status(file)
        if "offer" in found:
            return Offer(**found["offer"])
        if found.get("state") == "failed" or time.monotonic() > until:
            raise OpExecError(
                f"no {part} for {wanted['path']}: {found.get('message') or 'it did not start'} "
                f"(see {ctx.logs / process}.log)")
        time.sleep(0.02)


def _progress(ctx: HookContext, part: Part, name: str) -> Progress:
    found = _read_status(_status_file(ctx, part, name))
    if not found:
        return Progress("none")
    progress = Progress(found["state"], found["transferred"], found["total"], found["message"])
    if progress.state in ("offered", "active") and f"{part}-{name}" not in kept(ctx):
        again = _read_status(_status_file(ctx, part, name))
        if again == found:
            return Progress("failed", progress.transferred, progress.total,
                            f"the {part} was killed")
        return _progress(ctx, part, name)
    return progress


def _end(ctx: HookContext, part: Part, name: str) -> None:
    end(ctx, f"{part}-{name}")
    _status_file(ctx, part, name).unlink(missing_ok=True)


def serve_kept(ctx: HookContext, wanted: dict[str, Any]) -> None:
    """Be the process that `begin_receiver` or `begin_giver` starts."""
    file = _status_file(ctx, wanted["part"], wanted["name"])
    path, limits = Path(wanted["path"]), Limits(**wanted["limits"])
    offer: dict[str, Any] = {}
    last = Progress("offered")

    def report(progress: Progress) -> None:
        nonlocal last
        last = progress
        draft = file.with_name(f"{file.name}.new")
        draft.touch(mode=0o600)
        draft.write_text(json.dumps({**asdict(progress), **offer}))
        draft.replace(file)

    def listener() -> Receiver | Giver:
        if wanted["part"] == "receiver":
            return Receiver(ctx, path, compression=wanted["compression"], limits=limits,
                            progress=report)
        size = wanted.get("size")
        return Giver(ctx, path, total=path.stat().st_size if size is None else size,
                     compression=wanted["compression"], limits=limits, progress=report)

    try:
        with listener() as end_of_stream:
            offer = {"offer": asdict(end_of_stream.offer)}
            end_of_stream.run()
    except Exception as exc:  # noqa: BLE001  # wall: whoever asks for the progress is to see what went wrong
        offer = {}
        report(Progress("failed", last.transferred, last.total, str(exc) or type(exc).__name__))


def _status_file(ctx: HookContext, part: Part, name: str) -> Path:
    return ctx.state / f"{part}-{name}.json"


def _read_status(file: Path) -> dict[str, Any]:
    with contextlib.suppress(OSError, ValueError):
        found = json.loads(file.read_text())
        if isinstance(found, dict):
            return found
    return {}
