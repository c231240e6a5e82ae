"""From options to settings of the cluster: the same way when it is made and when it is modified."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ganeti_core.cli.cluster.ganeti_names import PARAMETERS
from ganeti_core.cli.failure import wrong_input
from ganeti_core.cli.policy import given_policy, split_policy
from ganeti_core.cli.typed import (
    backend_parameters,
    convert,
    disk_parameters,
    disk_state,
    driver_settings,
    hypervisor_parameters,
    node_parameters,
)
from ganeti_core.cli.values import parse_number

if TYPE_CHECKING:
    from ganeti_core.cli.session import Session

_AS_GIVEN = (
    "candidate_pool_size", "max_running_jobs", "max_tracked_jobs", "install_image",
    "instance_communication_network", "mac_prefix", "master_netdev",
    "maintain_node_health", "default_iallocator", "default_iallocator_params",
    "prealloc_wipe_disks", "use_external_mip_script", "modify_etc_hosts",
    "enabled_user_shutdown", "zeroing_image", "job_queue_files", *PARAMETERS,
)
_LISTS = ("enabled_hypervisors", "enabled_disk_templates", "compression_tools", "reserved_lvs")
_USERS = ("uid_pool", "add_uids", "remove_uids")


def _users(text: str | None) -> list[list[int]] | None:
    """Read user ids and ranges, ``1000,2000-2010``."""
    if text is None:
        return None
    ranges = []
    for part in text.split(",") if text else []:
        low, _, high = part.partition("-")
        try:
            ranges.append([int(low), int(high or low)])
        except ValueError as exc:
            raise wrong_input(f"Invalid user-id value: '{part}'") from exc
    return ranges


def _parameters(session: Session) -> dict[str, Any]:
    options = session.options
    nicparams = {}
    if options.nicparams:
        info = session.cluster_info()
        nicparams = {"default": convert(options.nicparams, info["nicparams"]["default"])}
    backend = backend_parameters(session, options.beparams)
    found = {
        "settings": driver_settings(session, options.driver_settings),
        "beparams": backend,
        "nicparams": nicparams,
        "ndparams": node_parameters(session, options.ndparams),
        "hvparams": {name: hypervisor_parameters(session, parameters or {}, name)
                     for name, parameters in options.hvparams},
        "diskparams": disk_parameters(session, options.diskparams),
        "ipolicy": given_policy(session) | split_policy(session),
        "hv_state": dict(options.hv_state),
        "disk_state": disk_state(options.disk_state),
    }
    return {name: value for name, value in found.items() if value}


def _collectors(session: Session) -> dict[str, Any]:
    """Read which data collectors run, and how often: seconds become microseconds."""
    options = session.options
    found: dict[str, Any] = {}
    if session.option("enabled_data_collectors"):
        found["enabled_data_collectors"] = {
            name: _switch(name, value)
            for name, value in options.enabled_data_collectors.items()}
    if session.option("data_collector_interval"):
        found["data_collector_interval"] = {
            name: _interval(name, value)
            for name, value in options.data_collector_interval.items()}
    return found


def _interval(name: str, value: Any) -> int:
    """Read seconds; give microseconds.

    :raises errors.OpPrereqError: it is no number
    """
    try:
        return round(parse_number(value) * 1_000_000)
    except (TypeError, ValueError) as exc:
        raise wrong_input(f"Invalid interval of data collector {name}: '{value}' is no number of"
                          " seconds") from exc


_SWITCH = {**dict.fromkeys(("yes", "true", "on"), True),
           **dict.fromkeys(("no", "false", "off"), False)}


def _switch(name: str, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if str(value).lower() not in _SWITCH:
        raise wrong_input(f"The data collector {name} cannot be '{value}': it can be yes or no "
                          "(also true and false, on and off)")
    return _SWITCH[str(value).lower()]


def given_settings(session: Session) -> dict[str, Any]:
    """Collect the parameters of OP_CLUSTER_SET_PARAMS that the options ask for, with types.

    :raises errors.OpPrereqError: one cannot be read
    """
    found: dict[str, Any] = {name: session.option(name) for name in _AS_GIVEN}
    for name in _LISTS:
        text = session.option(name)
        found[name] = None if text is None else text.split(",") if text else []
    found |= {name: _users(session.option(name)) for name in _USERS}
    if session.options.master_netmask is not None:
        found["master_netmask"] = _netmask(session.options.master_netmask)
    given = {name: value for name, value in found.items() if value is not None}
    return given | _parameters(session) | _collectors(session)


def _netmask(text: str) -> int:
    try:
        return int(text)
    except ValueError as exc:
        raise wrong_input(f"The netmask must be a number of bits: '{text}'") from exc
