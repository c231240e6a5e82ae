"""Differences of disks and network cards: which one of the file is which one of the instance."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Any

from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.spec.steps import NOTHING, OpcodeDict, change_line, shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ganeti_core.spec.parameters import Params

_ADDRESS = ("mac", "ip", "network", "mode", "link", "vlan", "name")
_NETWORKS_OWN = ("mode", "link", "vlan")


@dataclass
class Devices:
    """What is to be done about an instance's devices of one kind.

    :param changes: as `OP_INSTANCE_SET_PARAMS` takes them
    :param grown: place and new size of disks
    """

    title: str
    changes: list[list[Any]] = field(default_factory=list)
    grown: list[tuple[int, int]] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    removed: int = 0


def matched(have: Sequence[Params], want: Sequence[Params], keys: Sequence[str]) -> list[int]:
    """For each device of the file the place of the one that it is, or -1 for a new one.

    By the first of `keys` that both have; then, in order, those that no key tells apart.
    """
    found = [-1] * len(want)
    free = set(range(len(have)))
    for key in keys:
        by_key = {have[at][key]: at for at in free if key in have[at]}
        for index, device in enumerate(want):
            at = by_key.get(device.get(key))
            if found[index] < 0 and at in free:
                found[index] = at
                free.discard(at)
    for index, device in enumerate(want):
        if found[index] < 0:
            at = next((at for at in sorted(free) if not any(
                key in device and key in have[at] for key in keys[:1])), -1)
            found[index] = at
            free.discard(at)
    return found


def compare_nics(have: Sequence[Params], want: Sequence[Params], *, prune: bool) -> Devices:
    """Compare network cards."""
    result = Devices("NIC")
    places = matched(have, want, ("name", "mac"))
    kept = _arrange(result, have, places, prune=prune)
    for at, index in enumerate(kept):
        if index is None or places[index] < 0:
            continue
        changed = _nic_change(have[places[index]], want[index], prune=prune)
        if changed:
            result.changes.append(["modify", at, changed])
            old = have[places[index]]
            result.lines += [change_line(f"nics/{at}/{key}", old.get(key, NOTHING), value)
                             for key, value in changed.items()]
    _add(result, want, places, kept, lambda nic: dict(nic))
    return result


def _nic_change(old: Params, new: Params, *, prune: bool) -> OpcodeDict:
    changed: OpcodeDict = {}
    for key in _ADDRESS:
        if key in new:
            absent = "default" if key in _NETWORKS_OWN else "none"
            if not _same(key, old, new, absent):
                changed[key] = new[key]
        elif prune and key in old and key != "mac":
            changed[key] = "default" if key in _NETWORKS_OWN else "none"
    if "network" in changed and "ip" in new:
        changed["ip"] = new["ip"]  # a card that moves to another network loses its address
    if changed.get("network", "none") != "none":
        changed = {key: value for key, value in changed.items() if key not in _NETWORKS_OWN}
    return changed


def _same(key: str, old: Params, new: Params, absent: str) -> bool:
    if key == "ip" and new[key] == "pool":
        return "ip" in old and old.get("network") == new.get("network", old.get("network"))
    return bool(old.get(key, absent) == new[key])


def compare_disks(have: Sequence[Params], want: Sequence[Params], *, prune: bool) -> Devices:
    """Compare disks. One without a name is known by its place alone, so it is never guessed which
    of several such is gone."""
    result = Devices("disk")
    places = matched(have, want, ("name",))
    gone = [at for at in range(len(have)) if at not in places]
    if gone and any("name" not in have[at] for at in places if at >= 0):
        result.refused.append(
            f"disks: it has {len(have)}, and which of them the file lacks cannot be known, for they"
            " have no names: list all, or give them names first ('gnt-instance modify --disk"
            " N:modify,name=...')")
        return result
    kept = _arrange(result, have, places, prune=prune)
    for at, index in enumerate(kept):
        if index is not None and places[index] >= 0:
            _disk_change(result, at, have[places[index]], want[index])
    _add(result, want, places, kept, _new_disk)
    return result


def _disk_change(result: Devices, at: int, old: Params, new: Params) -> None:
    place = f"disks/{at}"
    if new["size"] < old["size"]:
        result.refused.append(f"{place}: a disk cannot be made smaller: it has {old['size']} MiB,"
                              f" the file says {new['size']}")
    elif new["size"] > old["size"]:
        result.grown.append((at, new["size"]))
        result.lines.append(change_line(f"{place}/size", old["size"], new["size"]))
    for key, is_now, wanted in (
            ("spindles", old.get("spindles", NOTHING), new.get("spindles")),
            *((f"params/{name}", old.get("params", {}).get(name, NOTHING), value)
              for name, value in new.get("params", {}).items())):
        if wanted is not None and str(is_now) != str(wanted):
            result.refused.append(f"{place}: {key} cannot be changed in place: it is {is_now}, the"
                                  f" file says {wanted}")
    changed = {key: new[key] for key in ("mode", "name") if new.get(key, old.get(key)) != old.get(
        key)}
    if changed:
        result.changes.append(["modify", at, changed])
        result.lines += [change_line(f"{place}/{key}", old.get(key, NOTHING), value)
                         for key, value in changed.items()]


def _new_disk(disk: Params) -> OpcodeDict:
    return {**{key: value for key, value in disk.items() if key != "params"},
            **disk.get("params", {})}


def new_disks(want: Sequence[Params]) -> list[OpcodeDict]:
    """Disks as `OP_INSTANCE_CREATE` takes them."""
    return [_new_disk(disk) for disk in want]


def _arrange(
    result: Devices, have: Sequence[Params], places: Sequence[int], *, prune: bool,
) -> list[int | None]:
    """Note removals; give what stays, in order: the index in the file, None for what it lacks."""
    plural = f"{result.title.lower()}s"
    order = [at for at in places if at >= 0]
    if order != sorted(order):
        result.refused.append(f"{plural}: their order cannot be changed in place")
    index_of = {at: index for index, at in enumerate(places) if at >= 0}
    stays: list[int | None] = []
    for at, device in enumerate(have):
        if at in index_of or not prune:
            stays.append(index_of.get(at))
        if at not in index_of:
            name = device.get("name") or device.get("mac") or f"{device.get('size')} MiB"
            if prune:
                result.lines.append(f"{plural}/{at}: removed ({name})")
                result.removed += 1
            else:
                result.left.append(f"{plural}/{at}")
    if prune:
        result.changes += [["remove", at, {}] for at in reversed(range(len(have)))
                           if at not in index_of]
    return stays


def _add(
    result: Devices, want: Sequence[Params], places: Sequence[int], stays: list[int | None],
    form: Any,
) -> None:
    """Note new devices, each where the file has it among those that stay."""
    plural = f"{result.title.lower()}s"
    at = 0
    for index, device in enumerate(want):
        if places[index] >= 0:
            at = stays.index(index) + 1
            continue
        # At the end: after what the file lacks, too.
        is_inner = any(later >= 0 for later in places[index + 1:])
        where = at if is_inner else len(stays)
        stays.insert(where, index)
        result.changes.append(["add", where, form(device)])
        values = ", ".join(f"{key}={shown(value)}" for key, value in device.items())
        result.lines.append(f"{plural}/{where}: new ({values or 'with defaults'})")
        at = where + 1
