"""One side of a TLS connection, and who is on the other: known by the certificate alone.

A node is recognised by the SHA-256 of its certificate. What makes and signs certificates is
elsewhere (`certs`): it takes long to load, and few processes need it.
"""

from __future__ import annotations

import hashlib
import ssl
from typing import TYPE_CHECKING, Any

from ganeti_core.errors import ConfigurationError
from ganeti_core.lazy_dataclass import dataclass

if TYPE_CHECKING:
    from pathlib import Path

    from ganeti_core.paths import Paths


@dataclass(frozen=True)
class TlsIdentity:
    """The files that make one side of a connection."""

    certificate: Path
    key: Path
    ca: Path

    @classmethod
    def of(cls, paths: Paths) -> TlsIdentity:
        """The identity of the node whose files are `paths`."""
        return cls(paths.node_certificate, paths.node_key, paths.ca_certificate)

    def server_context(self) -> ssl.SSLContext:
        """Make the accepting side: a caller may show a certificate, and it must be the cluster's.

        :raises ConfigurationError: a file is missing or damaged
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.verify_mode = ssl.CERT_OPTIONAL
        # Tickets arrive after the handshake and make an idle connection look as if it had data.
        context.num_tickets = 0
        return self._loaded(context)

    def client_context(self) -> ssl.SSLContext:
        """Make the calling side; who the server is, the caller checks by its fingerprint.

        :raises ConfigurationError: a file is missing or damaged
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_REQUIRED
        return self._loaded(context)

    def _loaded(self, context: ssl.SSLContext) -> ssl.SSLContext:
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        try:
            context.load_cert_chain(self.certificate, self.key)
            context.load_verify_locations(self.ca)
        except OSError as exc:
            raise ConfigurationError(
                f"cannot use the certificate {self.certificate}, its key and {self.ca}: {exc}"
            ) from exc
        return context

    def stamp(self) -> tuple[int, ...]:
        """A value that changes when a file was replaced: contexts are then made anew."""
        try:
            states = [file.stat() for file in (self.certificate, self.key, self.ca)]
        except FileNotFoundError:
            return ()
        return tuple(number for state in states for number in (state.st_mtime_ns, state.st_ino))


def fingerprint(der: bytes) -> str:
    """Name a certificate by its bytes: SHA-256, hex."""
    return hashlib.sha256(der).hexdigest()


def fingerprint_of(file: Path) -> str:
    """Name the certificate in a PEM file.

    :raises ConfigurationError: there is none
    """
    try:
        return fingerprint(ssl.PEM_cert_to_DER_cert(file.read_text()))
    except (OSError, ValueError) as exc:
        raise ConfigurationError(f"no certificate in {file}: {exc}") from exc


def common_name(certificate: dict[str, Any]) -> str:
    """Read the common name from what `ssl.SSLSocket.getpeercert` tells."""
    for group in certificate.get("subject", ()):
        for key, value in group:
            if key == "commonName":
                return str(value)
    return ""
