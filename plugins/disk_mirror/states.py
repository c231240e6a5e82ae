"""How a disk is, as its node can know it: from the note of its copy, and from its keeper."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from ganeti_core.plugin_api.data import DiskStatus

if TYPE_CHECKING:
    from collections.abc import Collection

    from .notes import Note
    from .side import Side

Local = Literal["ok", "sync", "stale"]


def shown(side: Side, note: Note, running: Collection[str]) -> DiskStatus:
    """Return the status of a disk that is there.

    :param running: the names of the processes of this driver on the node
    """
    role, size = side.store.role(), side.size
    if role is None:
        return DiskStatus(True, size=size, local=_of_copy(side, note), reason=_missing(side, note))
    state = side.live()
    is_linked = state.get("state") == "linked"
    percent = state.get("percent") if state.get("state") == "filling" else None
    reason = "" if is_linked else str(state.get("reason") or "")
    if not state and side.peer is not None:
        reason = ("its keeper does not run, so writes may wait: run gnt-instance activate-disks "
                  f"{side.disk.instance}")
    if state.get("state") in ("frozen", "held"):
        reason = f"writes wait until the master knows that the other copy is left behind: {reason}"
    if role == "primary" and side.store.is_out_of_reach():
        return DiskStatus(
            True, str(side.places.device), size, is_open=True, degraded=True, local="faulty",
            reason="the process that makes it a file was killed, and who used it then gets errors"
            f" until he opens it anew: run gnt-instance reboot {side.disk.instance}")
    if role == "primary":
        return DiskStatus(
            True, str(side.places.device), size, is_open=side.store.front in running,
            degraded=side.peer is not None and not is_linked, reason=reason or _filling(percent),
            local="stale" if side.is_marked and not is_linked else "ok", sync_percent=percent)
    local: Local = "ok" if is_linked else "sync" if percent is not None else _of_copy(side, note)
    return DiskStatus(
        True, size=size, is_open=True, degraded=not is_linked, local=local, sync_percent=percent,
        reason="; ".join(filter(None, (reason, _missing(side, note) if local == "stale" else ""))))


def _of_copy(side: Side, note: Note) -> Local:
    return "ok" if note.whole and not side.is_marked else "stale"


def _filling(percent: float | None) -> str:
    return "" if percent is None else "the copy on the other node is being filled"


def _missing(side: Side, note: Note) -> str:
    if not note.generation:
        return "nothing was ever copied to it"
    if not note.whole:
        return "its filling has not ended"
    return "the other copy was written to while this one could not follow" if (
        side.is_marked) else ""
