"""Certificates by which clients show who they are, instead of a password.

The handshake has proved that somebody has the key and that an authority has signed; whom the
certificate names, and whether it is still valid, is looked at for each request: connections may
last longer than certificates.
"""

from __future__ import annotations

import ssl
import time
from typing import TYPE_CHECKING, Any

from ganeti_core.lazy_dataclass import dataclass

if TYPE_CHECKING:
    from pathlib import Path

SCOPE_KEY = "client_certificate"
"""Under which the certificate is in the scope of a request."""
_CRL = b"-----BEGIN X509 CRL-----"


@dataclass(frozen=True)
class ClientCertificate:
    """What a client has shown.

    :param name: the common name of its subject; empty where there is none, or more than one
    :param until: seconds since 1970, after which it is not valid
    """

    name: str
    until: float

    def is_current(self, now: float | None = None) -> bool:
        """Whether it is valid at a time, or now."""
        return (time.time() if now is None else now) <= self.until


def certificate_of(transport: Any) -> ClientCertificate | None:
    """What the client of a connection has shown; None where it has shown nothing."""
    secure = transport.get_extra_info("ssl_object")
    shown = secure.getpeercert() if secure is not None else None
    if not shown:
        return None
    names = [value for part in shown.get("subject", ()) for key, value in part
             if key == "commonName"]
    return ClientCertificate(names[0] if len(names) == 1 else "",
                             ssl.cert_time_to_seconds(shown["notAfter"]))


def admit_clients(context: ssl.SSLContext, authorities: Path) -> None:
    """Let clients show certificates that these authorities have signed.

    A file with revocation lists (CRL) must have a current one of each authority.

    :raises OSError: there are no certificates in the file
    """
    context.verify_mode = ssl.CERT_OPTIONAL
    context.load_verify_locations(authorities)
    if _CRL in authorities.read_bytes():
        context.verify_flags |= ssl.VerifyFlags.VERIFY_CRL_CHECK_LEAF
