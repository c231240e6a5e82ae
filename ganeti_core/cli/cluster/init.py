"""``gnt-cluster init``: makes a cluster of this host; there is no master yet to ask."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ganeti_core.cli import options as opt
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
                     help=f"{what} specs: list of key=value, where key is one of min, max, std")


_OPTIONS = (
    opt.BEPARAMS,
    opt.value("-C", "--candidate-pool-size", dest="candidate_pool_size", type="int",
              help="Set the candidate pool size"),
    opt.value("--enabled-hypervisors", dest="enabled_hypervisors",
              help="Comma-separated list of hypervisors"),
    opt.value("--file-storage-dir", dest="file_storage_dir", metavar="DIR",
              help="Specify the default directory (cluster-wide) for storing the file-based"
                   " disks"),
    opt.repeated("-H", "--hypervisor-parameters", dest="hvparams",
                 help="Hypervisor parameters, in the format hypervisor:option=value,..."),
    opt.value("-m", "--mac-prefix", dest="mac_prefix", metavar="PREFIX",
              help="Specify the mac prefix for the instance MAC addresses"),
    opt.value("--master-netdev", dest="master_netdev", metavar="NETDEV",
              help="Specify the node interface (cluster-wide) on which the master IP address"
                   " will be added"),
    opt.value("--master-netmask", dest="master_netmask", metavar="NETMASK",
              help="Specify the netmask of the master IP"),
    opt.value("-N", "--nic-parameters", dest="nicparams", type="keyval", default={},
              help="NIC parameters"),
    opt.flag("--no-etc-hosts", dest="modify_etc_hosts", off=True, help="Don't modify /etc/hosts"),
    opt.flag("--no-ssh-init", dest="modify_ssh_setup", off=True,
             help="Don't initialize SSH keys"),
    opt.value("-s", "--secondary-ip", dest="secondary_ip", metavar="ADDRESS",
              help="Specify the secondary ip for the node"),
    opt.value("--vg-name", dest="vg_name", metavar="VG",
              help="Enables LVM and specifies the volume group name (cluster-wide) for disk"
                   " allocation and enables lvm based storage"),
    opt.value("--maintain-node-health", dest="maintain_node_health", type="bool",
              metavar="yes|no", help="Configure the cluster to automatically maintain node"
                                     " health, by shutting down unknown instances, shutting"
                                     " down unknown DRBD devices, etc."),
    opt.value("--uid-pool", dest="uid_pool", help="A list of user-ids or user-id ranges"),
    opt.value("--drbd-usermode-helper", dest="drbd_helper", help="Specifies usermode helper"),
    opt.value("-I", "--default-iallocator", dest="default_iallocator", metavar="<NAME>",
              help="Set the default instance allocator plugin"),
    opt.value("--default-iallocator-params", dest="default_iallocator_params", type="keyval",
              help="iallocator template parameters"),
    opt.value("--primary-ip-version", dest="primary_ip_version", metavar="4|6", default="4",
              help="Cluster-wide IP version for primary IP"),
    opt.value("--prealloc-wipe-disks", dest="prealloc_wipe_disks", type="bool",
              metavar="yes|no", help="Wipe disks prior to instance creation"),
    opt.NDPARAMS,
    opt.value("--shared-file-storage-dir", dest="shared_file_storage_dir", metavar="SHAREDDIR",
              help="Specify the default directory (cluster-wide) for storing the shared"
                   " file-based disks"),
    opt.value("--gluster-storage-dir", dest="gluster_storage_dir", metavar="GLUSTERDIR",
              help="Specify the default directory (cluster-wide) for mounting Gluster file"
                   " systems"),
    opt.value("--use-external-mip-script", dest="use_external_mip_script", type="bool",
              metavar="yes|no", help="Specify whether to run a user-provided script for the"
                                     " master IP address turnup and turndown operations"),
    opt.DISK_PARAMS, opt.HV_STATE, opt.DISK_STATE,
    opt.value("--enabled-disk-templates", dest="enabled_disk_templates",
              help="Comma-separated list of disk templates"),
    opt.value("--install-image", dest="install_image",
              help="The OS image to use for running the OS scripts safely"),
    opt.value("--zeroing-image", dest="zeroing_image",
              help="The OS image to use to zero instance disks"),
    opt.value("--compression-tools", dest="compression_tools",
              help="Comma-separated list of compression tools"),
    opt.value("--user-shutdown", dest="enabled_user_shutdown", type="bool",
              help="Whether user shutdown is enabled"),
    opt.value("--ssh-key-bits", dest="ssh_key_bits", type="int",
              help="Length of SSH keys generated by Ganeti, in bits"),
    opt.choice("--ssh-key-type", dest="ssh_key_type", choices=["dsa", "ecdsa", "rsa"],
               help="Type of SSH keys deployed by Ganeti for cluster actions"),
    opt.value("--ipolicy-std-specs", dest="ipolicy_std_specs", type="keyval",
              help="Complete standard instance specs"),
    opt.value("--ipolicy-bounds-specs", dest="ipolicy_bounds_specs", type="bounds",
              help="Complete instance specs limits: min:key=n,.../max:key=n,...[//...]"),
    opt.value("--ipolicy-disk-templates", dest="ipolicy_disk_templates", type="list",
              help="Comma-separated list of enabled disk templates"),
    opt.value("--ipolicy-vcpu-ratio", dest="ipolicy_vcpu_ratio", type="maybefloat",
              help="The maximum allowed vcpu-to-cpu ratio"),
    opt.value("--ipolicy-spindle-ratio", dest="ipolicy_spindle_ratio", type="maybefloat",
              help="The maximum allowed instances to spindle ratio"),
    _ispecs("--specs-cpu-count", "ispecs_cpu_count", "CPU count"),
    _ispecs("--specs-disk-count", "ispecs_disk_count", "Disk count"),
    _ispecs("--specs-disk-size", "ispecs_disk_size", "Disk size"),
    _ispecs("--specs-mem-size", "ispecs_mem_size", "Memory size"),
    _ispecs("--specs-nic-count", "ispecs_nic_count", "NIC count"),
)

COMMANDS = {"init": Command(_init, "[<opts>...] <cluster-name>", 1, 1, _OPTIONS)}
