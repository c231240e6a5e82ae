"""What guests have used of their node: QEMU's processor time, and counts of disks and cards."""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from ganeti_core.plugin_api import HookContext, HypervisorError, InstanceSpec
from ganeti_core.plugin_api.interface_counters import nic_usage
from ganeti_core.plugin_api.usage import DiskUsage, GuestUsage

from . import migration, processes
from .devices import device_id
from .guests import Guest, all_guests
from .qmp import QmpRefused, QmpUnreachable

PATIENCE = 3.0
"""Seconds that QEMUs which hang may cost in one look at all guests; later ones are not asked then,
and their disks are left out."""


def usage(ctx: HookContext) -> list[GuestUsage]:
    """What each guest that runs here has used."""
    deadline = time.monotonic() + PATIENCE
    return [found for guest in all_guests(ctx) if (found := _of_guest(guest, deadline))]


def _of_guest(guest: Guest, deadline: float) -> GuestUsage | None:
    runtime, pid = guest.load(), guest.pid()
    if pid is None:
        return None
    state = migration.run_state(guest) if time.monotonic() < deadline else ""
    if migration.side_of(state, runtime) != "runs":
        return None
    spec = runtime.spec if runtime else InstanceSpec("", guest.name, "")
    return GuestUsage(
        name=guest.name, uuid=spec.uuid, cpu_seconds=processes.cpu_seconds(pid),
        memory=processes.resident_mib(pid), disks=_disks(guest, spec) if state else (),
        nics=nic_usage({guest.cards.device(nic): nic.index for nic in spec.nics}))


def _disks(guest: Guest, spec: InstanceSpec) -> tuple[DiskUsage, ...]:
    """What QEMU has counted for the guest; nothing where it does not say."""
    with suppress(QmpUnreachable, QmpRefused), guest.query() as qmp:
        return counted(spec, qmp.execute("query-blockstats"))
    return ()


def counted(spec: InstanceSpec, answer: Iterable[dict[str, Any]]) -> tuple[DiskUsage, ...]:
    """Read the answer of ``query-blockstats``.

    :raises HypervisorError: it has no such form
    """
    try:
        stats = {one.get("node-name"): one["stats"] for one in answer}
        return tuple(DiskUsage(
            disk.index, reads=int(one["rd_operations"]), read_bytes=int(one["rd_bytes"]),
            writes=int(one["wr_operations"]), written_bytes=int(one["wr_bytes"]))
            for disk in spec.disks if (one := stats.get(device_id(disk))))
    except (KeyError, TypeError, ValueError, AttributeError) as exc:
        raise HypervisorError(f"QEMU of {spec.name} counts disks in another way: {exc!r}") from exc
