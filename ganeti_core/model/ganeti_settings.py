"""The names that Ganeti has for settings of the whole cluster which belong to single drivers.

Here such settings are in one table (`Cluster.settings`) under the names that drivers declare. Those
below have a place in Ganeti's own formats: parameters of an opcode, keys of ``config.data`` and of
the cluster's description, files of ``ssconf``. They are kept where no driver declares them, too.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ganeti_core.lazy_dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class GanetiSetting:
    """One of them.

    :param name: in all that is read
    :param parameter: of ``OP_CLUSTER_SET_PARAMS``
    :param title: for people
    :param is_folder: a folder of the nodes
    :param field: title and documentation of the field of listings, if there is one
    :param unusable: the code of verify for nodes on which it cannot be used
    """

    name: str
    parameter: str
    title: str
    is_folder: bool = False
    field: tuple[str, str] | None = None
    unusable: str = ""

    @property
    def empty(self) -> str | None:
        """What Ganeti says where it is not set."""
        return "" if self.is_folder else None


GANETI_SETTINGS = (
    GanetiSetting("volume_group_name", "vg_name", "LVM volume group",
                  field=("VgName", "LVM volume group name"), unusable="ENODELVM"),
    GanetiSetting("drbd_usermode_helper", "drbd_helper", "DRBD usermode helper"),
    GanetiSetting("file_storage_dir", "file_storage_dir", "Folder of disks in files",
                  is_folder=True, unusable="ENODEFILESTORAGEPATHUNUSABLE"),
    GanetiSetting("shared_file_storage_dir", "shared_file_storage_dir",
                  "Folder of disks in shared files", is_folder=True,
                  unusable="ENODESHAREDFILESTORAGEPATHUNUSABLE"),
    GanetiSetting("gluster_storage_dir", "gluster_storage_dir", "Folder of disks on Gluster",
                  is_folder=True, unusable="ENODEGLUSTERSTORAGEPATHUNUSABLE"),
)
SETTING_OF = {setting.parameter: setting.name for setting in GANETI_SETTINGS}
"""By parameter of the opcode: the name of the setting."""
LISTED = tuple(setting for setting in GANETI_SETTINGS if setting.field)
"""Those that listings have as fields."""


NICPARAMS_DEFAULTS: Mapping[str, Any] = MappingProxyType(
    {"link": "br0", "mode": "bridged", "vlan": ""})
"""What a network card has where neither it nor the cluster says anything."""


def other_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Those of a cluster's settings for which Ganeti has no place."""
    known = set(SETTING_OF.values())
    return {name: value for name, value in settings.items() if name not in known}

COMMUNICATION_MODE = "routed"
"""The mode of the network for the communication with instances, where Ganeti makes it."""
