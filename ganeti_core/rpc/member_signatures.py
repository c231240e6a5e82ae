"""The authority's signature below a list of members: made by a master, checked by every node."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from ganeti_core.errors import AccessDenied, ConfigurationError
from ganeti_core.rpc.members import MemberList, parts

if TYPE_CHECKING:
    from ganeti_core.rpc.certs import Authority

_PURPOSE = b"members of a cluster\n"
"""Signed with every list: nothing else that the authority signs can pass for one."""


def signed(found: MemberList, authority: Authority) -> str:
    """Sign a list.

    :raises ConfigurationError: the authority's key cannot be used
    """
    try:
        key = serialization.load_pem_private_key(authority.key, None)
    except ValueError as exc:
        raise ConfigurationError(f"this host cannot sign: {exc}") from exc
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ConfigurationError("the authority has a key of another type than EC")
    text = found.to_text()
    signature = key.sign(_PURPOSE + text.encode(), ec.ECDSA(hashes.SHA256()))
    return json.dumps({"list": text, "signature": base64.b64encode(signature).decode()})


def checked(text: str, authorities: bytes) -> MemberList:
    """Read a signed list.

    :param authorities: the certificates (PEM) of who may have signed it
    :raises AccessDenied: none of them has, or it is no list
    """
    body, signature = parts(text)
    try:
        trusted = x509.load_pem_x509_certificates(authorities)
    except ValueError as exc:
        raise ConfigurationError(f"the cluster's authority cannot be read: {exc}") from exc
    if not any(_has_signed(certificate, body, signature) for certificate in trusted):
        raise AccessDenied("the list of members is not signed by the cluster's authority")
    try:
        found = MemberList.from_text(body)
    except ValueError as exc:
        raise AccessDenied(f"the signed list of members cannot be read: {exc}") from exc
    if not found.candidates:
        raise AccessDenied("a list of members without master candidates: with it a node could not "
                           "be changed any more")
    return found


def _has_signed(certificate: x509.Certificate, body: str, signature: bytes) -> bool:
    key = certificate.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey):
        return False
    try:
        key.verify(signature, _PURPOSE + body.encode(), ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True
