"""What the kernel says of its devices: ``/proc/drbd`` and ``drbdsetup show``, read. Pure."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from itertools import zip_longest

_VERSION = re.compile(r"^version: (\d+)\.(\d+)(\S*)", re.MULTILINE)
_ROW = re.compile(
    r"^\s*(?P<minor>\d+): cs:(?P<connection>\w+)"
    r"(?: ro:(?P<role>\w+)/(?P<peer_role>\w+) ds:(?P<disk>\w+)/(?P<peer_disk>\w+)"
    r" (?P<protocol>\w| )\s+(?P<flags>\S+))?", re.MULTILINE)
_DONE = re.compile(r"sync'ed:\s*([\d.]+)%")
_LEFT = re.compile(r"finish: (\d+):(\d\d):(\d\d)")
_APART = frozenset({"StandAlone", "Disconnecting", "Unconnected", "Timeout", "BrokenPipe",
                    "NetworkFailure", "ProtocolError", "TearDown", "WFConnection",
                    "WFReportParams"})
_UNTIED = frozenset({"StandAlone", "Disconnecting"})


@dataclass(frozen=True)
class Minor:
    """A device as ``/proc/drbd`` shows it.

    :param connection: such as ``Connected``, ``WFConnection``, ``SyncTarget``
    :param role: ``Primary`` or ``Secondary``; of the peer also ``Unknown``
    :param disk: such as ``UpToDate``, ``Inconsistent``, ``Diskless``; of the peer also ``DUnknown``
    :param frozen: writes wait, because the kernel was ordered so
    :param percent: how much of a synchronization is done; None where none runs
    :param seconds: how long it takes yet
    """

    number: int
    connection: str
    role: str
    peer_role: str
    disk: str
    peer_disk: str
    frozen: bool = False
    percent: float | None = None
    seconds: float | None = None

    @property
    def is_connected(self) -> bool:
        return self.connection not in _APART

    @property
    def has_given_up(self) -> bool:
        """Whether the kernel does not even try to reach the peer."""
        return self.connection in _UNTIED

    @property
    def is_whole(self) -> bool:
        """Whether both nodes have all data."""
        return self.is_connected and self.disk == self.peer_disk == "UpToDate"

    @property
    def can_be_written(self) -> bool:
        """Whether the newest data are within reach: here, or on the peer."""
        return "UpToDate" in ((self.disk, self.peer_disk) if self.is_connected else (self.disk,))

    @property
    def is_syncing(self) -> bool:
        return self.is_connected and (
            "Sync" in self.connection or "WFBitMap" in self.connection
            or self.connection in ("StartingSyncS", "StartingSyncT", "WFSyncUUID"))


@dataclass(frozen=True)
class Configured:
    """A device as it was configured: its volumes, and both ends of its connection (addresses).

    Empty where there is none, as of a device that has lost its disk.
    """

    resource: str
    data: str = ""
    notes: str = ""
    local: str = ""
    remote: str = ""
    both: bool = False
    fences: bool = False


def release(text: str) -> str:
    """Return the whole version of the kernel module; empty where the text has none."""
    found = _VERSION.search(text)
    return f"{found[1]}.{found[2]}{found[3]}" if found else ""


def version(text: str) -> tuple[int, int] | None:
    """Return the version of the kernel module; None where the text has none."""
    found = _VERSION.search(text)
    return (int(found[1]), int(found[2])) if found else None


def minors(text: str) -> dict[int, Minor]:
    """Read ``/proc/drbd``; devices that are not configured are left out."""
    found: dict[int, Minor] = {}
    rows = list(_ROW.finditer(text))
    for row, following in zip_longest(rows, rows[1:]):
        if row["role"] is None:
            continue
        rest = text[row.end():following.start() if following else len(text)]
        number, done, left = int(row["minor"]), _DONE.search(rest), _LEFT.search(rest)
        found[number] = Minor(
            number, row["connection"], row["role"], row["peer_role"], row["disk"],
            row["peer_disk"], frozen=row["flags"].startswith("s"),
            percent=float(done[1]) if done else None,
            seconds=float(int(left[1]) * 3600 + int(left[2]) * 60 + int(left[3])) if left else None)
    return found


def minors_of_9(text: str) -> dict[int, str]:
    """Read ``drbdsetup status --json`` of DRBD 9; return the resources' names by minors.

    Its ``/proc/drbd`` shows no devices.

    :raises ValueError: it is something else
    """
    try:
        return {int(device["minor"]): str(resource["name"])
                for resource in json.loads(text or "[]") for device in resource["devices"]}
    except (KeyError, TypeError) as exc:
        raise ValueError(str(exc)) from exc


def configured(text: str) -> Configured | None:
    """Read what ``drbdsetup show`` prints of one device; None where it prints nothing."""
    resource = re.search(r"^resource\s+\"?([^\s\"{]+)", text, re.MULTILINE)
    if resource is None:
        return None

    def first(pattern: str) -> str:
        match = re.search(pattern, text)
        return match[1] if match else ""

    return Configured(
        resource[1],
        data=first(r"\n\s*disk\s+\"([^\"]+)\""), notes=first(r"\n\s*meta-disk\s+\"([^\"]+)\""),
        local=first(r"_this_host\s*\{\s*address\s+([^;]+);"),
        remote=first(r"_remote_host\s*\{\s*address\s+([^;]+);"),
        both=bool(re.search(r"allow-two-primaries\s+yes|allow-two-primaries;", text)),
        fences=bool(re.search(r"\n\s*fencing\s+resource-and-stonith", text)))


@dataclass(frozen=True)
class Generation:
    """What DRBD's notes say of the data of a device that is not configured."""

    current: int
    is_consistent: bool
    is_up_to_date: bool
    was_primary: bool
    has_crashed: bool

    @property
    def is_new(self) -> bool:
        """Whether the notes were only made: these data are nothing yet."""
        return self.current in (0, _JUST_CREATED)


_JUST_CREATED = 4


def generation(text: str) -> Generation | None:
    """Read ``drbdmeta get-gi``; None where it is something else."""
    found = re.search(r"^([0-9A-F]{16}):(?:[0-9A-F]{16}:){3}([01](?::[01])+):?\s*$", text,
                      re.MULTILINE | re.IGNORECASE)
    if found is None:
        return None
    flags = [one == "1" for one in found[2].split(":")] + [False] * 7
    return Generation(int(found[1], 16), flags[0], flags[1], flags[2], flags[6])
