"""Data collectors: processors, disks, guests, pressure on the node; the cluster, on its master."""

from .cluster import ClusterState
from .cpu import CpuAvgLoad
from .disks import DiskStats
from .drbd import DrbdStatus
from .instances import InstanceStatus, XenInstanceStatus
from .jobs import JobQueue
from .lvm import LogicalVolumes
from .master import MasterFigures
from .node_status import NodeStatus
from .pressure import NodePressure
from .usage import InstanceUsage
from .xen_cpu import XenCpuAvgLoad

__all__ = ["ClusterState", "CpuAvgLoad", "DiskStats", "DrbdStatus", "InstanceStatus",
           "InstanceUsage", "JobQueue", "LogicalVolumes", "MasterFigures", "NodePressure",
           "NodeStatus", "XenCpuAvgLoad", "XenInstanceStatus"]
