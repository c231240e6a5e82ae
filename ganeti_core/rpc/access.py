"""Who may ask a node for what, and which master is the current one."""

from __future__ import annotations

import json
import logging
import threading
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from ganeti_core.errors import AccessDenied, ConfigurationError, StaleEpoch
from ganeti_core.rpc.atomic import write_private
from ganeti_core.rpc.calls import HOOK, SERVICES
from ganeti_core.rpc.certs import candidates_file

if TYPE_CHECKING:
    from pathlib import Path

    from ganeti_core.paths import Paths

log = logging.getLogger(__name__)


class Role(Enum):
    """What a caller is. `ANONYMOUS` showed no certificate: it may only try to enrol."""

    CANDIDATE = "master candidate"
    NODE = "node"
    ANONYMOUS = "anonymous"


@dataclass(frozen=True)
class Caller:
    """The other end of a connection; `fingerprint` is empty without a certificate."""

    fingerprint: str
    address: str
    node_uuid: str = ""


@dataclass
class Candidates:
    """The certificates of master candidates; the file is read again when it was replaced."""

    file: Path
    _stamp: tuple[int, int] = (0, 0)
    _known: frozenset[str] = frozenset()

    @classmethod
    def of(cls, paths: Paths) -> Candidates:
        return cls(candidates_file(paths))

    def __contains__(self, fingerprint: str) -> bool:
        return fingerprint in self.known()

    def known(self) -> frozenset[str]:
        """The fingerprints; none where the file is missing or damaged."""
        try:
            state = self.file.stat()
            if (stamp := (state.st_mtime_ns, state.st_ino)) != self._stamp:
                self._known = _fingerprints(self.file.read_text())
                self._stamp = stamp
        except (OSError, ValueError) as exc:
            if self._stamp != (0, 0):
                log.error("nobody may change this node, %s cannot be read: %s", self.file, exc)
            self._known, self._stamp = frozenset(), (0, 0)
        return self._known


def _fingerprints(text: str) -> frozenset[str]:
    """:raises ValueError: it is no list of texts"""
    match json.loads(text):
        case [*items] if all(isinstance(item, str) for item in items):
            return frozenset(items)
    raise ValueError("no list of fingerprints")


def role_of(caller: Caller, candidates: Candidates) -> Role:
    """Tell what `caller` is right now; TLS has checked that its certificate is the cluster's."""
    if not caller.fingerprint:
        return Role.ANONYMOUS
    return Role.CANDIDATE if caller.fingerprint in candidates else Role.NODE


def check_access(role: Role, service: str) -> None:
    """:raises AccessDenied: `role` may not ask for `service`"""
    if role is Role.CANDIDATE:
        return
    known = SERVICES.get(service)
    if role is Role.NODE and known is not None and known.any_node:
        return
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
