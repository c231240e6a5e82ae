"""Changes of network cards: each request turns one set of cards into the next."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ganeti_core.errors import ECODE_INVAL, OpPrereqError
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.model.params import filled_nicparams
from ganeti_core.operations.instance.device_changes import DeviceChange, find_device
from ganeti_core.operations.instance.nics import (
    MOST_NICS,
    changed_nic,
    check_distinct,
    connected_nic,
    new_nic,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ganeti_core.model import Instance, Nic, Node
    from ganeti_core.operations.context import OpContext


@dataclass(frozen=True)
class NicChanges:
    """The cards afterwards, what to tell of the changes, and which cards come and go."""

    nics: tuple[Nic, ...]
    told: tuple[tuple[str, Any], ...] = ()
    added: tuple[Nic, ...] = ()
    removed: tuple[Nic, ...] = ()


def plan_nics(
    ctx: OpContext, instance: Instance, node: Node, changes: Sequence[DeviceChange]
) -> NicChanges:
    """Apply the changes one after the other.

    :raises OpPrereqError: one makes no sense, or an address is taken
    """
    state = NicChanges(instance.nics)
    for change in changes:
        match change.action:
            case "add":
                state = _add(ctx, state, node, change)
            case "remove":
                state = _remove(state, change)
            case "modify":
                state = _modify(ctx, state, node, change)
            case _:
                raise OpPrereqError(
                    f"Network cards cannot be changed by '{change.action}'", ECODE_INVAL)
    if len(state.nics) > MOST_NICS:
        raise OpPrereqError(
            f"Instance has too many network interfaces ({len(state.nics)}), cannot add more",
            "wrong_state")
    check_distinct(ctx, state.nics)
    return state


def _add(ctx: OpContext, state: NicChanges, node: Node, change: DeviceChange) -> NicChanges:
    at = change.insert_at(len(state.nics), "NIC")
    nic = connected_nic(ctx, new_nic(ctx, at, change.params), node)
    nics = (*state.nics[:at], nic, *state.nics[at:])
    filled = filled_nicparams(ctx.snapshot.cluster, nic)
    network = ctx.snapshot.networks[nic.network].name if nic.network else None
    text = (f"add:mac={nic.mac},ip={nic.ip},mode={filled['mode']},link={filled['link']},"
            f"network={network}")
    return replace(state, nics=nics, told=(*state.told, (f"nic.{at}", text)),
                   added=(*state.added, nic))


def _remove(state: NicChanges, change: DeviceChange) -> NicChanges:
    at = find_device(change, state.nics, "NIC")
    gone = state.nics[at]
    was_added = gone in state.added
    return replace(
        state, nics=(*state.nics[:at], *state.nics[at + 1:]),
        told=(*state.told, (f"NIC/{at}", "remove")),
        added=tuple(nic for nic in state.added if nic is not gone),
        removed=state.removed if was_added else (*state.removed, gone))


def _modify(ctx: OpContext, state: NicChanges, node: Node, change: DeviceChange) -> NicChanges:
    at = find_device(change, state.nics, "NIC")
    old = state.nics[at]
    new = connected_nic(ctx, changed_nic(ctx, at, old, change.params), node)
    told = [(f"nic.{name}/{at}", getattr(new, name)) for name in ("mac", "ip", "name")
            if name in change.params or (name == "mac" and new.mac != old.mac)]
    if "network" in change.params:
        name = ctx.snapshot.networks[new.network].name if new.network else None
        told.append((f"nic.network/{at}", name))
    told += [(f"nic.{name}/{at}", value) for name, value in new.nicparams.items()
             if old.nicparams.get(name) != value]
    return replace(state, nics=(*state.nics[:at], new, *state.nics[at + 1:]),
                   told=(*state.told, *told),
                   added=tuple(new if nic is old else nic for nic in state.added))
