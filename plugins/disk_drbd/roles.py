"""Who may write: a side that is old or incomplete must not, for then what is newer is lost."""

from __future__ import annotations

from ganeti_core.plugin_api import BlockDeviceError, DiskSpec
from ganeti_core.plugin_api.data import DiskStatus

from .device import Device
from .kernel import Generation, Minor

_LOCAL = {"UpToDate": "ok", "Consistent": "ok", "Inconsistent": "stale", "Outdated": "stale",
          "Diskless": "faulty", "Failed": "faulty"}


def write_here(device: Device, *, both: bool) -> None:
    """Let this node write to an attached device; its peer follows, or writes as well (`both`).

    A peer that the cluster knows to be left behind need not follow.

    :raises BlockDeviceError: the newest data are not within reach, or the peer is not
    """
    state = device.own_state()
    if state is not None and state.role == "Primary" and not both:
        return  # it is in use; whether the copy follows is for `status` to say
    follows = device.peer is not None and device.peer.uuid not in device.disk.stale
    state = device.settled(device.patience.expected if follows else device.patience.lost)
    problem = _why_not(device, state)
    if not problem and follows and not state.is_connected:
        problem = remedy(device, state)
    if not problem and both and device.peer and not state.is_whole:
        problem = "both nodes must have all data before both write"
    if problem:
        raise _refused(device, problem)
    if state.role != "Primary":
        device.become_primary()


def write_alone(device: Device, *, force: bool) -> None:
    """Let this node write to an attached device although its peer may be lost.

    :param force: even if its data may be old
    :raises BlockDeviceError: the newest data are not within reach, or the peer writes
    """
    state = device.own_state()
    if state is not None and state.role == "Primary":
        return
    state = device.left_by_peer(device.patience.fading)
    problem = _why_not(device, state)
    if problem and not force:
        raise _refused(device, problem)
    device.become_primary(force=bool(problem))


def check_peer_is_whole(device: Device, state: Minor) -> None:
    """:raises BlockDeviceError: the peer does not have all data, or is not within reach"""
    if state.is_connected and state.peer_disk == "UpToDate":
        return
    problem = (f"its data are {state.peer_disk}" if state.is_connected
               else remedy(device, state))
    raise BlockDeviceError(f"{device.title} cannot be filled from its other copy: {problem}")


def check_data_are_here(device: Device) -> None:
    """Check that the volume on this node holds what is read from the open device.

    :raises BlockDeviceError: it does not
    """
    state = device.state()
    if state is None:
        raise BlockDeviceError(f"{device.title} is not open on node {device.ctx.node}")
    if state.disk != "UpToDate":
        raise BlockDeviceError(
            f"{device.title} can have no snapshot on node {device.ctx.node}: its data here are "
            f"{state.disk}, and those that are read come from the other node")


def check_holds_nothing(device: Device, generation: Generation | None) -> None:
    """Check a closed device that is to be made anew.

    :raises BlockDeviceError: it has whole data, and nobody knows whether the peer has all of them
    """
    if generation is None or generation.is_new or not generation.is_consistent:
        return
    raise BlockDeviceError(
        f"{device.title} holds data and is closed: whether its other copy has all of them is only "
        f"known while both are open; run gnt-instance activate-disks {device.disk.instance} first")


def _refused(device: Device, problem: str) -> BlockDeviceError:
    return BlockDeviceError(
        f"{device.title} cannot be written on node {device.ctx.node}: {problem}")


def _why_not(device: Device, state: Minor) -> str:
    """Say why writing here may lose what was written elsewhere; empty where it cannot."""
    peer = device.peer.name if device.peer else "its peer"
    if state.is_connected and state.peer_role == "Primary":
        return "" if _may_share(device) else f"it is in use on node {peer}"
    if state.is_connected and state.peer_disk == "UpToDate":
        return ""
    # Consistent: the kernel is going to ask its helper whether these are the newest.
    if state.disk not in ("UpToDate", "Consistent"):
        return (f"its data here are {state.disk}, and {peer}, which may have newer ones, cannot be "
                f"reached ({state.connection})")
    if is_marked(device.disk):
        return (f"{peer} was written to while the copy here could not follow, and cannot be "
                f"reached now ({state.connection})")
    return ""


def _may_share(device: Device) -> bool:
    found = device.tools.configured(device.number)
    return found is not None and found.both


def is_marked(disk: DiskSpec) -> bool:
    """Whether the cluster knows that this copy missed something."""
    return disk.here in disk.stale


def remedy(device: Device, state: Minor) -> str:
    """Say what is wrong with a connection, and what to do."""
    peer = device.peer.name if device.peer else "its peer"
    if state.has_given_up:
        return (f"the connection with {peer} was given up ({state.connection}), as when both sides"
                " were written to; gnt-instance activate-disks tries again, and gnt-instance "
                f"replace-disks -s {device.disk.instance} makes the copy on the secondary node "
                "anew, whose own changes are lost")
    return (f"{peer} is not connected ({state.connection}): see that it runs, that the network "
            "between the two works, and run gnt-instance activate-disks "
            f"{device.disk.instance}")


def shown(device: Device, state: Minor, size: int) -> DiskStatus:
    """Return the status of a device that is configured."""
    local = _LOCAL.get(state.disk, "unknown")
    if local == "stale" and state.is_syncing:
        local = "sync"
    marked = is_marked(device.disk) and not state.is_whole
    if marked and local == "ok":
        local = "stale"
    reason = _reason(device, state, marked=marked)
    is_primary = state.role == "Primary"
    return DiskStatus(
        exists=True, path=device.path, size=size,
        is_open=is_primary or device.disk.role == "secondary",
        degraded=not state.is_whole if device.peer else local != "ok",
        local=local,  # type: ignore[arg-type]  # one of those that there are
        reason=reason, sync_percent=(state.percent or 0.0) if state.is_syncing else None,
        sync_seconds=state.seconds, has_all=state.is_connected and state.disk == "UpToDate")


def _reason(device: Device, state: Minor, *, marked: bool) -> str:
    parts = []
    if state.frozen:
        parts.append("writes wait until the master knows that the other copy is left behind")
    if device.peer and not state.is_connected:
        parts.append(remedy(device, state))
    elif state.disk != "UpToDate":
        parts.append(f"the data here are {state.disk}")
    elif state.peer_disk != "UpToDate":
        parts.append(f"the data of the other copy are {state.peer_disk}")
    if marked:
        parts.append("the other copy was written to while this one could not follow")
    return "; ".join(parts)


def closed(device: Device, generation: Generation | None, size: int) -> DiskStatus:
    """Return the status of a device that is not configured, from what DRBD noted of it."""
    if generation is None:
        return DiskStatus(exists=False)
    reason = ("nothing was ever copied to it" if generation.is_new
              else "its synchronization has not ended" if not generation.is_consistent
              else "it was outdated" if not generation.is_up_to_date
              else "the other copy was written to while this one could not follow"
              if is_marked(device.disk) else "")
    return DiskStatus(exists=True, size=size, local="stale" if reason else "ok", reason=reason)
