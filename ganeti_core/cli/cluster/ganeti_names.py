"""What Ganeti's commands call settings of single drivers: old options, and titles of ``info``."""

from __future__ import annotations

from ganeti_core.cli import options as opt

FILE_FOLDER = opt.value("--file-storage-dir", dest="file_storage_dir", metavar="DIR",
                        help="Where file disks are")
SHARED_FOLDER = opt.value("--shared-file-storage-dir", dest="shared_file_storage_dir",
                          metavar="SHAREDDIR", help="Where shared file disks are")
MOUNT_FOLDER = opt.value("--gluster-storage-dir", dest="gluster_storage_dir",
                           metavar="GLUSTERDIR", help="Where Gluster volumes are mounted")
VOLUME_GROUP = opt.value("--vg-name", dest="vg_name", metavar="VG",
                         help="LVM volume group for disks")
MIRROR_HELPER = opt.value("--drbd-usermode-helper", dest="drbd_helper",
                          help="Program that DRBD calls")
PARAMETERS = tuple(spec.attributes["dest"] for spec in (
    VOLUME_GROUP, MIRROR_HELPER, FILE_FOLDER, SHARED_FOLDER, MOUNT_FOLDER))
"""Of OP_CLUSTER_SET_PARAMS; each option sets the one of its own name."""

VOLUME_TITLES = (("lvm volume group", "volume_group_name"),)
OTHER_TITLES = (
    ("drbd usermode helper", "drbd_usermode_helper"),
    ("file storage path", "file_storage_dir"),
    ("shared file storage path", "shared_file_storage_dir"),
    ("gluster storage path", "gluster_storage_dir"),
)
SHOWN = frozenset(name for _, name in (*VOLUME_TITLES, *OTHER_TITLES))
"""Settings that have a title of their own."""
