"""The kinds of configuration objects, by the name under which the store keeps them."""

from __future__ import annotations

import uuid as uuid_module
from typing import Literal

from .base import ConfigObject
from .cluster import Cluster, NodeGroup
from .filters import FilterRule
from .instance import Disk, Instance
from .network import Network
from .node import Node

ObjectKind = Literal["cluster", "nodegroup", "node", "instance", "disk", "network", "filter"]

KINDS: dict[ObjectKind, type[ConfigObject]] = {
    "cluster": Cluster,
    "nodegroup": NodeGroup,
    "node": Node,
    "instance": Instance,
    "disk": Disk,
    "network": Network,
    "filter": FilterRule,
}

__all__ = ["KINDS", "ConfigObject", "ObjectKind", "new_uuid"]


def new_uuid() -> str:
    """Make a random UUID in the usual text form."""
    return str(uuid_module.uuid4())
