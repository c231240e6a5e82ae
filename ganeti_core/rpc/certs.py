"""The cluster's certificate authority, and the certificates that it signs for nodes.

A certificate's common name is the node's uuid, its alternative name the node's name. Keys lie in
files of mode 0600.
"""

from __future__ import annotations

import datetime
from dataclasses import field
from typing import TYPE_CHECKING, Literal, Self

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ganeti_core.errors import ConfigurationError
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.rpc.atomic import write_atomically, write_private
from ganeti_core.rpc.identity import NodeIdentity
from ganeti_core.rpc.tls import fingerprint_of

if TYPE_CHECKING:

    from ganeti_core.paths import Paths

AUTHORITY_DAYS = 3650
NODE_DAYS = 1825
_SLACK = datetime.timedelta(days=1)
"""Certificates are valid from a day ago: clocks differ."""
_WARNING_DAYS, _ERROR_DAYS = 30, 7
"""Before the end of a certificate, as in Ganeti."""


@dataclass(frozen=True)
class Authority:
    """Who signs the nodes' certificates; both PEM. Never logged, never in a config or job."""

    certificate: bytes
    key: bytes = field(repr=False)

    @classmethod
    def load(cls, paths: Paths) -> Self:
        """:raises ConfigurationError: this host has none"""
        try:
            return cls(paths.ca_certificate.read_bytes(), paths.ca_key.read_bytes())
        except OSError as exc:
            raise ConfigurationError(f"this host cannot sign certificates: {exc}") from exc


def ending(certificate: bytes, now: datetime.datetime) -> tuple[Literal["WARNING", "ERROR"], str]:
    """Say whether a certificate (PEM) is about to end; without a text it is not.

    :raises ValueError: `certificate` cannot be read as one
    """
    found = x509.load_pem_x509_certificate(certificate)
    begins, ends = found.not_valid_before_utc, found.not_valid_after_utc
    if now > ends:
        return "ERROR", (f"Certificate is expired (valid from {begins:%Y-%m-%d %H:%M:%S} to "
                         f"{ends:%Y-%m-%d %H:%M:%S})")
    if now < begins:
        return "WARNING", f"Certificate not yet valid (valid from {begins:%Y-%m-%d %H:%M:%S})"
    days = (ends - now).days
    return ("ERROR" if days <= _ERROR_DAYS else "WARNING",
            f"Certificate expires in about {days} days" if days <= _WARNING_DAYS else "")


def new_authority(cluster_name: str) -> Authority:
    """Make an authority; nothing is written."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(cluster_name[:64])
    certificate = (
        _builder(name, name, key.public_key(), AUTHORITY_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(sign_certificates=True), critical=True)
        .add_extension(
            x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Authority(_pem(certificate), _key_pem(key))


def create_authority(paths: Paths, cluster_name: str) -> str:
    """Make the cluster's authority, replacing one that is there; return its fingerprint."""
    authority = new_authority(cluster_name)
    write_private(paths.ca_key, authority.key)
    write_atomically(paths.ca_certificate, authority.certificate, 0o644)
    return fingerprint_of(paths.ca_certificate)


def issue_local(paths: Paths, node_uuid: str, node_name: str) -> str:
    """Make key and certificate of this very host; needs the authority's key.

    Answers the certificate's fingerprint.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _issue(Authority.load(paths), key.public_key(), node_uuid, node_name)
    write_private(paths.node_key, _key_pem(key))
    write_atomically(paths.node_certificate, certificate, 0o644)
    return fingerprint_of(paths.node_certificate)


def make_request(node_name: str) -> tuple[bytes, str]:
    """Make a key and a request for its certificate, both PEM; the key stays on this host."""
    key = ec.generate_private_key(ec.SECP256R1())
    request = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(_name(node_name[:64])).sign(key, hashes.SHA256())
    )
    return _key_pem(key), request.public_bytes(serialization.Encoding.PEM).decode()


def sign_request(paths: Paths, request: str, node_uuid: str, node_name: str) -> str:
    """As `sign`, with the authority of this host.

    :raises ConfigurationError: it has none, or the request is damaged
    """
    return sign(Authority.load(paths), request, node_uuid, node_name)


def sign(authority: Authority, request: str, node_uuid: str, node_name: str) -> str:
    """Sign a request with the authority's key; names are those given here, not the request's.

    :raises ConfigurationError: the request is damaged or not signed by its own key
    """
    try:
        parsed = x509.load_pem_x509_csr(request.encode())
        public_key = parsed.public_key()
    except ValueError as exc:
        raise ConfigurationError(f"the certificate request cannot be read: {exc}") from exc
    if not parsed.is_signature_valid:
        raise ConfigurationError("the certificate request is not signed by its own key")
    if not isinstance(public_key, ec.EllipticCurvePublicKey):
        raise ConfigurationError("the certificate request has a key of another type than EC")
    return _issue(authority, public_key, node_uuid, node_name).decode()


def check_issued(certificate: str, authority: str, key: bytes, node_uuid: str) -> None:
    """Check a certificate that was asked for.

    :param authority: who must have signed it (PEM)
    :param key: the private key (PEM) for which it was asked
    :raises ConfigurationError: it is not for this node and its key, or not signed by the authority
    """
    try:
        found = x509.load_pem_x509_certificate(certificate.encode())
        own = serialization.load_pem_private_key(key, None)
        issuers = x509.load_pem_x509_certificates(authority.encode())
    except ValueError as exc:
        raise ConfigurationError(f"the certificate that came cannot be read: {exc}") from exc
    if found.public_key() != own.public_key():
        raise ConfigurationError("the certificate that came is for another key than this host made")
    if found.subject != _name(node_uuid):
        raise ConfigurationError(f"the certificate that came is not for the node {node_uuid}")
    if not any(_has_issued(issuer, found) for issuer in issuers):
        raise ConfigurationError("the certificate that came is not signed by the authority that "
                                 "was expected")


def _has_issued(issuer: x509.Certificate, found: x509.Certificate) -> bool:
    try:
        found.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _issue(
    authority: Authority, public_key: ec.EllipticCurvePublicKey, node_uuid: str, node_name: str
) -> bytes:
    try:
        issuer = x509.load_pem_x509_certificate(authority.certificate)
        key = serialization.load_pem_private_key(authority.key, None)
    except ValueError as exc:
        raise ConfigurationError(f"this host cannot sign certificates: {exc}") from exc
    try:
        name = x509.DNSName(node_name)
    except ValueError as exc:
        raise ConfigurationError(f"'{node_name}' cannot be the name of a node: {exc}") from exc
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ConfigurationError("the authority has a key of another type than EC")
    certificate = (
        _builder(_name(node_uuid), issuer.subject, public_key, NODE_DAYS)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([name]), critical=False)
        .add_extension(x509.ExtendedKeyUsage(
            [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .add_extension(_usage(sign_certificates=False), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()),
                       critical=False)
        .sign(key, hashes.SHA256())
    )
    return _pem(certificate)


def _builder(
    subject: x509.Name, issuer: x509.Name, public_key: ec.EllipticCurvePublicKey, days: int
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject).issuer_name(issuer).public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SLACK)
        .not_valid_after(now + datetime.timedelta(days=days))
    )


def _usage(*, sign_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not sign_certificates, key_cert_sign=sign_certificates,
        crl_sign=sign_certificates, content_commitment=False, key_encipherment=False,
        data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False)


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption())


def write_node_identity(paths: Paths, uuid: str, name: str, address: str, port: int) -> None:
    """Tell this host which node it is."""
    NodeIdentity(uuid, name, address, port).save(paths)
