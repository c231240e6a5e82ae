"""Renew this node's certificate, what it trusts, and key files that all nodes share.

Daemons go on: whoever connects next finds the new files. A key never leaves the node that made it,
except the authority's, which every master candidate holds.
"""

from __future__ import annotations

import base64
import logging
import ssl
from typing import TYPE_CHECKING, Any, Literal

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from ganeti_core.errors import ECODE_INVAL, ECODE_STATE, OpPrereqError
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.node.services.arguments import decode
from ganeti_core.readers import admit
from ganeti_core.rpc.atomic import write_atomically, write_private
from ganeti_core.rpc.certs import make_request

if TYPE_CHECKING:
    from pathlib import Path

    from ganeti_core.node.state import NodeState
    from ganeti_core.paths import Paths

log = logging.getLogger(__name__)

SHARED_FILES = ("rapi.pem", "rapi/users", "rapi/tokens", "hmac.key", "cluster-domain-secret",
                "spice.pem", "spice-ca.pem")
"""Files with secrets that are the same on all nodes, in the data folder."""


@dataclass(frozen=True)
class CryptoArgs:
    """Of ``node.crypto``.

    :param step: ``request`` makes a key and returns a request for its certificate; ``install``
        begins to use it with `certificate`; ``trust`` replaces the authorities by `ca` (PEM, one
        or more) and, where it is given, their key; ``file`` writes the shared file `name`
    :param content: base64
    """

    step: Literal["request", "install", "trust", "file"]
    certificate: str = ""
    ca: str = ""
    ca_key: str = ""
    name: str = ""
    content: str = ""


def renew(state: NodeState, args: dict[str, Any], _deadline: float) -> str:
    """Carry out one step; return the request, or nothing."""
    wanted = decode(CryptoArgs, args)
    paths = state.world.local.paths
    match wanted.step:
        case "request":
            return _request(paths, state.world.local.identity.name)
        case "install":
            _install(paths, wanted.certificate)
        case "trust":
            _trust(paths, wanted)
        case "file":
            _write_shared(paths, wanted)
    return ""


def next_key(paths: Paths) -> Path:
    """The key that the node made, until it has a certificate for it."""
    return paths.node_key.with_suffix(".key.next")


def _request(paths: Paths, name: str) -> str:
    key, request = make_request(name)
    write_private(next_key(paths), key)
    return request


def _install(paths: Paths, certificate: str) -> None:
    """:raises OpPrereqError: it does not fit the key that was made for it"""
    complete_install(paths)
    if paths.node_certificate.read_text() == certificate:
        return
    try:
        key = next_key(paths).read_bytes()
        wanted = x509.load_pem_x509_certificate(certificate.encode()).public_key()
        own = serialization.load_pem_private_key(key, None).public_key()
    except (OSError, ValueError) as exc:
        raise OpPrereqError(f"the certificate cannot be used: {exc}", ECODE_STATE) from exc
    if wanted != own:
        raise OpPrereqError("the certificate is for another key than this node made", ECODE_STATE)
    # In between the two do not fit: connections are made with the old ones until they do.
    write_atomically(paths.node_certificate, certificate.encode(), 0o644)
    complete_install(paths)
    log.info("this node has a new certificate")


def complete_install(paths: Paths) -> None:
    """Put the new key into place if its certificate is: a daemon may have died in between."""
    pending = next_key(paths)
    try:
        certificate = x509.load_pem_x509_certificate(paths.node_certificate.read_bytes())
        key = serialization.load_pem_private_key(pending.read_bytes(), None)
    except (OSError, ValueError):
        return  # nothing is pending, or nothing that could be used
    if certificate.public_key() == key.public_key():
        pending.replace(paths.node_key)


def _trust(paths: Paths, wanted: CryptoArgs) -> None:
    try:
        ssl.create_default_context(cadata=wanted.ca)
    except (ssl.SSLError, ValueError) as exc:
        raise OpPrereqError(f"these are no certificates: {exc}", ECODE_INVAL) from exc
    if wanted.ca_key:
        write_private(paths.ca_key, wanted.ca_key.encode())
    write_atomically(paths.ca_certificate, wanted.ca.encode(), 0o644)


def _write_shared(paths: Paths, wanted: CryptoArgs) -> None:
    if wanted.name not in SHARED_FILES:
        raise OpPrereqError(f"'{wanted.name}' is none of the shared key files", ECODE_INVAL)
    file = paths.data / wanted.name
    file.parent.mkdir(mode=0o750, exist_ok=True)
    admit(file.parent, file.parent)
    write_private(file, base64.b64decode(wanted.content))
