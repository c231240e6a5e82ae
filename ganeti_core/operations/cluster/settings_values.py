"""Settings of the cluster that concern no driver: checked, and made into values of its fields."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from ganeti_core.errors import ECODE_INVAL, OpPrereqError
from ganeti_core.model.cluster import BEPARAMS_DEFAULTS
from ganeti_core.model.ganeti_settings import NICPARAMS_DEFAULTS
from ganeti_core.model.names import link_name, plain_name
from ganeti_core.model.params import fill, filled_nicparams
from ganeti_core.operations.communication import warn_of_network
from ganeti_core.operations.inherited import (
    changed_disk_state,
    changed_hv_state,
    changed_ipolicy,
    changed_ndparams,
    changed_nicparams,
)
from ganeti_core.operations.networking import needs_ip
from ganeti_core.operations.parameters import check_memory_bounds, checked_beparams, updated
from ganeti_core.plugin_api.collector import COLLECTORS
from ganeti_core.plugin_api.iallocator import IALLOCATORS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ganeti_core.opcodes.cluster import ClusterSetParams
    from ganeti_core.operations.cluster.settings_context import SettingsContext

Values = dict[str, Any]
MOST_JOBS = 1 << 16
MOST_TRACKED = 1 << 20
_MAC_PREFIX = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){2}")
_URL = re.compile(r"(https?|ftp)://[^\s/]+/\S*")
_TOOL = re.compile(r"[\w.+-]+", re.ASCII)


def plan(op: ClusterSetParams, ctx: SettingsContext) -> Values:
    """The new values of the fields that `op` names.

    :raises OpPrereqError: one makes no sense, or cannot change as things are
    :raises ValueRejected: a parameter is unknown or of the wrong type
    """
    values: Values = {}
    for name, make in _MAKERS.items():
        asked = getattr(op, name)
        if asked is not None:
            values |= make(ctx, asked)
    _check_allocator_parameters(op, ctx, values)
    return (values | _user_ids(op, ctx) | _operating_systems(op, ctx)
            | _collectors(op, ctx))


def _count(name: str, most: int) -> Callable[[SettingsContext, int], Values]:
    def checked(ctx: SettingsContext, asked: int) -> Values:
        del ctx
        if asked > most:
            raise OpPrereqError(f"Invalid value {asked} of {name}: at most {most} is possible",
                                ECODE_INVAL)
        return {name: asked}

    return checked


def _master_device(ctx: SettingsContext, asked: str) -> Values:
    del ctx
    return {"master_netdev": link_name(asked, is_device=True)}


def _back_end(ctx: SettingsContext, asked: Values) -> Values:
    given = _unwrapped(asked)
    old = ctx.snapshot.cluster.beparams
    new = updated(old.get("default", {}), given, checked_beparams(given))
    check_memory_bounds(fill(BEPARAMS_DEFAULTS, new))
    return {"beparams": {**old, "default": new}}


def _unwrapped(asked: Values) -> Values:
    """Parameters of the one profile there is, given with or without its name."""
    inner = asked.get("default")
    return inner if set(asked) == {"default"} and isinstance(inner, dict) else asked


def _network_cards(ctx: SettingsContext, asked: Values) -> Values:
    cluster = ctx.snapshot.cluster
    new = changed_nicparams(ctx.host, cluster.nicparams.get("default", {}), _unwrapped(asked))
    if needs_ip(ctx.host, fill(NICPARAMS_DEFAULTS, new)["mode"]):
        without = sorted({
            instance.name for instance in ctx.snapshot.instances.values()
            for nic in instance.nics if nic.ip is None
            and "mode" not in nic.nicparams
            and not needs_ip(ctx.host, filled_nicparams(cluster, nic)["mode"])})
        if without:
            raise OpPrereqError("Cannot apply the change, routed NICs need an IP address; "
                                f"instances: {', '.join(without)}", ECODE_INVAL)
    return {"nicparams": {**cluster.nicparams, "default": new}}


def _node_parameters(ctx: SettingsContext, asked: Values) -> Values:
    return {"ndparams": changed_ndparams(ctx.snapshot.cluster.ndparams, asked)}


def _hypervisor_states(ctx: SettingsContext, asked: Values) -> Values:
    old = ctx.snapshot.cluster.hv_state_static
    return {"hv_state_static": changed_hv_state(ctx.host, old, asked)}


def _disk_states(ctx: SettingsContext, asked: Values) -> Values:
    old = ctx.snapshot.cluster.disk_state_static
    return {"disk_state_static": changed_disk_state(ctx.host, old, asked)}


def _policy(ctx: SettingsContext, asked: Values) -> Values:
    return {"ipolicy": changed_ipolicy(
        ctx.host, ctx.snapshot.cluster.ipolicy, asked, of_group=False)}


def _allocator(ctx: SettingsContext, asked: str) -> Values:
    if asked and not ctx.host.has(IALLOCATORS, asked):
        raise OpPrereqError(
            f"Invalid default iallocator script '{asked}' specified (there are: "
            f"{', '.join(ctx.host.names(IALLOCATORS)) or 'none'})", ECODE_INVAL)
    return {"default_iallocator": asked}


def _check_allocator_parameters(op: ClusterSetParams, ctx: SettingsContext, values: Values) -> None:
    """:raises OpPrereqError: the default allocator does not know them (`ECODE_INVAL`)"""
    cluster = ctx.snapshot.cluster
    name = values.get("default_iallocator", cluster.default_iallocator)
    params = (cluster.default_iallocator_params if op.default_iallocator_params is None
              else op.default_iallocator_params)
    changed = op.default_iallocator is not None or op.default_iallocator_params is not None
    if changed and params and ctx.host.has(IALLOCATORS, name):
        ctx.host.check_parameters(IALLOCATORS, name, params)


def _mac_prefix(ctx: SettingsContext, asked: str) -> Values:
    del ctx
    return {"mac_prefix": checked_mac_prefix(asked)}


def checked_mac_prefix(asked: str) -> str:
    """:raises OpPrereqError: not such a value, or one of groups of cards (`ECODE_INVAL`)"""
    prefix = asked.lower()
    if not _MAC_PREFIX.fullmatch(prefix) or int(prefix[:2], 16) & 1:
        raise OpPrereqError(f"Invalid MAC address prefix '{asked}'", ECODE_INVAL)
    return prefix


def _netmask(ctx: SettingsContext, asked: int) -> Values:
    most = 32 if ctx.snapshot.cluster.primary_ip_family == 2 else 128
    if not 0 < asked <= most:
        raise OpPrereqError(f"CIDR netmask ({asked}) not valid", ECODE_INVAL)
    return {"master_netmask": asked}


def _wipe(ctx: SettingsContext, asked: bool) -> Values:
    del ctx
    return {"prealloc_wipe_disks": asked}


def _reserved_volumes(ctx: SettingsContext, asked: list[str]) -> Values:
    del ctx
    for pattern in asked:
        try:
            re.compile(pattern)
        except (re.error, OverflowError, RecursionError) as exc:
            raise OpPrereqError(f"Invalid pattern of reserved volumes '{pattern}': {exc}",
                                ECODE_INVAL) from exc
    return {"reserved_lvs": tuple(asked)}


def _compression(ctx: SettingsContext, asked: list[str]) -> Values:
    del ctx
    for tool in asked:
        if not _TOOL.fullmatch(tool):
            raise OpPrereqError(
                f"The compression tool name '{tool}' is not allowed: it must be the name of a "
                "program, without folders", ECODE_INVAL)
    if "gzip" not in asked:
        raise OpPrereqError("For compatibility reasons, the gzip utility must be present among the"
                            " compression tools", ECODE_INVAL)
    if "none" in asked:
        raise OpPrereqError("none is a reserved value used for no compression, and cannot be used"
                            " as the name of a tool", ECODE_INVAL)
    return {"compression_tools": tuple(dict.fromkeys(asked))}


def _communication(ctx: SettingsContext, asked: str) -> Values:
    if asked:
        plain_name("network", asked)
        warn_of_network(ctx, asked)
    return {"instance_communication_network": asked}


def _image(name: str, title: str) -> Callable[[SettingsContext, str], Values]:
    def checked(ctx: SettingsContext, asked: str) -> Values:
        del ctx
        if asked and not PurePosixPath(asked).is_absolute() and not _URL.fullmatch(asked):
            raise OpPrereqError(f"{title} must be an absolute path or a URL (http, https or ftp), "
                                f"not '{asked}'", ECODE_INVAL)
        return {name: asked}

    return checked


def _collectors(op: ClusterSetParams, ctx: SettingsContext) -> Values:
    """Which data collectors run, and how often: both are one setting of each collector."""
    asked: dict[str, Values] = {}
    for name in (*(op.enabled_data_collectors or ()), *(op.data_collector_interval or ())):
        if not ctx.host.has(COLLECTORS, name):
            there_are = ", ".join(ctx.host.names(COLLECTORS)) or "none"
            raise OpPrereqError(f"Unknown data collector '{name}' (there are: {there_are})",
                                ECODE_INVAL)
    for name, value in (op.enabled_data_collectors or {}).items():
        asked.setdefault(name, {})["active"] = bool(value)
    for name, value in (op.data_collector_interval or {}).items():
        if isinstance(value, bool) or not isinstance(value, int) or not (
                SHORTEST_INTERVAL <= value <= LONGEST_INTERVAL):
            raise OpPrereqError(
                f"Invalid interval {value!r} of the data collector {name}: it must be at least "
                f"{SHORTEST_INTERVAL} microseconds, and a year at most", ECODE_INVAL)
        asked.setdefault(name, {})["interval"] = value
    if not asked:
        return {}
    other = ctx.snapshot.cluster.other
    known = other.get("data_collectors", {})
    return {"other": {**other, "data_collectors": {
        **known, **{name: {**known.get(name, {}), **new} for name, new in asked.items()}}}}


SHORTEST_INTERVAL = 1_000_000
LONGEST_INTERVAL = 366 * 86_400 * SHORTEST_INTERVAL
"""Microseconds between two runs of a data collector."""
MOST_IDS = 1 << 20
"""User ids are below it."""

_MAKERS: dict[str, Callable[[SettingsContext, Any], Values]] = {
    "candidate_pool_size": _count("candidate_pool_size", MOST_JOBS),
    "max_running_jobs": _count("max_running_jobs", MOST_JOBS),
    "max_tracked_jobs": _count("max_tracked_jobs", MOST_TRACKED),
    "master_netdev": _master_device,
    "beparams": _back_end, "nicparams": _network_cards,
    "hv_state": _hypervisor_states, "disk_state": _disk_states,
    "ndparams": _node_parameters, "ipolicy": _policy, "default_iallocator": _allocator,
    "mac_prefix": _mac_prefix, "master_netmask": _netmask, "prealloc_wipe_disks": _wipe,
    "reserved_lvs": _reserved_volumes, "compression_tools": _compression,
    "instance_communication_network": _communication,
    "install_image": _image("install_image", "Install image"),
    "zeroing_image": _image("zeroing_image", "Zeroing image"),
}


def _user_ids(op: ClusterSetParams, ctx: SettingsContext) -> Values:
    """The pool of user ids: what is asked or was there, with what is added, without the removed."""
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
            case [int(low), int(high)] if 0 <= low <= high < MOST_IDS:
                found |= set(range(low, high + 1))
            case _:
                raise OpPrereqError(
                    f"Invalid user-id range {entry!r}: it is the first and the last id, from 0 to "
                    f"{MOST_IDS - 1}", ECODE_INVAL)
    return found


def _ranges(ids: set[int]) -> Iterable[tuple[int, int]]:
    starts = sorted(uid for uid in ids if uid - 1 not in ids)
    ends = sorted(uid for uid in ids if uid + 1 not in ids)
    return zip(starts, ends, strict=True)


def _operating_systems(op: ClusterSetParams, ctx: SettingsContext) -> Values:
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
