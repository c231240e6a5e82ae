"""How a host becomes a node: a one-time token for a signed certificate.

The token and the fingerprint of the cluster's authority reach the host by ssh, or locally. The
host makes its own key, asks the master's node daemon for the authority's certificate, compares
its fingerprint, and only then, over a connection that the authority vouches for, shows the token
with a request for its own certificate. Nobody in between ever sees the token.

A node daemon serves callers without certificate only while a token is outstanding.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import json
import logging
import os
import secrets
import ssl
import threading
import time
from collections import deque
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ganeti_core.errors import AccessDenied, ConfigurationError
from ganeti_core.model.objects import new_uuid
from ganeti_core.rpc import certs, wire
from ganeti_core.rpc.access import Candidates, Epochs
from ganeti_core.rpc.atomic import write_atomically, write_private
from ganeti_core.rpc.connection import Connection, Peer, encode
from ganeti_core.rpc.identity import NodeIdentity, identity_file
from ganeti_core.rpc.pyro import configure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ganeti_core.model import Node
    from ganeti_core.paths import Paths
    from ganeti_core.rpc.access import Caller

TOKEN_SECONDS = 1800.0
WRONG_ALLOWED = 5
WRONG_SECONDS = 60.0
"""Within this time so many wrong tokens are heard; then nobody's is."""
CALL_SECONDS = 10.0
AUTHORITY = "enrol.authority"
ENROL = "enrol"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Token:
    """What is kept of a token: never the token itself.

    `name` and `node_uuid`, where given, bind it to one host, such as a node that comes back.
    """

    digest: str
    expires: float
    name: str = ""
    node_uuid: str = ""


def tokens_file(paths: Paths) -> Path:
    return paths.data / "enrol-tokens.json"


def make_token(
    paths: Paths, *, name: str = "", node_uuid: str = "", now: Callable[[], float] = time.time
) -> str:
    """Make a token that lets one host enrol within half an hour; run it where the master is."""
    token = secrets.token_urlsafe(24)
    with _tokens(paths, now()) as tokens:
        tokens.append(Token(_digest(token), now() + TOKEN_SECONDS, name, node_uuid))
    return token


def enrol_info(paths: Paths, master: Node, known: Node | None = None) -> dict[str, str]:
    """Make a token and tell what a new host needs: ``token``, ``ca_fingerprint``, ``master``.

    :param known: the node that comes back: only its host may use the token, and it keeps its uuid
    """
    name, uuid = (known.name, known.uuid) if known else ("", "")
    address = f"[{master.primary_ip}]" if ":" in master.primary_ip else master.primary_ip
    return {
        "token": make_token(paths, name=name, node_uuid=uuid),
        "ca_fingerprint": certs.fingerprint_of(paths.ca_certificate),
        "master": f"{address}:{master.port}",
    }


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


@contextmanager
def _tokens(paths: Paths, now: float) -> Iterator[list[Token]]:
    """The tokens that have not expired; what the caller leaves in the list is written back."""
    file = tokens_file(paths)
    lock = os.open(file.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        tokens = [token for token in _read_tokens(file) if token.expires > now]
        before = list(tokens)
        yield tokens
        if tokens != before or not tokens:
            write_private(file, json.dumps([asdict(token) for token in tokens]).encode())
    finally:
        os.close(lock)


def _read_tokens(file: Path) -> list[Token]:
    try:
        return [Token(**entry) for entry in json.loads(file.read_text())]
    except FileNotFoundError:
        return []
    except (ValueError, TypeError) as exc:
        log.error("%s is damaged, its tokens are lost: %s", file, exc)
        return []


@dataclass
class Enrolment:
    """The master's side: answers callers that have no certificate yet."""

    paths: Paths
    now: Callable[[], float] = time.time
    _wrong: deque[float] = field(default_factory=deque)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def is_open(self) -> bool:
        """Whether anybody is expected at all."""
        return self.paths.ca_key.exists() and any(
            token.expires > self.now() for token in _read_tokens(tokens_file(self.paths)))

    def answer(self, caller: Caller, service: str, args: dict[str, Any]) -> dict[str, Any]:
        """Answer one request.

        :raises AccessDenied: another service is asked for, or the token is not good
        """
        if service == AUTHORITY:
            return {"ca": self.paths.ca_certificate.read_text()}
        if service != ENROL:
            raise AccessDenied("without a certificate one may only enrol")
        match args:
            case {"token": str(token), "csr": str(request), "name": str(name)}:
                return self._enrol(caller, token, request, name)
        raise AccessDenied("enrolment needs token, csr and name")

    def _enrol(self, caller: Caller, token: str, request: str, name: str) -> dict[str, Any]:
        granted = self._consume(token, name, caller)
        node_uuid = granted.node_uuid or new_uuid()
        certificate = certs.sign_request(self.paths, request, node_uuid, name)
        log.info("host %s at %s enrolled as node %s", name, caller.address, node_uuid)
        return {
            "certificate": certificate,
            "ca": self.paths.ca_certificate.read_text(),
            "node_uuid": node_uuid,
            "cluster_name": _cluster_name(self.paths),
            "candidates": sorted(Candidates.of(self.paths).known()),
            "epoch": Epochs(self.paths.epoch).highest(),
        }

    def _consume(self, token: str, name: str, caller: Caller) -> Token:
        """Take the token out of the list: it works once.

        :raises AccessDenied: it is unknown, expired, used, or another host's
        """
        self._check_rate()
        digest = _digest(token)
        with _tokens(self.paths, self.now()) as tokens:
            for known in tokens:
                if hmac.compare_digest(known.digest, digest) and known.name in ("", name):
                    tokens.remove(known)
                    return known
        with self._guard:
            self._wrong.append(self.now())
        log.warning("host %s at %s showed a wrong token", name, caller.address)
        raise AccessDenied("the token is unknown, has expired or was used: ask for a new one")

    def _check_rate(self) -> None:
        with self._guard:
            while self._wrong and self._wrong[0] < self.now() - WRONG_SECONDS:
                self._wrong.popleft()
            if len(self._wrong) >= WRONG_ALLOWED:
                raise AccessDenied("too many wrong tokens were shown: try again in a minute")


def _cluster_name(paths: Paths) -> str:
    try:
        return (paths.ssconf / "ssconf_cluster_name").read_text().strip()
    except FileNotFoundError:
        return ""


def enrol(
    paths: Paths, identity: NodeIdentity, master: tuple[str, int], ca_fingerprint: str,
    token: str, *, force: bool = False,
) -> NodeIdentity:
    """Make this host a node; answers its identity, with the uuid that the cluster gave it.

    :param identity: name, address and port of this host; its uuid is not known yet
    :param force: even if this host is a node already
    :raises ConfigurationError: it is a node, or the authority is not the one expected
    :raises GanetiError: the master refused, or cannot be reached; nothing was written
    """
    if identity_file(paths).exists() and not force:
        raise ConfigurationError(
            f"this host is a node already, says {identity_file(paths)}")
    configure()
    authority = str(_ask(master, None, AUTHORITY, {})["ca"])
    found = certs.fingerprint(_der(authority))
    if not hmac.compare_digest(found, ca_fingerprint.strip().lower().replace(":", "")):
        raise ConfigurationError(
            f"at {master[0]}:{master[1]} answers a cluster with the authority {found}, not "
            f"{ca_fingerprint}: nothing was told to it")
    key, request = certs.make_request(identity.name)
    granted = _ask(master, authority, ENROL, {
        "token": token, "csr": request, "name": identity.name,
        "address": identity.address, "port": identity.port})
    return _write(paths, identity, key, granted)


def _der(certificate: str) -> bytes:
    try:
        return ssl.PEM_cert_to_DER_cert(certificate)
    except ValueError as exc:
        raise ConfigurationError(f"the master sent no certificate: {exc}") from exc


def _ask(
    master: tuple[str, int], authority: str | None, service: str, args: dict[str, Any]
) -> dict[str, Any]:
    """Make one call without a certificate of our own; `authority` must vouch for the master."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    if authority is None:
        # Nothing is told on this connection, and what it tells is checked by its fingerprint.
        context.verify_mode = ssl.CERT_NONE
    else:
        context.load_verify_locations(cadata=authority)
    connection = Connection.open(Peer("", "of the master", *master), context)
    try:
        connection.ask(encode((service, args, "", 0, "", CALL_SECONDS)), CALL_SECONDS)
        found: dict[str, Any] = wire.unwrap(connection.answer())
        return found
    finally:
        connection.close()


def _write(
    paths: Paths, identity: NodeIdentity, key: bytes, granted: dict[str, Any]
) -> NodeIdentity:
    paths.make_directories()
    write_private(paths.node_key, key)
    write_atomically(paths.node_certificate, str(granted["certificate"]).encode(), 0o644)
    write_atomically(paths.ca_certificate, str(granted["ca"]).encode(), 0o644)
    certs.write_candidates(paths, granted["candidates"])
    write_private(paths.epoch, f"{int(granted['epoch'])}\n".encode())
    node = replace(identity, uuid=str(granted["node_uuid"]))
    # Last: with this file the host is a node.
    node.save(paths)
    return node
