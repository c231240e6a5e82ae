"""Renew the key files that all nodes share: RAPI's certificate, confd's key and the like.

They are made or checked on the master and sent from here to every node that is not offline, under
its certificate; neither a job nor the configuration ever holds them. Certificates of the nodes
themselves are renewed by ``OP_CLUSTER_RENEW_CRYPTO``.
"""

from __future__ import annotations

import base64
import datetime
import secrets
import ssl
from contextlib import closing, suppress
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from ganeti_core.config.database import Database
from ganeti_core.config.store import load
from ganeti_core.errors import ECODE_INVAL, ECODE_STATE, GanetiError, OpExecError, OpPrereqError
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.node.services.crypto import SHARED_FILES
from ganeti_core.rpc.atomic import write_private
from ganeti_core.rpc.calls import service_call
from ganeti_core.rpc.client import NodeClients, Peer
from ganeti_core.rpc.identity import NodeIdentity
from ganeti_core.rpc.tls import TlsIdentity

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.paths import Paths
    from ganeti_core.rpc.calls import Call

RAPI, SPICE, SPICE_CA = "rapi.pem", "spice.pem", "spice-ca.pem"
CONFD_KEY, DOMAIN_SECRET = "hmac.key", "cluster-domain-secret"
_DAYS = 1825
_KEY_BITS = 2048
_SECRET_BYTES = 20


@dataclass(frozen=True)
class Wish:
    """What is to be renewed: made anew (`new_*`), or taken from a file."""

    new_rapi_cert: bool = False
    rapi_cert: Path | None = None
    new_spice_cert: bool = False
    spice_cert: Path | None = None
    spice_cacert: Path | None = None
    new_confd_hmac_key: bool = False
    new_cluster_domain_secret: bool = False
    cluster_domain_secret: Path | None = None


def contents(wish: Wish, cluster_name: str) -> dict[str, bytes]:
    """What the shared files are to hold, by name.

    :raises OpPrereqError: options contradict each other, or a file is not what it should be
    """
    _check(wish)
    made: dict[str, bytes] = {}
    if wish.new_rapi_cert:
        made[RAPI] = self_signed(cluster_name)
    if wish.rapi_cert is not None:
        made[RAPI] = _certificate_with_key(wish.rapi_cert)
    if wish.new_spice_cert:
        made[SPICE] = self_signed(cluster_name)
        made[SPICE_CA] = made[SPICE][made[SPICE].index(b"-----BEGIN CERTIFICATE"):]
    if wish.spice_cert is not None and wish.spice_cacert is not None:
        made[SPICE] = _certificate_with_key(wish.spice_cert)
        made[SPICE_CA] = _read(wish.spice_cacert)
    if wish.new_confd_hmac_key:
        made[CONFD_KEY] = new_secret()
    if wish.new_cluster_domain_secret:
        made[DOMAIN_SECRET] = new_secret()
    if wish.cluster_domain_secret is not None:
        made[DOMAIN_SECRET] = _read(wish.cluster_domain_secret)
    return made


def _check(wish: Wish) -> None:
    if wish.new_rapi_cert and wish.rapi_cert:
        raise OpPrereqError("Only one of the --new-rapi-certificate and --rapi-certificate options"
                            " can be specified at the same time", ECODE_INVAL)
    if wish.new_cluster_domain_secret and wish.cluster_domain_secret:
        raise OpPrereqError("Only one of the --new-cluster-domain-secret and"
                            " --cluster-domain-secret options can be specified at the same time",
                            ECODE_INVAL)
    given = [wish.spice_cert, wish.spice_cacert]
    if wish.new_spice_cert and any(given):
        raise OpPrereqError("When using --new-spice-certificate, the --spice-certificate and"
                            " --spice-ca-certificate must not be used", ECODE_INVAL)
    if any(given) and not all(given):
        raise OpPrereqError("Both --spice-certificate and --spice-ca-certificate must be used",
                            ECODE_INVAL)


def distribute(paths: Paths, files: Mapping[str, bytes]) -> None:
    """Send shared files to every node; run it on the master.

    :raises OpPrereqError: this is not the master
    :raises OpExecError: some node has not got them; run it again
    """
    if not files:
        return
    snapshot = master_snapshot(paths)
    clients = NodeClients(TlsIdentity.of(paths), lambda: snapshot.epoch)
    failed: dict[str, GanetiError] = {}
    try:
        nodes = [node for node in snapshot.nodes.values() if not node.offline]
        for name, content in files.items():
            call = file_call(name, content)
            answers = clients.fan_out({node.name: (Peer.of(node), call) for node in nodes})
            failed |= {node: answer for node, answer in answers.items()
                       if isinstance(answer, GanetiError)}
    finally:
        clients.close()
    if failed:
        raise OpExecError("Not all nodes have the new files, run it again: " + "; ".join(
            f"{node}: {error}" for node, error in sorted(failed.items())))


def make_shared_files(paths: Paths, cluster_name: str, *, keep: bool = False) -> None:
    """Make the key files that a new cluster begins with.

    :param keep: those that are there stay: the cluster takes over from Ganeti
    """
    wanted = [name for name in (CONFD_KEY, RAPI)
              if not (keep and (paths.data / name).exists())]
    for name in wanted:
        write_private(paths.data / name, self_signed(cluster_name) if name == RAPI
                      else new_secret())


def shared_files(paths: Paths) -> dict[str, bytes]:
    """The shared key files that this node has, by name."""
    found = {}
    for name in SHARED_FILES:
        with suppress(FileNotFoundError):
            found[name] = (paths.data / name).read_bytes()
    return found


def file_call(name: str, content: bytes) -> Call:
    """Make the call by which a node gets a shared file."""
    return service_call("node.crypto", {
        "step": "file", "name": name, "content": base64.b64encode(content).decode()})


def master_snapshot(paths: Paths) -> Snapshot:
    """The configuration, on the master.

    :raises OpPrereqError: this is not the master
    """
    if paths.database.exists():
        with closing(Database(paths.database)) as database:
            snapshot = load(database)
        if snapshot.cluster.master_node == NodeIdentity.load(paths).uuid:
            return snapshot
    master = ""
    with suppress(OSError):
        master = (paths.ssconf / "ssconf_master_node").read_text().strip()
    raise OpPrereqError("This command can be run on the master node only"
                        + (f", which is {master}" if master else ""), ECODE_STATE)


def self_signed(name: str) -> bytes:
    """Make a key and a certificate that it signs itself, as one PEM text.

    RSA: clients of these services may be old.
    """
    key = rsa.generate_private_key(public_exponent=65537, key_size=_KEY_BITS)
    who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder().subject_name(who).issuer_name(who).public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=_DAYS))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256()))
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption()) + certificate.public_bytes(serialization.Encoding.PEM)


def new_secret() -> bytes:
    """Make a key that is a text."""
    return f"{secrets.token_hex(_SECRET_BYTES)}\n".encode()


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as exc:
        raise OpPrereqError(f"Cannot read {file}: {exc.strerror}", ECODE_INVAL) from exc


def _certificate_with_key(file: Path) -> bytes:
    """:raises OpPrereqError: it does not hold both, or they do not fit"""
    content = _read(file)

    def ask() -> bytes:
        # OpenSSL would ask whoever is at the terminal; nobody is there when daemons start.
        raise OpPrereqError(f"The key in {file} is encrypted: daemons could not use it (openssl"
                            " pkey writes it without a password)", ECODE_INVAL)

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(file, password=ask)
    except (ssl.SSLError, OSError) as exc:
        raise OpPrereqError(f"{file} does not hold a certificate and its key: {exc}",
                            ECODE_INVAL) from exc
    return content
