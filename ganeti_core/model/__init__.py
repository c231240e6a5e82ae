"""What a cluster *is*: frozen values without behaviour beyond their own consistency, and no I/O."""

from .cluster import Cluster, NodeGroup
from .filters import FilterRule
from .instance import AdminState, Disk, Instance, Nic
from .network import Network
from .node import Node, NodeRole
from .objects import KINDS, ConfigObject, ObjectKind, new_uuid
from .params import fill

__all__ = [
    "KINDS",
    "AdminState",
    "Cluster",
    "ConfigObject",
    "Disk",
    "FilterRule",
    "Instance",
    "Network",
    "Nic",
    "Node",
    "NodeGroup",
    "NodeRole",
    "ObjectKind",
    "fill",
    "new_uuid",
]
