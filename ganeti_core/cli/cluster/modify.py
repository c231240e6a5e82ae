"""``gnt-cluster modify`` and ``rename``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ganeti_core.cli import options as opt
from ganeti_core.cli.cluster.settings import SETTINGS
from ganeti_core.cli.confirm import ask
from ganeti_core.cli.failure import EXIT_FAILURE, CommandError, wrong_input
from ganeti_core.cli.policy import given_policy
from ganeti_core.cli.session import Command
from ganeti_core.cli.typed import (
    backend_parameters,
    convert,
    disk_parameters,
    hypervisor_parameters,
    node_parameters,
)
from ganeti_core.cli.waiting import submit

if TYPE_CHECKING:
    from ganeti_core.cli.session import Session

_AS_GIVEN = (
    "candidate_pool_size", "max_running_jobs", "max_tracked_jobs", "install_image",
    "instance_communication_network", "mac_prefix", "master_netdev", "vg_name",
    "maintain_node_health", "drbd_helper", "default_iallocator", "default_iallocator_params",
    "prealloc_wipe_disks", "use_external_mip_script", "modify_etc_hosts",
    "enabled_user_shutdown", "file_storage_dir", "shared_file_storage_dir", "zeroing_image",
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
        info = session.client.query_cluster_info()
        nicparams = {"default": convert(options.nicparams, info["nicparams"]["default"])}
    backend = backend_parameters(session, options.beparams)
    found = {
        "beparams": backend,
        "nicparams": nicparams,
        "ndparams": node_parameters(session, options.ndparams),
        "hvparams": {name: hypervisor_parameters(session, parameters or {}, name)
                     for name, parameters in options.hvparams},
        "diskparams": disk_parameters(session, options.diskparams),
        "ipolicy": given_policy(session),
        "hv_state": dict(options.hv_state),
        "disk_state": dict(options.disk_state),
    }
    return {name: value for name, value in found.items() if value}


def _collectors(session: Session) -> dict[str, Any]:
    """Read which data collectors run, and how often: seconds become microseconds."""
    options = session.options
    found: dict[str, Any] = {}
    if options.enabled_data_collectors:
        found["enabled_data_collectors"] = {
            name: value not in ("no", "false", False)
            for name, value in options.enabled_data_collectors.items()}
    if options.data_collector_interval:
        try:
            found["data_collector_interval"] = {
                name: round(float(value) * 1_000_000)
                for name, value in options.data_collector_interval.items()}
        except (TypeError, ValueError) as exc:
            raise wrong_input(f"Invalid interval of a data collector: {exc}") from exc
    return found


def _changes(session: Session) -> dict[str, Any]:
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


def _modify(session: Session, _arguments: list[str]) -> int:
    changes = _changes(session)
    if not changes:
        raise CommandError("Please give at least one of the parameters.")
    submit(session, session.opcode("OP_CLUSTER_SET_PARAMS", force=session.options.force,
                                   **changes))
    return 0


def _rename(session: Session, arguments: list[str]) -> int:
    (old,) = session.client.query_config_values(["cluster_name"])
    if not session.options.force and not ask(
            f"This will rename the cluster '{old}' to '{arguments[0]}'; while the master's address"
            " changes, connections to it are lost. Continue?"):
        return EXIT_FAILURE
    result = submit(session, session.opcode("OP_CLUSTER_RENAME", name=arguments[0]))
    if result:
        print(f"Cluster renamed from '{old}' to '{result}'")
    return 0


COMMANDS = {
    "modify": Command(_modify, "[<opts>...]", options=(
        opt.FORCE, opt.DRY_RUN, opt.PRIORITY, *opt.SUBMITTING, *SETTINGS,
        opt.value("--max-running-jobs", dest="max_running_jobs", type="int",
                  help="Most jobs that run at a time"),
        opt.value("--max-tracked-jobs", dest="max_tracked_jobs", type="int",
                  help="Most running jobs that the scheduler watches"),
        opt.value("--instance-communication-network", dest="instance_communication_network",
                  help="Network for the channels between instances and their nodes"),
        opt.value("--add-uids", dest="add_uids", help="User ids to add to the pool"),
        opt.value("--remove-uids", dest="remove_uids", help="User ids to take from the pool"),
        opt.value("--reserved-lvs", dest="reserved_lvs",
                  help="Logical volumes to leave alone, patterns separated by commas"),
        opt.value("--modify-etc-hosts", dest="modify_etc_hosts", type="bool", metavar="yes|no",
                  help="Whether /etc/hosts of the nodes is kept up to date"),
        opt.value("--enabled-data-collectors", dest="enabled_data_collectors", type="keyval",
                  default={}, help="Data collectors that run: name=yes,..."),
        opt.value("--data-collector-interval", dest="data_collector_interval", type="keyval",
                  default={}, help="Seconds between two collections: name=n,..."))),
    "rename": Command(_rename, "<new-name>", 1, 1, (opt.FORCE, opt.DRY_RUN)),
}
