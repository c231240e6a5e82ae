"""A disk becomes larger: on each node its device, then the disk, while who uses it waits.

A storage daemon cannot give a disk another size while somebody uses it, so it is begun anew, and
who uses the disk waits for that. How large the disk is says the node that writes: the keeper of the
other node lets its copy be as large before it takes anything. So both are alike whenever they are
connected, whoever was killed in between.
"""

from __future__ import annotations

import time
from dataclasses import replace

from ganeti_core.plugin_api import BlockDeviceError, processes

from .side import Side
from .stores import PAUSE

_NO_KEEPER = "its keeper does not run"


def grow(side: Side, size: int) -> None:
    """Make the disk `size` MiB large on this node, or leave it as large as it is.

    :raises BlockDeviceError: its size is as before
    """
    note = side.note()
    writes = side.store.role() == "primary" or side.store.front in processes.kept(side.ctx)
    if side.store.role() is not None and side.store.size() < size:
        _check_may_grow(side, size)
        if not side.store.can_widen():
            raise _refused(side, "it was opened by an earlier version: close it once, by a "
                           "shutdown of the instance or by a migration")
    side.child("grow", size=size)
    if writes:
        _begin_larger(side, size)
    elif side.store.role() is None and side.disk.role == "primary" and note.size < size:
        replace(note, size=size).save(side.places.note)


def _check_may_grow(side: Side, size: int) -> None:
    """Wait until the other copy follows, or waits for the device here to become as large as it is.

    :raises BlockDeviceError: it does neither, or is not known to grow
    """
    if side.peer is None:
        return
    until = time.monotonic() + side.patience.expected
    while (state := side.live()).get("state") != "linked":
        if state.get("wanted") == size:
            return
        if time.monotonic() > until:
            raise _refused(side, "both copies must be whole while it is in use: "
                           f"{state.get('reason') or state.get('state') or _NO_KEEPER}")
        time.sleep(PAUSE)
    if "size" not in state:
        raise _refused(side, "its keeper is of an earlier version: run gnt-instance "
                       f"deactivate-disks and activate-disks {side.disk.instance} once")


def _begin_larger(side: Side, size: int) -> None:
    """Begin the disk anew on the node that writes; who uses it waits meanwhile.

    :raises BlockDeviceError: it is as before; or it waits for the other node, or for the cluster
        to know that its copy does not follow
    """
    if side.store.role() != "primary" or side.store.size() < size:
        before = side.size
        side.end_processes()
        try:
            _begin(side, size)
        except BlockDeviceError:
            _begin(side, before)
            side.await_link()
            side.store.serve()
            raise
    side.begin_keeper()
    side.await_link()
    side.store.serve()
    if side.store.can_widen():
        side.store.widen(side.size)


def _begin(side: Side, size: int) -> None:
    """Begin the storage daemon and the keeper with a disk of this size."""
    side.become_primary(replace(side.note(), size=max(size, side.disk.size)))
    side.order("primary", peer_is_old=side.peer is not None and side.peer.uuid in side.disk.stale,
               waits=True)
    side.begin_keeper()


def _refused(side: Side, problem: str) -> BlockDeviceError:
    return BlockDeviceError(f"{side.title} cannot grow on node {side.ctx.node}: {problem}")
