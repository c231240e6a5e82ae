"""What a client asks to change about devices: ``[action, index or name, settings]`` each."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from ganeti_core.errors import ECODE_INVAL, ECODE_NOENT, OpExecError, OpPrereqError

if TYPE_CHECKING:
    from collections.abc import Sequence

_INDEX = re.compile("-?[0-9]{1,9}")
ACTIONS = ("add", "remove", "modify", "attach", "detach")


class Device(Protocol):
    """A disk or a network card."""

    @property
    def uuid(self) -> str: ...

    @property
    def name(self) -> str | None: ...


@dataclass(frozen=True)
class DeviceChange:
    """One change; `place` is an index (-1: the last device, or after it), a name or a uuid."""

    action: str
    place: int | str
    params: dict[str, Any]

    def insert_at(self, count: int, title: str) -> int:
        """Where a new device goes among `count`.

        :raises OpPrereqError: not a place (`ECODE_INVAL`)
        """
        if self.place == -1:
            return count
        if not isinstance(self.place, int) or not 0 <= self.place <= count:
            raise OpPrereqError(
                f"{title} index {self.place} is not in [0, {count}]", ECODE_INVAL)
        return self.place


def device_changes(asked: Sequence[Any], title: str) -> list[DeviceChange]:
    """Read the changes, also in the older form of (``add``/``remove``/index, settings) pairs.

    :raises OpPrereqError: one is none (`ECODE_INVAL`)
    """
    return [_change(entry, title) for entry in asked]


def _change(entry: Any, title: str) -> DeviceChange:
    match entry:
        case [str(action), (int() | str()) as place, dict(params)] if action in ACTIONS:
            return _checked(DeviceChange(action, place, params), title)
        case [("add" | "remove" | "attach" | "detach") as action, dict(params)]:
            return _checked(DeviceChange(action, -1, params), title)
        case [int(index), dict(params)]:
            return DeviceChange("modify", index, params)
        case _:
            raise OpPrereqError(f"Invalid {title} change {entry!r}", ECODE_INVAL)


def _checked(change: DeviceChange, title: str) -> DeviceChange:
    if change.action in ("remove", "detach") and change.params:
        raise OpPrereqError(f"Not accepting parameters on {title} {change.action}", ECODE_INVAL)
    return change


def find_device(change: DeviceChange, devices: Sequence[Device], title: str) -> int:
    """The index of the device meant.

    :raises OpExecError: there is none with this index
    :raises OpPrereqError: there is none with this name or uuid (`ECODE_NOENT`)
    """
    if isinstance(change.place, str) and not _INDEX.fullmatch(change.place):
        for at, device in enumerate(devices):
            if change.place in (device.uuid, device.name):
                return at
        raise OpPrereqError(
            f"Cannot find {title} with identifier {change.place}", ECODE_NOENT)
    index = int(change.place)
    if index == -1 and devices:
        return len(devices) - 1
    if not 0 <= index < len(devices):
        # Clients know this text, and its class, from the peer.
        raise OpExecError(f"Got {title} index {index}, but there are only {len(devices)}")
    return index
