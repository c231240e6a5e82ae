"""Disks and network cards as they are given on a command line, made into opcode fields."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ganeti_core.cli.failure import wrong_input
from ganeti_core.cli.values import parse_size

if TYPE_CHECKING:
    from collections.abc import Sequence

Given = tuple[str, Any]
"""What `values.parse_identified` makes: index or action word, and the settings."""

_NONE = ("none", "None")
_TAKEN_AWAY = ("ip", "network")
"""Settings of network cards that ``none`` takes away from a card that has them."""
_INDEX = re.compile("-?[0-9]{1,3}")
_HIGHEST = 999
"""No instance has so many devices; those below an index that is given are made up."""


def _by_index(kind: str, given: Sequence[Given]) -> list[dict[str, Any]]:
    """Order settings by their index; an index that is left out has no settings."""
    found: dict[int, dict[str, Any]] = {}
    for index, settings in given:
        if not index.isdecimal():
            raise wrong_input(f"Invalid {kind} index passed: '{index}' is not a number")
        if not isinstance(settings, dict):
            raise wrong_input(f"Invalid {kind}/{index} value: expected settings")
        if int(index) > _HIGHEST:
            raise wrong_input(f"Invalid {kind} index passed: '{index}' is too large")
        found[int(index)] = settings
    return [found.get(index, {}) for index in range(max(found) + 1)]


def _nothing_for_none(settings: dict[str, Any]) -> dict[str, Any]:
    return {key: None if value in _NONE else value for key, value in settings.items()}


def _settings(settings: dict[str, Any]) -> dict[str, Any]:
    """Read one device's settings: ``none`` means no value, sizes have units."""
    read = _nothing_for_none(settings)
    if isinstance(read.get("size"), str):
        try:
            read["size"] = parse_size(read["size"])
        except ValueError as exc:
            raise wrong_input(f"Invalid disk size: {exc}: '{read['size']}'") from exc
    if isinstance(read.get("spindles"), str):
        if not read["spindles"].isdecimal():
            raise wrong_input(f"Invalid value '{read['spindles']}' for spindles")
        read["spindles"] = int(read["spindles"])
    return read


def new_disks(given: Sequence[Given], size: int | None, *,
              none_at_all: bool = False) -> list[dict[str, Any]]:
    """Describe the disks of a new instance, from ``--disk`` or ``--os-size``.

    :param none_at_all: there are none, for its disk template is for instances without
    :raises errors.OpPrereqError: no disk where there must be one, or a size is missing
    """
    if none_at_all:
        return []
    if given and size is not None:
        raise wrong_input("Please use either the '--disk' or '-s' option")
    if size is not None:
        return [{"size": size}]
    if not given:
        raise wrong_input("No disk information specified")
    disks = [_settings(one) for one in _by_index("disk", given)]
    for index, disk in enumerate(disks):
        if "size" not in disk and "adopt" not in disk:
            what = f"only {', '.join(sorted(disk))} given" if disk else "nothing is given for it"
            raise wrong_input(f"Missing size or adoption source for disk {index}: {what}")
    return disks


def chosen_disks(given: Sequence[Given]) -> list[Any]:
    """Name existing disks by index, with new settings where some are given."""
    disks: list[Any] = []
    for index, settings in given:
        if not index.isdecimal():
            raise wrong_input(f"Invalid disk index passed: '{index}' is not a number")
        disks.append([int(index), _settings(settings or {})])
    if not any(settings for _, settings in disks):
        return [index for index, _ in disks]
    return disks


def new_nics(given: Sequence[Given], none_at_all: bool) -> list[dict[str, Any]]:
    """Describe the network cards of a new instance: by default one with the cluster's settings."""
    if none_at_all:
        if given:
            raise wrong_input("--no-nics and --net exclude each other")
        return []
    if not given:
        return [{}]
    return [_nothing_for_none(one) for one in _by_index("NIC", given)]


def changes(kind: str, given: Sequence[Given]) -> list[list[Any]]:
    """Make ``modify`` actions of ``add``, ``N:add``, ``N:attach``, ``N:remove``, ``N:detach`` and
    ``N:key=value``.

    Each is [action, index or name, settings]; index -1 is the last device.
    """
    return [_change(kind, index, settings) for index, settings in given]


def _change(kind: str, index: str, settings: Any) -> list[Any]:
    if not isinstance(settings, dict):
        raise wrong_input(f"Invalid {kind} change '{index}'")
    actions = {"add", "remove", "attach", "detach", "modify"}
    if index in actions:
        return [index, -1, _settings(settings)]
    asked = [name for name in ("add", "attach", "remove", "detach", "modify")
             if settings.get(name) is True]
    if len(asked) > 1:
        raise wrong_input(f"Only one of add, attach, remove and detach per {kind}")
    rest = {key: value for key, value in settings.items() if key not in asked}
    if asked and asked[0] in ("remove", "detach") and rest:
        raise wrong_input(f"Not accepting parameters on {asked[0]}")
    place: Any = int(index) if _INDEX.fullmatch(index) else index
    action = asked[0] if asked else "modify"
    read = _settings(rest)
    if action == "modify":
        # A setting without a value stays as it is: the word takes it away.
        read |= {key: "none" for key in _TAKEN_AWAY if key in rest and read[key] is None}
    return [action, place, read]
