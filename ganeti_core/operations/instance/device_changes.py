"""What a client asks to change about devices: ``[action, index or name, settings]`` each."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Protocol

from ganeti_core.errors import ECODE_INVAL, ECODE_NOENT, OpExecError, OpPrereqError
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.operations.parameters import given

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
    """One change.

    :param position: an index (-1: the last device, or after it), a name or a uuid
    """

    action: str
    position: int | str
    params: dict[str, Any]

    def insert_at(self, count: int, title: str) -> int:
        """Where a new device goes among `count`.

        :raises OpPrereqError: not a position (`ECODE_INVAL`)
        """
        if self.position == -1:
            return count
        if not isinstance(self.position, int) or not 0 <= self.position <= count:
            raise OpPrereqError(
                f"{title} index {self.position} is not in [0, {count}]", ECODE_INVAL)
        return self.position


def device_changes(asked: Sequence[Any], title: str) -> list[DeviceChange]:
    """Read the changes, also in the older form of (``add``/``remove``/index, settings) pairs.

    :raises OpPrereqError: one is none (`ECODE_INVAL`)
    """
    return [_change(entry, title) for entry in asked]


def _change(entry: Any, title: str) -> DeviceChange:
    match entry:
        case [str(action), (int() | str()) as position, dict(params)] if action in ACTIONS:
            return _checked(DeviceChange(action, _position(position), given(params)), title)
        case [("add" | "remove" | "attach" | "detach") as action, dict(params)]:
            return _checked(DeviceChange(action, -1, given(params)), title)
        case [(int() | str()) as position, dict(params)]:
            return DeviceChange("modify", _position(position), given(params))
        case _:
            raise OpPrereqError(f"Invalid {title} change {entry!r}", ECODE_INVAL)


def _position(asked: int | str) -> int | str:
    """The position asked for; an index is a number, whichever way it was sent."""
    return int(asked) if isinstance(asked, str) and _INDEX.fullmatch(asked) else asked


def _checked(change: DeviceChange, title: str) -> DeviceChange:
    if change.action in ("remove", "detach") and change.params:
        raise OpPrereqError(f"Not accepting parameters on {title} {change.action}", ECODE_INVAL)
    return change


def find_device(change: DeviceChange, devices: Sequence[Device], title: str) -> int:
    """The index of the device meant.

    :raises OpExecError: there is none with this index
    :raises OpPrereqError: there is none with this name or uuid (`ECODE_NOENT`)
    """
    if isinstance(change.position, str):
        for at, device in enumerate(devices):
            if change.position in (device.uuid, device.name):
                return at
        raise OpPrereqError(
            f"Cannot find {title} with identifier {change.position}", ECODE_NOENT)
    index = change.position
    if index == -1 and devices:
        return len(devices) - 1
    if not 0 <= index < len(devices):
        # Clients know this text, and its class, from Ganeti.
        raise OpExecError(f"Got {title} index {index}, but there are only {len(devices)}")
    return index
