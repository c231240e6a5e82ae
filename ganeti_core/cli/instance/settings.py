"""Options that several commands about instances share."""

from __future__ import annotations

from ganeti_core.cli.options import (
    BEPARAMS,
    IALLOCATOR,
    IGNORE_IPOLICY,
    NODE_GROUP,
    choice,
    flag,
    repeated,
    value,
)

DISK_TEMPLATES = ["plain", "sharedfile", "rbd", "ext", "diskless", "gluster", "drbd", "file",
                  "blockdev"]
FILE_DRIVERS = ["loop", "blktap", "blktap2"]

# A choice list would refuse the templates of further plugins: the master knows them.
DISK_TEMPLATE = value("-t", "--disk-template", dest="disk_template", metavar="TEMPL",
                      help=f"Disk template ({', '.join(DISK_TEMPLATES)} or one of a plugin)")
DISKS = repeated("--disk", dest="disks", help="Disk information, INDEX:size=SIZE,...")
NICS = repeated("--net", dest="nics", help="NIC parameters, INDEX:link=NAME,...")
FILE_STORAGE_DIR = value("--file-storage-dir", dest="file_storage_dir", metavar="<DIR>",
                         help="Relative path under default cluster-wide file storage dir")
FILE_DRIVER = choice("--file-driver", dest="file_driver", metavar="<DRIVER>",
                     choices=FILE_DRIVERS, help="Driver to use for image files")
OS_TYPE = value("-o", "--os-type", dest="os", metavar="<os>", help="What OS to run")
FORCE_VARIANT = flag("--force-variant", dest="force_variant",
                     help="Force an unknown variant")
OS_PARAMS = value("-O", "--os-parameters", dest="osparams", type="keyval", default={},
                  help="OS parameters")
OS_PRIVATE = value("--os-parameters-private", dest="osparams_private", type="keyval", default={},
                   help="Private OS parameters (kept, and not shown)")
OS_SECRET_PARAMS = value("--os-parameters-secret", dest="osparams_secret", type="keyval",
                         default={}, help="Secret OS parameters (won't be saved or logged)")
OS_SECRET = (OS_TYPE, FORCE_VARIANT, OS_PARAMS, OS_PRIVATE, OS_SECRET_PARAMS)
NO_CONFLICTS = flag("--no-conflicts-check", dest="conflicts_check", off=True,
                    help="Don't check for conflicting IPs")
NO_WAIT = flag("--no-wait-for-sync", dest="wait_for_sync", off=True,
               help="Don't wait for sync (DANGEROUS!)")
NO_NAME_CHECK = flag("--no-name-check", dest="name_check", off=True,
                     help="Don't check that the instance's name is resolvable")
NO_IP_CHECK = flag("--no-ip-check", dest="ip_check", off=True,
                   help="Don't check that the instance's IP is alive")
COMMUNICATION = value("-c", "--communication", dest="instance_communication", type="bool",
                      help="Whether to enable instance communication")

PLACEMENT = (
    value("-n", "--node", dest="node", metavar="<pnode>[:<snode>]",
          help="Target node(s) for the new instance"),
    NODE_GROUP, IALLOCATOR, IGNORE_IPOLICY,
    flag("--opportunistic-locking", dest="opportunistic_locking",
         help="Opportunistically acquire locks"),
)

CREATION_OPTIONS = (
    BEPARAMS, DISKS, NICS, FILE_STORAGE_DIR, FILE_DRIVER, NO_CONFLICTS, NO_WAIT, NO_NAME_CHECK,
    NO_IP_CHECK, COMMUNICATION,
    value("-H", "--hypervisor-parameters", dest="hypervisor", type="identkeyval",
          help="Hypervisor and hypervisor options, in the format hypervisor:option=value,..."),
    flag("--no-nics", dest="no_nics", help="Do not create any network cards for the instance"),
    value("-s", "--os-size", dest="sd_size", metavar="<size>", type="unit",
          help="Disk size for a single-disk configuration, when not using the --disk option (in"
               " MiB unless a suffix is used)"),
    value("--tags", dest="tags", help="Comma-separated list of tags"),
    flag("--no-start", dest="start", off=True, help="Do not start the instance after creation"),
    flag("--no-install", dest="no_install", help="Do not install the OS"),
    flag("--forthcoming", dest="forthcoming", help="Only reserve the resources"),
    flag("--commit", dest="commit", help="Make a forthcoming instance a real one"),
    value("--helper-startup-timeout", dest="helper_startup_timeout", type="int",
          help="Startup timeout for the helper VM"),
    value("--helper-shutdown-timeout", dest="helper_shutdown_timeout", type="int",
          help="Shutdown timeout for the helper VM"),
)

TARGET_NODE = value("-n", "--target-node", dest="dst_node", metavar="NODE",
                    help="Target node")
NO_RUNTIME_CHANGES = flag("--no-runtime-changes", dest="allow_runtime_chgs", off=True,
                          help="Don't allow runtime changes")
MIGRATION_MODE = (
    flag("--non-live", dest="live", off=True,
         help="Do a non-live migration (this usually means freeze the instance, save the state,"
              " transfer and only then resume running on the secondary node)"),
    choice("--migration-mode", dest="migration_mode", choices=["live", "non-live"],
           help="Override default migration mode (choose either live or non-live)"),
)
