"""Options for the settings of a cluster, the same when it is made and when it is modified."""

from __future__ import annotations

from ganeti_core.cli import options as opt
from ganeti_core.cli.cluster import ganeti_names
from ganeti_core.cli.policy import POLICY_LIMITS

NO_SSH_KEYS = "this cluster keeps no ssh keys"

SETTINGS: tuple[opt.OptionSpec, ...] = (
    opt.BEPARAMS,
    opt.value("-C", "--candidate-pool-size", dest="candidate_pool_size", type="positive",
              help="How many nodes hold a copy of the configuration"),
    opt.value("--enabled-hypervisors", dest="enabled_hypervisors",
              help="Hypervisors, separated by commas; the first is the default"),
    ganeti_names.FILE_FOLDER,
    opt.HYPERVISOR_DEFAULTS,
    opt.value("-m", "--mac-prefix", dest="mac_prefix", metavar="PREFIX",
              help="First three bytes of the instances' MAC addresses"),
    opt.value("--master-netdev", dest="master_netdev", metavar="NETDEV",
              help="Network device of the master's address"),
    opt.value("--master-netmask", dest="master_netmask", metavar="NETMASK",
              help="Length of the prefix of the master's address"),
    opt.value("-N", "--nic-parameters", dest="nicparams", type="keyval", default={},
              help="Defaults for network cards: key=value,..."),
    ganeti_names.VOLUME_GROUP,
    opt.value("--maintain-node-health", dest="maintain_node_health", type="bool",
              metavar="yes|no",
              help="The watcher of a node that is marked offline ends the guests there"),
    opt.value("--uid-pool", dest="uid_pool",
              help="Users that guests run as, each as one of its own: 2000-2099,3000"),
    ganeti_names.MIRROR_HELPER,
    opt.value("-I", "--default-iallocator", dest="default_iallocator", metavar="<NAME>",
              help="Allocator that chooses nodes unless told otherwise"),
    opt.value("--default-iallocator-params", dest="default_iallocator_params", type="keyval",
              help="Parameters of the default allocator: key=value,..."),
    opt.value("--prealloc-wipe-disks", dest="prealloc_wipe_disks", type="bool",
              metavar="yes|no", help="Overwrite new disks"),
    opt.NDPARAMS,
    ganeti_names.SHARED_FOLDER,
    opt.value("--use-external-mip-script", dest="use_external_mip_script", type="bool",
              metavar="yes|no", help="A script of yours brings the master's address up and down"),
    opt.DISK_PARAMS, opt.HV_STATE, opt.DISK_STATE,
    opt.value("--enabled-disk-templates", dest="enabled_disk_templates",
              help="Disk templates, separated by commas"),
    opt.value("--install-image", dest="install_image",
              help="Image of the helper guest that runs OS definitions that are not trusted: a "
                   "path on the nodes, or a URL"),
    opt.value("--zeroing-image", dest="zeroing_image",
              help="Image of the helper guest that overwrites what is free on disks (gnt-backup "
                   "export --zero-free-space): a path on the nodes, or a URL"),
    opt.value("--compression-tools", dest="compression_tools",
              help="Compression programs, separated by commas"),
    opt.value("--user-shutdown", dest="enabled_user_shutdown", type="bool",
              help="A guest that shuts itself down stays down"),
    opt.value("--job-queue-files", dest="job_queue_files", type="bool", metavar="yes|no",
              help="Keep files of jobs beside the database, for programs that read them"),
    opt.value("--ipolicy-std-specs", dest="ipolicy_std_specs", type="keyval",
              help="The standard instance: key=value,..."),
    *POLICY_LIMITS,
    opt.value("--driver-settings", dest="driver_settings", type="keyval", default={},
              help="Settings of the whole cluster that drivers declare: name=value,..."),
)
