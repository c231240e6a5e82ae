"""Who belongs to the cluster: a list signed by its authority, so that anybody may bring it.

The list holds every node with the certificates that it may show, and whether they may command the
others (master candidates). It has a version, (epoch, serial of the configuration). A node accepts
a list from any caller, if the authority has signed it, and never one that is older than its own:
so a node that was away learns of the rightful master from whomever it meets first.
"""

from __future__ import annotations

import base64
import binascii
import json
import logging
import threading
from dataclasses import asdict, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

from ganeti_core.errors import AccessDenied
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.rpc.atomic import write_private

if TYPE_CHECKING:
    from pathlib import Path

    from ganeti_core.paths import Paths

log = logging.getLogger(__name__)

LARGEST = 1 << 20
"""Bytes of a signed list, as a plain node may send it: a node takes about 300."""


@dataclass(frozen=True)
class Member:
    """A node: where it listens, the fingerprints of certificates that it may show.

    :param candidate: whether who shows one of them may change nodes
    """

    uuid: str
    name: str
    address: str
    port: int
    certificates: tuple[str, ...]
    candidate: bool = False


@dataclass(frozen=True)
class MemberList:
    """All nodes of a cluster, as of one version of its configuration."""

    epoch: int = 0
    serial: int = 0
    members: tuple[Member, ...] = ()

    @property
    def version(self) -> tuple[int, int]:
        return self.epoch, self.serial

    @cached_property
    def certificates(self) -> frozenset[str]:
        """What a caller must show to be a node of the cluster."""
        return frozenset(found for member in self.members for found in member.certificates)

    @cached_property
    def candidates(self) -> frozenset[str]:
        """What a caller must show to change a node."""
        return frozenset(found for member in self.members if member.candidate
                         for found in member.certificates)

    def owner(self, fingerprint: str) -> str:
        """Return the uuid of the node that may show a certificate; empty where there is none."""
        return next((member.uuid for member in self.members
                     if fingerprint in member.certificates), "")

    def to_text(self) -> str:
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_text(cls, text: str) -> Self:
        """:raises ValueError: it is no such list"""
        try:
            data = json.loads(text)
            return cls(int(data["epoch"]), int(data["serial"]),
                       tuple(_member(entry) for entry in data["members"]))
        except (KeyError, TypeError, AttributeError, RecursionError) as exc:
            raise ValueError(f"no list of members: {exc!r}") from exc


def _member(entry: dict[str, Any]) -> Member:
    return Member(
        str(entry["uuid"]), str(entry["name"]), str(entry["address"]), int(entry["port"]),
        tuple(str(found) for found in entry["certificates"]), bool(entry["candidate"]))


def parts(text: str) -> tuple[str, bytes]:
    """Return the list as text and its signature, which is not checked.

    :raises AccessDenied: it has another form, or is too large
    """
    if len(text) > LARGEST:
        raise AccessDenied(f"a list of members of {len(text)} bytes, the largest is {LARGEST}")
    try:
        match json.loads(text):
            case {"list": str(body), "signature": str(signature)}:
                return body, base64.b64decode(signature, validate=True)
    except (ValueError, RecursionError, binascii.Error) as exc:
        raise AccessDenied(f"no signed list of members: {exc}") from exc
    raise AccessDenied("no signed list of members: it lacks the list or the signature")


@dataclass
class Members:
    """The list that this node holds; the file is read again when it was replaced."""

    file: Path
    authorities: Path
    _stamp: tuple[int, int] = (0, 0)
    _known: MemberList = MemberList()
    _text: str = ""
    _guard: threading.RLock = field(default_factory=threading.RLock)

    @classmethod
    def of(cls, paths: Paths) -> Members:
        return cls(members_file(paths), paths.ca_certificate)

    def known(self) -> MemberList:
        """The list; an empty one where the file is missing or damaged."""
        try:
            state = self.file.stat()
            if (stamp := (state.st_mtime_ns, state.st_ino)) != self._stamp:
                self._read(stamp)
        except (OSError, ValueError, AccessDenied) as exc:
            with self._guard:
                if self._stamp != (0, 0):
                    log.error("nobody may ask this node, %s cannot be read: %s", self.file, exc)
                self._known, self._text, self._stamp = MemberList(), "", (0, 0)
        return self._known

    def _read(self, stamp: tuple[int, int]) -> None:
        # Its signature was checked when it came; the authority may have been renewed since.
        with self._guard:
            text = self.file.read_text()
            self._known = MemberList.from_text(parts(text)[0])
            self._text, self._stamp = text, stamp

    def text(self) -> str:
        """The list as it was signed, for others; empty where there is none."""
        with self._guard:
            self.known()
            return self._text

    def newer(self, text: str) -> MemberList | None:
        """Check a signed list that somebody brought; None unless it is newer than the one here.

        One of the same version replaces the one here, too: the authority may be a new one, that
        has signed it again.

        :raises AccessDenied: it is not signed by the cluster's authority
        """
        # Most processes only read the list that is here, and cryptography takes long to load.
        from ganeti_core.rpc.member_signatures import checked

        found = checked(text, self.authorities.read_bytes())
        with self._guard:
            if found.version < self.known().version or text == self._text:
                return None
        return found

    def keep(self, found: MemberList, text: str) -> bool:
        """Write what `newer` gave; False when an even newer one has come meanwhile."""
        with self._guard:
            if found.version < self.known().version:
                return False
            write_private(self.file, text.encode())
            return True


def members_file(paths: Paths) -> Path:
    """Where a node keeps the list."""
    return paths.data / "members"
