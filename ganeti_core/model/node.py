"""A node: a host of the cluster."""

from __future__ import annotations

from dataclasses import field
from enum import Enum

from ganeti_core.lazy_dataclass import dataclass

from .base import ConfigObject, Params


class NodeRole(Enum):
    """What a node is, in one letter, as listings show it."""

    MASTER = "M"
    CANDIDATE = "C"
    REGULAR = "R"
    DRAINED = "D"
    OFFLINE = "O"


@dataclass(frozen=True, kw_only=True)
class Node(ConfigObject):
    """A host.

    :param group: uuid of its node group
    :param drained: no new instances; `offline`: not asked for anything
    :param port: of its node daemon; differs from node to node only on a virtual cluster
    :param fingerprint: SHA-256 of its certificate, hex; a caller that shows it is this node
    :param renewing: fingerprints of certificates that it may show instead, while they are renewed
    """

    name: str
    group: str
    primary_ip: str
    secondary_ip: str = ""
    master_candidate: bool = False
    drained: bool = False
    offline: bool = False
    master_capable: bool = True
    vm_capable: bool = True
    powered: bool = True
    port: int = 1811
    fingerprint: str = ""
    renewing: tuple[str, ...] = ()
    ndparams: Params = field(default_factory=dict)
    hv_state_static: Params = field(default_factory=dict)
    disk_state_static: Params = field(default_factory=dict)
    other: Params = field(default_factory=dict)

    def role(self, master: str) -> NodeRole:
        """Return the node's role; `master` is the uuid of the master node."""
        if self.uuid == master:
            return NodeRole.MASTER
        if self.offline:
            return NodeRole.OFFLINE
        if self.drained:
            return NodeRole.DRAINED
        return NodeRole.CANDIDATE if self.master_candidate else NodeRole.REGULAR

    @property
    def takes_instances(self) -> bool:
        """Whether new instances may be put here."""
        return self.vm_capable and not self.offline and not self.drained
