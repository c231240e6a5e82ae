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

FILE_DRIVERS = ["loop", "blktap", "blktap2"]

# No choice list: which templates there are, the master knows.
DISK_TEMPLATE = value("-t", "--disk-template", dest="disk_template", metavar="TEMPL",
                      help="Disk template; gnt-cluster info shows those that are enabled")
DISKS = repeated("--disk", dest="disks", help="A disk: INDEX:size=SIZE,key=value,...")
NICS = repeated("--net", dest="nics", help="A network card: INDEX:link=NAME,ip=ADDRESS,...")
FILE_STORAGE_DIR = value("--file-storage-dir", dest="file_storage_dir", metavar="<DIR>",
                         help="Folder for file disks, below the cluster's")
FILE_DRIVER = choice("--file-driver", dest="file_driver", metavar="<DRIVER>",
                     choices=FILE_DRIVERS, help="How image files are attached")
OS_TYPE = value("-o", "--os-type", dest="os", metavar="<os>",
                help="OS definition, NAME or NAME+VARIANT")
FORCE_VARIANT = flag("--force-variant", dest="force_variant",
                     help="Take a variant that the OS definition does not list")
OS_PARAMS = value("-O", "--os-parameters", dest="osparams", type="keyval", default={},
                  help="Parameters of the OS definition: key=value,...")
OS_PRIVATE = value("--os-parameters-private", dest="osparams_private", type="keyval", default={},
                   help="The same, kept but not shown")
OS_SECRET_PARAMS = value("--os-parameters-secret", dest="osparams_secret", type="keyval",
                         default={}, help="The same, used once and kept nowhere")
OS_PARAMETERS = (OS_PARAMS, OS_PRIVATE, OS_SECRET_PARAMS)
OS_SECRET = (OS_TYPE, FORCE_VARIANT, *OS_PARAMETERS)
NO_CONFLICTS = flag("--no-conflicts-check", dest="conflicts_check", off=True,
                    help="Do not check whether addresses are in use")
NO_WAIT = flag("--no-wait-for-sync", dest="wait_for_sync", off=True,
               help="Do not wait until mirrors are in sync (dangerous)")
NO_NAME_CHECK = flag("--no-name-check", dest="name_check", off=True,
                     help="The instance's name need not resolve")
NO_IP_CHECK = flag("--no-ip-check", dest="ip_check", off=True,
                   help="Do not check whether the instance's address answers already")
COMMUNICATION = value("-c", "--communication", dest="instance_communication", type="bool",
                      metavar="yes|no",
                      help="Whether the instance has a channel to its node: a card on the "
                           "cluster's instance communication network")

PLACEMENT = (
    value("-n", "--node", dest="node", metavar="<pnode>[:<snode>]",
          help="Primary node, and secondary where disks are mirrored"),
    NODE_GROUP, IALLOCATOR, IGNORE_IPOLICY,
    flag("--opportunistic-locking", dest="opportunistic_locking",
         help="Take those nodes whose locks are free"),
)

COMMON_CREATION_OPTIONS = (
    BEPARAMS, DISKS, NICS, FILE_STORAGE_DIR, FILE_DRIVER, NO_CONFLICTS, NO_WAIT, NO_NAME_CHECK,
    NO_IP_CHECK,
    value("-H", "--hypervisor-parameters", dest="hypervisor", type="identkeyval",
          help="Hypervisor with its parameters: name:key=value,..."),
    flag("--no-nics", dest="no_nics", help="No network card at all"),
    value("-s", "--os-size", dest="sd_size", metavar="<size>", type="unit",
          help="One disk of this size, instead of --disk"),
    value("--tags", dest="tags", help="Tags, separated by commas"),
)
HELPER_TIMEOUTS = (
    value("--helper-startup-timeout", dest="helper_startup_timeout", type="natural",
          help="Seconds for the helper guest to start, which installs an OS that is not trusted; "
               "300 unless told otherwise"),
    value("--helper-shutdown-timeout", dest="helper_shutdown_timeout", type="natural",
          help="Seconds until it must have installed and shut down; 7200 unless told otherwise"),
)
CREATION_OPTIONS = (
    *COMMON_CREATION_OPTIONS, COMMUNICATION,
    flag("--no-start", dest="start", off=True, help="Leave the new instance stopped"),
    flag("--no-install", dest="no_install", help="Leave the disks empty; "
         "the instance is started all the same, unless --no-start says otherwise"),
    flag("--forthcoming", dest="forthcoming", help="Only reserve what the instance will need"),
    flag("--commit", dest="commit", help="Create an instance that was only reserved"),
    *HELPER_TIMEOUTS,
)

TARGET_NODE = value("-n", "--target-node", dest="dst_node", metavar="NODE",
                    help="Where the instance goes")
NO_RUNTIME_CHANGES = flag("--no-runtime-changes", dest="allow_runtime_chgs", off=True,
                          help="The instance's memory may not be changed on the way")
MIGRATION_MODE = (
    flag("--non-live", dest="live", off=True,
         help="Stop the instance, move its state, let it go on"),
    choice("--migration-mode", dest="migration_mode", choices=["live", "non-live"],
           help="live or non-live, instead of the hypervisor's default"),
)
