"""How a host becomes a node: a one-time token for a signed certificate.

The token and the fingerprints of the master's certificate and of the cluster's authority reach the
host by ssh, or locally. The host makes its own key, asks the master's node daemon for the
authority's certificate, and compares both fingerprints. Only then, over a connection to exactly
that certificate, it shows the token with a request for a certificate of its own. Nobody else ever
sees the token, whatever certificate of the cluster he has. What the master then sends must be
signed by the authority that was checked.

A node daemon serves callers without certificate only while a token is outstanding.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import re
import secrets
import ssl
import time
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from ganeti_core.bootstrap import local_daemons
from ganeti_core.errors import AccessDenied, ConfigurationError
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.model.objects import new_uuid
from ganeti_core.node.services.cluster_files import remove_cluster_data
from ganeti_core.pid_file import is_held
from ganeti_core.rpc import certs, wire
from ganeti_core.rpc.access import Epochs
from ganeti_core.rpc.atomic import exclusive, write_atomically, write_private
from ganeti_core.rpc.connection import Connection, Peer, encode
from ganeti_core.rpc.identity import NodeIdentity, identity_file
from ganeti_core.rpc.member_signatures import checked
from ganeti_core.rpc.members import Members, members_file
from ganeti_core.rpc.pyro import configure
from ganeti_core.rpc.tls import fingerprint, fingerprint_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from ganeti_core.model import Node
    from ganeti_core.paths import Paths
    from ganeti_core.rpc.access import Caller

TOKEN_SECONDS = 1800.0
CALL_SECONDS = 10.0
AUTHORITY = "enrol.authority"
ENROL = "enrol"

_CERTIFICATE = re.compile("-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}")

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
    """Make a token; return what a new host needs.

    That is ``token``, ``ca_fingerprint``, ``master`` and ``master_fingerprint``.

    :param known: the node that comes back: only its host may use the token, and it keeps its uuid
    """
    name, uuid = (known.name, known.uuid) if known else ("", "")
    address = f"[{master.primary_ip}]" if ":" in master.primary_ip else master.primary_ip
    return {
        "token": make_token(paths, name=name, node_uuid=uuid),
        "ca_fingerprint": fingerprint_of(paths.ca_certificate),
        "master": f"{address}:{master.port}",
        "master_fingerprint": fingerprint_of(paths.node_certificate),
    }


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


@contextmanager
def _tokens(paths: Paths, now: float) -> Iterator[list[Token]]:
    """The tokens that have not expired; what the caller leaves in the list is written back."""
    file = tokens_file(paths)
    with exclusive(file):
        tokens = [token for token in _read_tokens(file) if token.expires > now]
        before = list(tokens)
        yield tokens
        if tokens != before or not tokens:
            write_private(file, json.dumps([asdict(token) for token in tokens]).encode())


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

    def is_open(self) -> bool:
        """Whether anybody is expected at all."""
        return self.paths.ca_key.exists() and any(
            token.expires > self.now() for token in _read_tokens(tokens_file(self.paths)))

    def answer(self, caller: Caller, service: str, args: dict[str, Any]) -> dict[str, Any]:
        """Return one request.

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
        if not _NAME.fullmatch(name):
            raise AccessDenied(f"'{name[:255]}' cannot be the name of a node: letters, digits, "
                               "'.', '_' and '-' can")
        with _tokens(self.paths, self.now()) as tokens:
            granted = self._find(tokens, token, name, caller)
            node_uuid = granted.node_uuid or new_uuid()
            certificate = certs.sign_request(self.paths, request, node_uuid, name)
            # Now, and not before: who asked wrongly may ask again.
            tokens.remove(granted)
        log.info("host %s at %s enrolled as node %s", name, caller.address, node_uuid)
        return {
            "certificate": certificate,
            "ca": self.paths.ca_certificate.read_text(),
            "node_uuid": node_uuid,
            "cluster_name": _cluster_name(self.paths),
            "members": Members.of(self.paths).text(),
            "epoch": Epochs(self.paths.epoch).highest(),
        }

    def _find(self, tokens: list[Token], token: str, name: str, caller: Caller) -> Token:
        """Find what a token grants; it works once.

        How many are tried does not matter: nobody guesses 192 bits.

        :raises AccessDenied: it is unknown, expired, used, or another host's
        """
        digest = _digest(token)
        for known in tokens:
            if hmac.compare_digest(known.digest, digest) and known.name in ("", name):
                return known
        log.warning("host %s at %s showed a wrong token", name, caller.address)
        raise AccessDenied("the token is unknown, has expired or was used: ask for a new one")


def _cluster_name(paths: Paths) -> str:
    try:
        return (paths.ssconf / "ssconf_cluster_name").read_text().strip()
    except FileNotFoundError:
        return ""


@dataclass(frozen=True)
class Master:
    """Where a host enrols, and whom it trusts there.

    :param fingerprint: of the only certificate that is shown the token
    :param authority: fingerprint of the cluster's authority
    """

    address: str
    port: int
    fingerprint: str
    authority: str

    @property
    def peer(self) -> Peer:
        return Peer("", "of the master", self.address, self.port, _hex(self.fingerprint))


def enrol(
    paths: Paths, identity: NodeIdentity, master: Master, token: str, *, force: bool = False,
) -> NodeIdentity:
    """Make this host a node; return its identity, with the uuid that the cluster gave it.

    :param identity: name, address and port of this host; its uuid is not known yet
    :param force: even if this host is a node already; of what it had of another cluster nothing
        stays, and daemons that serve that one are ended
    :raises ConfigurationError: it is a node, the authority is not the one expected, or has not
        signed what the master sent, or the host is the master of another cluster
    :raises NodeUnreachable: the master cannot be reached, or another certificate answers there
    :raises GanetiError: the master refused; nothing was written
    """
    if identity_file(paths).exists() and not force:
        raise ConfigurationError(
            f"this host is a node already, says {identity_file(paths)}")
    if not re.fullmatch("[0-9a-f]{64}", _hex(master.fingerprint)):
        raise ConfigurationError(f"'{master.fingerprint}' is no fingerprint of a certificate: "
                                 "64 hexadecimal digits are")
    configure()
    authority = str(_ask(master, None, AUTHORITY, {})["ca"])
    found = fingerprint(_der(authority))
    if not hmac.compare_digest(found, _hex(master.authority)):
        raise ConfigurationError(
            f"at {master.address}:{master.port} answers a cluster with the authority {found}, not "
            f"{master.authority}: nothing was told to it")
    is_others = _belongs_to_others(paths, authority)
    if is_others and is_held(paths.daemon_pid(local_daemons.MASTERD)):
        raise ConfigurationError(
            "the master daemon of another cluster runs on this host: end that cluster first "
            "(gnt-cluster destroy), or make another of its nodes the master")
    key, request = certs.make_request(identity.name)
    granted = _ask(master, authority, ENROL, {
        "token": token, "csr": request, "name": identity.name,
        "address": identity.address, "port": identity.port})
    uuid = str(granted["node_uuid"])
    certs.check_issued(str(granted["certificate"]), authority, key, uuid)
    members = checked(str(granted["members"]), authority.encode())
    if is_others:
        _leave(paths)
    return _write(paths, replace(identity, uuid=uuid), key, {
        paths.node_certificate: str(granted["certificate"]), paths.ca_certificate: authority,
        members_file(paths): str(granted["members"]),
        paths.epoch: f"{max(members.epoch, int(granted['epoch']))}\n"})


def _belongs_to_others(paths: Paths, authority: str) -> bool:
    """Whether this host is, or was, a node of a cluster with another authority."""
    try:
        known = paths.ca_certificate.read_text()
    except FileNotFoundError:
        return False
    # While the authority is renewed there are two.
    return not set(_CERTIFICATE.findall(known)) & set(_CERTIFICATE.findall(authority))


def _leave(paths: Paths) -> None:
    """Forget another cluster: what its masters have told, such as their epochs and whose copies
    are old, would count for more than what the new master tells.

    :raises OpExecError: a daemon does not end; nothing was removed
    """
    for daemon in (local_daemons.RAPI, local_daemons.CONFD, local_daemons.MOND,
                   local_daemons.NODED):
        local_daemons.stop(paths, daemon)
    remove_cluster_data(paths)


def _hex(fingerprint: str) -> str:
    return fingerprint.strip().lower().replace(":", "")


def _der(certificate: str) -> bytes:
    try:
        return ssl.PEM_cert_to_DER_cert(certificate)
    except ValueError as exc:
        raise ConfigurationError(f"the master sent no certificate: {exc}") from exc


def _ask(
    master: Master, authority: str | None, service: str, args: dict[str, Any]
) -> dict[str, Any]:
    """Make one call without a certificate of our own, to exactly the master's.

    :param authority: must vouch for the master, too; None: it is asked for just now
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    if authority is None:
        context.verify_mode = ssl.CERT_NONE
    else:
        context.load_verify_locations(cadata=authority)
    connection = Connection.open(master.peer, context)
    try:
        connection.ask(
            encode((service, args, "", 0, "", CALL_SECONDS)), CALL_SECONDS, changes=True)
        found: dict[str, Any] = wire.unwrap(connection.answer())
        return found
    finally:
        connection.close()


def _write(
    paths: Paths, identity: NodeIdentity, key: bytes, files: Mapping[Path, str]
) -> NodeIdentity:
    paths.make_directories()
    write_private(paths.node_key, key)
    for file, content in files.items():
        public = file in (paths.node_certificate, paths.ca_certificate)
        write_atomically(file, content.encode(), 0o644 if public else 0o600)
    # Last: with this file the host is a node.
    identity.save(paths)
    return identity
