"""Certificates of clients, over real connections: whom they name, and whom they do not."""

from __future__ import annotations

import socket
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from asked import FakeMaster, application
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from rapi_cluster import unverified
from served import Server, read_all, serving

from ganeti_core.daemons.rapi import make_parser
from ganeti_core.daemons.rapi_settings import Settings
from ganeti_core.errors import ConfigurationError
from ganeti_core.paths import Paths
from ganeti_core.rapi.client_certificates import admit_clients
from ganeti_core.rapi.listener import make_context

USERS = "rw rwsecret write\njill {none} tags.set\n"
Signed = tuple[x509.Certificate, ec.EllipticCurvePrivateKey]


def certificate(
    folder: Path, file: str, names: list[str], issuer: Signed | None = None, *,
    rsa_key: bool = False, serial: int = 7,
) -> tuple[Path, Signed]:
    """A certificate with its key in a file; without an `issuer` an authority's own."""
    key = rsa.generate_private_key(65537, 2048) if rsa_key else ec.generate_private_key(
        ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name) for name in names])
    now = datetime.now(UTC)
    built = (x509.CertificateBuilder().subject_name(subject).public_key(key.public_key())
             .issuer_name(issuer[0].subject if issuer else subject).serial_number(serial)
             .not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
             .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), True)
             .sign(issuer[1] if issuer else key, hashes.SHA256()))
    (folder / file).write_bytes(built.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption()))
    return folder / file, (built, key)  # type: ignore[return-value]  # authorities have EC keys


def test_without_tls_there_is_nothing_to_show(tmp_path: Path) -> None:
    options = make_parser().parse_args(["--no-ssl", "--client-ca", "authorities.pem"])
    with pytest.raises(ConfigurationError, match="no effect with --no-ssl"):
        Settings.of(options, Paths(tmp_path))


def revocations(authority: Signed, serial: int) -> bytes:
    now = datetime.now(UTC)
    one = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now).build()
    return (x509.CertificateRevocationListBuilder().issuer_name(authority[0].subject)
            .last_update(now - timedelta(days=1)).next_update(now + timedelta(days=1))
            .add_revoked_certificate(one).sign(authority[1], hashes.SHA256())
            .public_bytes(serialization.Encoding.PEM))


def connected(server: Server, shown: Path | None) -> ssl.SSLSocket:
    context = unverified()
    if shown is not None:
        context.load_cert_chain(shown)
    return context.wrap_socket(server.connect())


def asked(sock: socket.socket, header: str = "") -> int:
    """The status of a request that needs a permission; the connection stays."""
    sock.sendall(f"PUT /2/tags?tag=x HTTP/1.1\r\nHost: x\r\n{header}\r\n".encode())
    text = b""
    while b"\r\n\r\n" not in text:
        part = sock.recv(1 << 16)
        assert part, "the connection has ended"
        text += part
    head, _, body = text.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
    while len(body) < length:
        body += sock.recv(1 << 16)
    return int(head.split()[1])


def is_refused(server: Server, shown: Path) -> bool:
    """Whether the handshake fails; its end is the client's only after something was sent."""
    try:
        with connected(server, shown) as sock:
            sock.sendall(b"GET /version HTTP/1.0\r\n\r\n")
            return not sock.recv(1)
    except (ssl.SSLError, ConnectionError):
        return True


def served_in(folder: Path, ca: Path, key_file: Path) -> ssl.SSLContext:
    context = make_context(key_file, None, None)
    admit_clients(context, ca)
    return context


def test_a_certificate_shows_who_it_is(tmp_path: Path) -> None:
    ca_file, ca = certificate(tmp_path, "ca.pem", ["authority"])
    own, _ = certificate(tmp_path, "server.pem", ["server"], ca)
    app = application(tmp_path, FakeMaster(), USERS)
    with serving(app, context=served_in(tmp_path, ca_file, own)) as server:
        for names, header, status in (
            (["jill"], "", 200), (["nobody"], "", 401), (["jill", "rw"], "", 401), ([], "", 401),
            (["nobody"], "Authorization: Basic cnc6cndzZWNyZXQ=\r\n", 200),
            (["jill"], "Authorization: Basic cnc6d3Jvbmc=\r\n", 401),
        ):
            shown, _ = certificate(tmp_path, "client.pem", names, ca)
            with connected(server, shown) as sock:
                assert asked(sock, header) == status, (names, header)
        with connected(server, None) as sock:
            assert asked(sock) == 401


def test_another_authoritys_certificate_ends_the_handshake(tmp_path: Path) -> None:
    ca_file, ca = certificate(tmp_path, "ca.pem", ["authority"])
    own, _ = certificate(tmp_path, "server.pem", ["server"], ca)
    _, other = certificate(tmp_path, "other.pem", ["authority"])
    revoked, _ = certificate(tmp_path, "revoked.pem", ["jill"], ca, serial=8)
    good, _ = certificate(tmp_path, "good.pem", ["jill"], ca)
    (tmp_path / "with-crl.pem").write_bytes(ca_file.read_bytes() + revocations(ca, 8))
    forged, _ = certificate(tmp_path, "forged.pem", ["jill"], other)
    app = application(tmp_path, FakeMaster(), USERS)
    with serving(app, context=served_in(tmp_path, tmp_path / "with-crl.pem", own)) as server:
        for shown in (forged, revoked):
            assert is_refused(server, shown), shown
        with connected(server, good) as sock:
            assert asked(sock) == 200


def test_a_connection_outlives_neither_the_certificate_nor_the_user(tmp_path: Path) -> None:
    ca_file, ca = certificate(tmp_path, "ca.pem", ["authority"])
    own, _ = certificate(tmp_path, "server.pem", ["server"], ca)
    shown, _ = certificate(tmp_path, "client.pem", ["jill"], ca)
    app = application(tmp_path, FakeMaster(), USERS)
    with serving(app, context=served_in(tmp_path, ca_file, own)) as server, \
            connected(server, shown) as sock:
        assert asked(sock) == 200
        app.login.now = lambda: datetime.now(UTC).timestamp() + 2 * 86400
        assert asked(sock) == 401
        app.login.now = lambda: datetime.now(UTC).timestamp()
        assert asked(sock) == 200
        app.login.users.file.write_text("rw rwsecret write\n")
        app.login.users.look()
        assert asked(sock) == 401


def test_connections_stay_when_certificate_key_and_authorities_are_others(tmp_path: Path) -> None:
    ca_file, ca = certificate(tmp_path, "ca.pem", ["authority"])
    own, _ = certificate(tmp_path, "server.pem", ["server"], ca)
    shown, _ = certificate(tmp_path, "client.pem", ["jill"], ca)
    new_ca_file, new_ca = certificate(tmp_path, "new-ca.pem", ["new authority"])
    new_own, _ = certificate(tmp_path, "new.pem", ["server"], new_ca, rsa_key=True)
    new_shown, _ = certificate(tmp_path, "new-client.pem", ["jill"], new_ca, rsa_key=True)
    app = application(tmp_path, FakeMaster(), USERS)
    with serving(app, context=served_in(tmp_path, ca_file, own)) as server, \
            connected(server, shown) as kept:
        assert asked(kept) == 200
        server.listener.context = served_in(tmp_path, new_ca_file, new_own)

        assert asked(kept) == 200
        with connected(server, new_shown) as sock:
            assert asked(sock) == 200
            der = sock.getpeercert(binary_form=True)
            assert der is not None
            key = x509.load_der_x509_certificate(der).public_key()
            assert isinstance(key, rsa.RSAPublicKey)
        with connected(server, None) as sock:
            sock.sendall(b"GET /version HTTP/1.0\r\n\r\n")
            assert read_all(sock).startswith(b"HTTP/1.1 200")


def test_a_file_without_authorities_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nothing\n")

    with pytest.raises((OSError, ssl.SSLError)):
        admit_clients(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), tmp_path / "ca.pem")
