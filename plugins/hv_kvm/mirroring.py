"""Let a running guest's disk become another one: QEMU copies it, then both are written to, then the
guest has the other one alone.

Until then the old disk has everything, and from the end of the copy on QEMU reports a write as done
only when both disks have it. A copy that breaks off does not disturb the guest.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from ganeti_core.plugin_api import DiskSpec, HypervisorError
from ganeti_core.plugin_api.data import MirrorStatus

from . import block_nodes, devices
from .guests import Guest, Runtime
from .qmp import Qmp
from .switched import Note, complete_stopped

END_LIMIT = 30.0
POLL = 0.01
ENDED, IN_SYNC = "concluded", "ready"
"""States of QEMU's jobs."""

Job = Mapping[str, Any]


def begin(guest: Guest, disk: DiskSpec, onto: DiskSpec) -> None:
    """Begin to copy, unless that is under way.

    :raises HypervisorError: the guest does not run, or QEMU refuses
    """
    runtime = _runtime(guest)
    with guest.control() as qmp:
        job = _job(qmp, onto)
        if job is None or job["status"] == ENDED:
            _begin(qmp, runtime, disk, onto)


def _begin(qmp: Qmp, runtime: Runtime, disk: DiskSpec, onto: DiskSpec) -> None:
    devices.check_ids(onto, (*runtime.spec.disks, *runtime.spec.nics))
    _dismiss(qmp, onto)
    params, fdset = runtime.spec.hvparams, block_nodes.own_fdset(onto)
    if not block_nodes.has(qmp, onto):
        # It is written to, whatever the guest may do.
        block_nodes.add(qmp, replace(onto, mode="rw"), params, fdset,
                        block_nodes.size(qmp, devices.device_id(disk)))
    try:
        qmp.execute("blockdev-mirror", {
            "job-id": _name(onto), "device": devices.device_id(disk),
            "target": devices.device_id(onto), "sync": "full", "copy-mode": "write-blocking",
            "on-target-error": "report", "auto-dismiss": False})
    except BaseException:
        block_nodes.remove(qmp, onto, params, fdset)
        raise


def status(guest: Guest, onto: DiskSpec) -> MirrorStatus:
    """How far the copy is.

    :raises HypervisorError: QEMU does not answer
    """
    if guest.pid() is None:
        return MirrorStatus("none", message=f"{guest.name} does not run here")
    with guest.query() as qmp:
        job = _job(qmp, onto)
        if job is None or (job["status"] == ENDED and not job.get("error")):
            return MirrorStatus("switched" if _is_used(qmp, onto) else "none")
        copied, total = int(job["current-progress"]), int(job["total-progress"])
        if error := job.get("error"):
            return MirrorStatus("failed", copied, total, str(error))
        return MirrorStatus("synced" if job["status"] == IN_SYNC else "active", copied, total)


def switch(guest: Guest, disk: DiskSpec, onto: DiskSpec, note: Note) -> None:
    """Let the guest have the other disk alone.

    :raises HypervisorError: it has not got it yet
    """
    if guest.pid() is None:
        complete_stopped(note, disk, onto)
        return
    try:
        if onto.uuid not in {one.uuid for one in _runtime(guest).spec.disks}:
            with guest.control() as qmp:
                job = _job(qmp, onto)  # first: it may end meanwhile, and then the disk is used
                if not _is_used(qmp, onto):
                    _complete(guest, qmp, (disk, onto), note, job)
                _settle(guest, qmp, disk, onto)
    finally:
        with suppress(HypervisorError):
            _let_go_on(guest, onto, note)


def _complete(
    guest: Guest, qmp: Qmp, pair: tuple[DiskSpec, DiskSpec], note: Note, job: Job | None
) -> None:
    disk, onto = pair
    what = f"disk {disk.index} of {guest.name}"
    if job is None or job["status"] == ENDED:
        note.drop(onto)  # of a call that could not switch it
        why = str((job or {}).get("error") or "QEMU knows nothing more of it")
        _begin(qmp, _runtime(guest), disk, onto)
        raise HypervisorError(f"the copy of {what} broke off ({why}) and is made anew; until it is "
                              "whole the guest has the old disk")
    if job["status"] != IN_SYNC:
        raise HypervisorError(f"{what} is still being copied; the guest has the old disk")
    # QEMU writes out what it has when it stops a guest: both disks are durably alike at the note.
    if qmp.execute("query-status")["status"] == "running":
        guest.save(replace(_runtime(guest), held=True))
        qmp.execute("stop")
    note.add(onto)
    qmp.execute("job-complete", {"id": _name(onto)})
    if error := _await_end(qmp, guest, onto).get("error"):
        raise HypervisorError(f"{what} was not switched: {error}")


def _settle(guest: Guest, qmp: Qmp, disk: DiskSpec, onto: DiskSpec) -> None:
    """Note what the guest has now, and let QEMU close the old disk."""
    runtime, had = _runtime(guest), disk.uuid
    _dismiss(qmp, onto)
    if block_nodes.has(qmp, disk):
        block_nodes.remove(qmp, disk, runtime.spec.hvparams, block_nodes.own_fdset(disk), must=True)
    bearing = {**runtime.bearing,
               onto.uuid: runtime.bearing.get(had) or devices.device_id(disk)}
    bearing.pop(had, None)
    guest.save(replace(
        runtime, bearing=bearing,
        slots={onto.uuid if uuid == had else uuid: slot for uuid, slot in runtime.slots.items()},
        spec=replace(runtime.spec, disks=tuple(
            onto if one.uuid == had else one for one in runtime.spec.disks))))


def end(guest: Guest, disk: DiskSpec, onto: DiskSpec) -> None:
    """Stop copying, and let QEMU close the other disk.

    :raises HypervisorError: the guest has it, or QEMU does not let it go
    """
    if guest.pid() is None:
        return
    params, fdset = _runtime(guest).spec.hvparams, block_nodes.own_fdset(onto)
    with guest.control() as qmp:
        if (job := _job(qmp, onto)) is not None and job["status"] != ENDED:
            qmp.execute("block-job-cancel", {"device": _name(onto), "force": True})
            _await_end(qmp, guest, onto)
        if _is_used(qmp, onto):
            raise HypervisorError(f"{guest.name} has disk {disk.index} where it was copied to")
        _dismiss(qmp, onto)
        if block_nodes.has(qmp, onto):
            block_nodes.remove(qmp, onto, params, fdset, must=True)


def _runtime(guest: Guest) -> Runtime:
    runtime = guest.load()
    if guest.pid() is None or runtime is None:
        raise HypervisorError(f"{guest.name} does not run on this node")
    return runtime


def _name(onto: DiskSpec) -> str:
    return f"mirror-{devices.device_id(onto)}"


def _job(qmp: Qmp, onto: DiskSpec) -> Job | None:
    return next((job for job in qmp.execute("query-jobs") if job["id"] == _name(onto)), None)


def _dismiss(qmp: Qmp, onto: DiskSpec) -> None:
    """Let QEMU forget a copy that has ended, if it knows one."""
    if _job(qmp, onto) is not None:
        qmp.execute("job-dismiss", {"id": _name(onto)})


def _await_end(qmp: Qmp, guest: Guest, onto: DiskSpec) -> Job:
    deadline = time.monotonic() + END_LIMIT
    while (job := _job(qmp, onto)) is not None and job["status"] != ENDED:
        if time.monotonic() > deadline:
            raise HypervisorError(
                f"the copy of disk {onto.index} of {guest.name} does not end in {END_LIMIT:g} s")
        time.sleep(POLL)
    return job or {}


def _is_used(qmp: Qmp, disk: DiskSpec) -> bool:
    """Whether a device of the guest has the disk."""
    return any((device.get("inserted") or {}).get("node-name") == devices.device_id(disk)
               for device in qmp.execute("query-block") if device.get("qdev"))


def _let_go_on(guest: Guest, onto: DiskSpec, note: Note) -> None:
    """Let a guest run that was stopped for a moment, also by an earlier call that was killed.

    Not while it may yet be switched: what it writes would be on the old disk, and the note says
    that the other one is newer. Where it can no longer be, the note is dropped.
    """
    with guest.control() as qmp:
        job = _job(qmp, onto)  # first, as in `switch`
        if note.has(onto) and not _is_used(qmp, onto):
            if job is not None and job["status"] != ENDED:
                return
            note.drop(onto)
        runtime = guest.load()
        if runtime is not None and runtime.held:
            qmp.execute("cont")
            guest.save(replace(runtime, held=False))
