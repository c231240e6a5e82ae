"""``gnt-cluster init``: makes a cluster of this host; there is no master yet to ask."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ganeti_core.cli import options as opt
from ganeti_core.cli.cluster.settings import SETTINGS
from ganeti_core.cli.failure import wrong_input
from ganeti_core.cli.session import Command
from ganeti_core.cli.typed import MEMORY, convert
from ganeti_core.cli.waiting import submit

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from ganeti_core.cli.session import Session

_NOT_NEEDED = frozenset({"debug", "reason", "modify_etc_hosts", "modify_ssh_setup"})
"""Options that ask to leave alone what a cluster never touches."""


def _init(session: Session, arguments: list[str]) -> int:
    from ganeti_core.bootstrap import local_daemons
    from ganeti_core.bootstrap.init import InitOptions, init_cluster

    given = _given(session, InitOptions.__dataclass_fields__)
    init_cluster(session.paths,
                 InitOptions.from_options({**given, "cluster_name": arguments[0]}))
    for daemon in (local_daemons.NODED, local_daemons.MASTERD):
        local_daemons.start(session.paths, daemon)
    submit(session, session.opcode("OP_CLUSTER_POST_INIT"))
    return 0


def _given(session: Session, known: Collection[str]) -> dict[str, Any]:
    """Collect what was given, with types.

    :raises errors.OpPrereqError: an option asks for something that is not there
    """
    given = {dest: value for dest, value in vars(session.options).items()
             if dest not in _NOT_NEEDED and value not in (None, {}, [])}
    if given.get("primary_ip_version") == "4":
        del given["primary_ip_version"]
    missing = [spec.names[-1] for spec in _OPTIONS
               if spec.attributes["dest"] in given and spec.attributes["dest"] not in known]
    if missing:
        raise wrong_input(f"Not supported by this release: {', '.join(missing)}")
    return {**given, **_typed(given)}


def _typed(given: Mapping[str, Any]) -> dict[str, Any]:
    """Give parameters their types; without a master the defaults are asked here."""
    from ganeti_core.model.cluster import BEPARAMS_DEFAULTS, NDPARAMS_DEFAULTS, NICPARAMS_DEFAULTS

    typed = {
        "beparams": convert(given.get("beparams", {}), BEPARAMS_DEFAULTS, MEMORY),
        "nicparams": convert(given.get("nicparams", {}), NICPARAMS_DEFAULTS),
        "ndparams": convert(given.get("ndparams", {}), NDPARAMS_DEFAULTS),
    }
    memory = typed["beparams"].pop("memory", None)
    if memory is not None:
        typed["beparams"] |= {"minmem": memory, "maxmem": memory}
    return {**typed, "hvparams": _hypervisor_parameters(given.get("hvparams", []))}


def _hypervisor_parameters(given: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    if not given:
        return {}
    from ganeti_core.plugin_api.hypervisor import HYPERVISORS
    from ganeti_core.plugins import PluginHost

    host = PluginHost()
    host.load()
    return {name: convert(parameters or {}, host.defaults(HYPERVISORS, name))
            for name, parameters in given}


def _ispecs(name: str, dest: str, what: str) -> opt.OptionSpec:
    return opt.value(name, dest=dest, type="keyval", default={},
                     help=f"{what}: min=n,max=n,std=n")


_OPTIONS = (
    *SETTINGS,
    opt.flag("--no-etc-hosts", dest="modify_etc_hosts", off=True,
             help="Accepted for compatibility: /etc/hosts is never changed"),
    opt.flag("--no-ssh-init", dest="modify_ssh_setup", off=True,
             help="Accepted for compatibility: no ssh keys are made"),
    opt.value("-s", "--secondary-ip", dest="secondary_ip", metavar="ADDRESS",
              help="Address of the node in the network for replication"),
    opt.value("--primary-ip-version", dest="primary_ip_version", metavar="4|6", default="4",
              help="IP version of the nodes' addresses"),
    opt.value("--gluster-storage-dir", dest="gluster_storage_dir", metavar="GLUSTERDIR",
              help="Where Gluster volumes are mounted"),
    opt.value("--ssh-key-bits", dest="ssh_key_bits", type="int",
              help="Bits of ssh keys"),
    opt.choice("--ssh-key-type", dest="ssh_key_type", choices=["dsa", "ecdsa", "rsa"],
               help="Kind of ssh keys"),
    _ispecs("--specs-cpu-count", "ispecs_cpu_count", "CPU count"),
    _ispecs("--specs-disk-count", "ispecs_disk_count", "Disk count"),
    _ispecs("--specs-disk-size", "ispecs_disk_size", "Disk size"),
    _ispecs("--specs-mem-size", "ispecs_mem_size", "Memory size"),
    _ispecs("--specs-nic-count", "ispecs_nic_count", "NIC count"),
)

COMMANDS = {"init": Command(_init, "[<opts>...] <cluster-name>", 1, 1, _OPTIONS)}
