"""The signed list of the cluster's members, as the master makes it of the configuration."""

from __future__ import annotations

import threading
from dataclasses import field
from typing import TYPE_CHECKING

from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.operations.ssconf import candidates_of
from ganeti_core.rpc.certs import Authority
from ganeti_core.rpc.member_signatures import signed
from ganeti_core.rpc.members import Member, MemberList

if TYPE_CHECKING:
    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.paths import Paths


def members_of(snapshot: Snapshot) -> tuple[Member, ...]:
    """Every node; while certificates are renewed, with the old and the new one."""
    candidates = {node.uuid for node in candidates_of(snapshot)}
    return tuple(
        Member(node.uuid, node.name, node.primary_ip, node.port,
               tuple(found for found in (node.fingerprint, *node.renewing) if found),
               node.uuid in candidates)
        for node in sorted(snapshot.nodes.values(), key=lambda node: node.uuid))


@dataclass
class Roster:
    """Signs the list, anew only when it changes: its text says whether a node has it."""

    paths: Paths
    _signed: tuple[MemberList, Authority | None, str] = (MemberList(), None, "")
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def signed(self, snapshot: Snapshot) -> str:
        """The list of a configuration, or of a newer one that was asked for before.

        :raises ConfigurationError: this host does not have the authority's key
        """
        wanted = MemberList(snapshot.epoch, snapshot.serial, members_of(snapshot))
        authority = Authority.load(self.paths)
        with self._guard:
            last, signer, text = self._signed
            is_known = (wanted.epoch, wanted.members) == (last.epoch, last.members)
            if signer == authority and (is_known or wanted.version < last.version):
                return text
            newest = max(last, wanted, key=lambda found: found.version)
            text = signed(newest, authority)
            self._signed = newest, authority, text
            return text
