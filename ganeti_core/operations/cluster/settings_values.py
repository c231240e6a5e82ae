"""Settings of the cluster that concern no driver: checked, and made into values of its fields."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from ganeti_core.errors import ECODE_INVAL, ECODE_STATE, OpPrereqError
from ganeti_core.model.cluster import BEPARAMS_DEFAULTS, NICPARAMS_DEFAULTS
from ganeti_core.model.params import fill, filled_nicparams
from ganeti_core.operations.inherited import (
    changed_ipolicy,
    changed_ndparams,
    changed_nicparams,
)
from ganeti_core.operations.parameters import check_memory_bounds, checked_beparams, updated
from ganeti_core.plugin_api.iallocator import IALLOCATORS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ganeti_core.opcodes.cluster import ClusterSetParams
    from ganeti_core.operations.context import OpContext

Values = dict[str, Any]
_MAC_PREFIX = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){2}")
_TOOL = re.compile(r"[\w.+-]+", re.ASCII)
_FOLDERS = ("file_storage_dir", "shared_file_storage_dir", "gluster_storage_dir")


def plan(op: ClusterSetParams, ctx: OpContext) -> Values:
    """The new values of the fields that `op` names.

    :raises OpPrereqError: one makes no sense, or cannot change as things are
    :raises ValueRejected: a parameter is unknown or of the wrong type
    """
    values: Values = {}
    for name, make in _MAKERS.items():
        asked = getattr(op, name)
        if asked is not None:
            values |= make(ctx, asked)
    for name in _FOLDERS:
        asked = getattr(op, name)
        if asked is not None:
            values |= _folder(ctx, name, asked)
    return values | _user_ids(op, ctx) | _operating_systems(op, ctx)


def _pool_size(ctx: OpContext, asked: int) -> Values:
    del ctx
    return {"candidate_pool_size": asked}


def _back_end(ctx: OpContext, asked: Values) -> Values:
    given = _unwrapped(asked)
    old = ctx.snapshot.cluster.beparams
    new = updated(old.get("default", {}), given, checked_beparams(given))
    check_memory_bounds(fill(BEPARAMS_DEFAULTS, new))
    return {"beparams": {**old, "default": new}}


def _unwrapped(asked: Values) -> Values:
    """Parameters of the one profile there is, given with or without its name."""
    inner = asked.get("default")
    return inner if set(asked) == {"default"} and isinstance(inner, dict) else asked


def _network_cards(ctx: OpContext, asked: Values) -> Values:
    cluster = ctx.snapshot.cluster
    new = changed_nicparams(cluster.nicparams.get("default", {}), _unwrapped(asked))
    if fill(NICPARAMS_DEFAULTS, new)["mode"] == "routed":
        without = sorted({
            instance.name for instance in ctx.snapshot.instances.values()
            for nic in instance.nics if nic.ip is None
            and filled_nicparams(cluster, nic)["mode"] != "routed" and "mode" not in nic.nicparams})
        if without:
            raise OpPrereqError("Cannot apply the change, routed NICs need an IP address; "
                                f"instances: {', '.join(without)}", ECODE_INVAL)
    return {"nicparams": {**cluster.nicparams, "default": new}}


def _node_parameters(ctx: OpContext, asked: Values) -> Values:
    return {"ndparams": changed_ndparams(ctx.snapshot.cluster.ndparams, asked)}


def _policy(ctx: OpContext, asked: Values) -> Values:
    return {"ipolicy": changed_ipolicy(ctx.snapshot.cluster.ipolicy, asked, of_group=False)}


def _allocator(ctx: OpContext, asked: str) -> Values:
    if asked and not ctx.host.has(IALLOCATORS, asked):
        raise OpPrereqError(f"Invalid default iallocator script '{asked}' specified", ECODE_INVAL)
    return {"default_iallocator": asked}


def _mac_prefix(ctx: OpContext, asked: str) -> Values:
    del ctx
    return {"mac_prefix": checked_mac_prefix(asked)}


def checked_mac_prefix(asked: str) -> str:
    """:raises OpPrereqError: it is none, or one of groups of cards (`ECODE_INVAL`)"""
    prefix = asked.lower()
    if not _MAC_PREFIX.fullmatch(prefix) or int(prefix[:2], 16) & 1:
        raise OpPrereqError(f"Invalid MAC address prefix '{asked}'", ECODE_INVAL)
    return prefix


def _netmask(ctx: OpContext, asked: int) -> Values:
    most = 32 if ctx.snapshot.cluster.primary_ip_family == 2 else 128
    if not 0 < asked <= most:
        raise OpPrereqError(f"CIDR netmask ({asked}) not valid", ECODE_INVAL)
    return {"master_netmask": asked}


def _wipe(ctx: OpContext, asked: bool) -> Values:  # a table's common form
    del ctx
    if asked:
        # To accept this and not to wipe would show one user's data to another.
        raise OpPrereqError("The parameter 'prealloc_wipe_disks' is not available in this version",
                            ECODE_INVAL)
    return {"prealloc_wipe_disks": False}


def _reserved_volumes(ctx: OpContext, asked: list[str]) -> Values:
    del ctx
    for pattern in asked:
        try:
            re.compile(pattern)
        except (re.error, OverflowError, RecursionError) as exc:
            raise OpPrereqError(f"Invalid pattern of reserved volumes '{pattern}': {exc}",
                                ECODE_INVAL) from exc
    return {"reserved_lvs": tuple(asked)}


def _compression(ctx: OpContext, asked: list[str]) -> Values:
    del ctx
    for tool in asked:
        if not _TOOL.fullmatch(tool):
            raise OpPrereqError(f"The compression tool name '{tool}' is not allowed", ECODE_INVAL)
    return {"compression_tools": tuple(dict.fromkeys(asked))}


def _collectors_enabled(ctx: OpContext, asked: Values) -> Values:
    return _collectors(ctx, {name: {"active": bool(value)} for name, value in asked.items()})


def _collectors_interval(ctx: OpContext, asked: Values) -> Values:
    for name, value in asked.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise OpPrereqError(f"Invalid interval {value!r} of the data collector {name}",
                                ECODE_INVAL)
    return _collectors(ctx, {name: {"interval": value} for name, value in asked.items()})


def _collectors(ctx: OpContext, asked: dict[str, Values]) -> Values:
    other = ctx.snapshot.cluster.other
    known = other.get("data_collectors", {})
    return {"other": {**other, "data_collectors": {
        **known, **{name: {**known.get(name, {}), **new} for name, new in asked.items()}}}}


_MAKERS: dict[str, Callable[[OpContext, Any], Values]] = {
    "candidate_pool_size": _pool_size, "beparams": _back_end, "nicparams": _network_cards,
    "ndparams": _node_parameters, "ipolicy": _policy, "default_iallocator": _allocator,
    "mac_prefix": _mac_prefix, "master_netmask": _netmask, "prealloc_wipe_disks": _wipe,
    "reserved_lvs": _reserved_volumes, "compression_tools": _compression,
    "enabled_data_collectors": _collectors_enabled,
    "data_collector_interval": _collectors_interval,
}


def _folder(ctx: OpContext, name: str, asked: str) -> Values:
    """A folder of disks; it stays while disks are in it, whose paths are those of today."""
    old = getattr(ctx.snapshot.cluster, name)
    check_folder(name, asked)
    if old and asked != old:
        inside = sum(any(isinstance(part, str) and part.startswith(f"{old}/")
                         for part in disk.logical_id) for disk in ctx.snapshot.disks.values())
        if inside:
            raise OpPrereqError(f"{name} cannot be changed: {inside} disk(s) are in {old}",
                                ECODE_STATE)
    return {name: asked}


def check_folder(name: str, asked: str) -> None:
    """:raises OpPrereqError: not a path that names one folder; none at all is fine"""
    path = PurePosixPath(asked)
    if asked and (not path.is_absolute() or ".." in path.parts or str(path) != asked):
        raise OpPrereqError(f"The path of {name} is not an absolute, normalized path: '{asked}'",
                            ECODE_INVAL)


def _user_ids(op: ClusterSetParams, ctx: OpContext) -> Values:
    """The pool of user ids: replaced, enlarged, then reduced."""
    if op.uid_pool is None and op.add_uids is None and op.remove_uids is None:
        return {}
    ids = _ids(ctx.snapshot.cluster.uid_pool if op.uid_pool is None else op.uid_pool)
    ids |= _ids(op.add_uids or ())
    missing = _ids(op.remove_uids or ()) - ids
    if missing:
        raise OpPrereqError(f"User-id {min(missing)} is not in the pool", ECODE_INVAL)
    return {"uid_pool": tuple(_ranges(ids - _ids(op.remove_uids or ())))}


def _ids(ranges: Iterable[Any]) -> set[int]:
    found: set[int] = set()
    for entry in ranges:
        match entry:
            case [int(low), int(high)] if 0 <= low <= high < 1 << 20:
                found |= set(range(low, high + 1))
            case _:
                raise OpPrereqError(f"Invalid user-id range {entry!r}", ECODE_INVAL)
    return found


def _ranges(ids: set[int]) -> Iterable[tuple[int, int]]:
    starts = sorted(uid for uid in ids if uid - 1 not in ids)
    ends = sorted(uid for uid in ids if uid + 1 not in ids)
    return zip(starts, ends, strict=True)


def _operating_systems(op: ClusterSetParams, ctx: OpContext) -> Values:
    """The lists of hidden and of blacklisted operating systems: (add or remove, name) each."""
    values: Values = {}
    for name in ("hidden_os", "blacklisted_os"):
        asked = getattr(op, name)
        if asked is None:
            continue
        known = list(getattr(ctx.snapshot.cluster, name))
        for entry in asked:
            match entry:
                case ["add", str(system)]:
                    if system in known:
                        ctx.info(f"OS {system} already in {name}, ignoring")
                    else:
                        known.append(system)
                case ["remove", str(system)]:
                    if system in known:
                        known.remove(system)
                    else:
                        ctx.info(f"OS {system} not found in {name}, ignoring")
                case _:
                    raise OpPrereqError(f"Invalid modification {entry!r} of {name}", ECODE_INVAL)
        values[name] = tuple(known)
    return values
