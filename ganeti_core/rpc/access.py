"""Who may ask a node for what, and which master is the current one."""

from __future__ import annotations

import threading
from dataclasses import field
from enum import Enum
from typing import TYPE_CHECKING

from ganeti_core.errors import AccessDenied, ConfigurationError, StaleEpoch
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.rpc.atomic import write_private
from ganeti_core.rpc.calls import HOOK, SERVICES

if TYPE_CHECKING:
    from pathlib import Path

    from ganeti_core.rpc.members import Members


class Role(Enum):
    """What a caller is.

    `ANONYMOUS` showed no certificate: it may only try to enrol. `UNLISTED` showed one that the
    cluster's authority has signed, but the list of members does not name: of a node that was
    removed, perhaps. It may ask nothing.
    """

    CANDIDATE = "master candidate"
    NODE = "node"
    UNLISTED = "no member"
    ANONYMOUS = "anonymous"


@dataclass(frozen=True)
class Caller:
    """The other end of a connection; `fingerprint` is empty without a certificate."""

    fingerprint: str
    address: str
    node_uuid: str = ""


def role_of(caller: Caller, members: Members) -> Role:
    """Return what `caller` is right now; TLS has checked that its certificate is the cluster's."""
    if not caller.fingerprint:
        return Role.ANONYMOUS
    known = members.known()
    if caller.fingerprint in known.candidates:
        return Role.CANDIDATE
    return Role.NODE if caller.fingerprint in known.certificates else Role.UNLISTED


NOT_LISTED = "its certificate is not in the list of the cluster's nodes"


def open_to_all_nodes(service: str) -> bool:
    """Whether a plain node may ask for `service`."""
    known = SERVICES.get(service)
    return known is not None and known.any_node


def check_access(role: Role, service: str) -> None:
    """:raises AccessDenied: `role` may not ask for `service`"""
    if role is Role.CANDIDATE or (role is Role.NODE and open_to_all_nodes(service)):
        return
    if role is Role.UNLISTED:
        raise AccessDenied(f"the caller may ask nothing: {NOT_LISTED}")
    wanted = "a hook" if service == HOOK else service
    raise AccessDenied(
        f"only a master candidate may ask for {wanted}; the caller's certificate is not in the "
        "list of this node")


@dataclass
class Epochs:
    """The highest epoch that this node has seen, durable: older masters may change nothing."""

    file: Path
    _highest: int | None = None
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def highest(self) -> int:
        with self._guard:
            return self._load()

    def _load(self) -> int:
        if self._highest is None:
            try:
                self._highest = int(self.file.read_text())
            except FileNotFoundError:
                self._highest = 0
            except ValueError as exc:
                raise ConfigurationError(
                    f"{self.file} is damaged, no master is obeyed: {exc}") from exc
        return self._highest

    def admit(self, epoch: int) -> None:
        """Let a changing call of `epoch` pass; a newer one is remembered before it acts.

        :raises StaleEpoch: a newer master was here
        """
        with self._guard:
            highest = self._load()
            if epoch < highest:
                raise StaleEpoch(
                    f"this node follows a newer master (epoch {highest}, the call has {epoch})")
            if epoch > highest:
                write_private(self.file, f"{epoch}\n".encode())
                self._highest = epoch

    def raise_to(self, epoch: int) -> None:
        """Remember that a master of `epoch` was seen, unless a newer one was."""
        with self._guard:
            if epoch > self._load():
                write_private(self.file, f"{epoch}\n".encode())
                self._highest = epoch
