"""Certificates: who is named in them, who can read the keys, what is not signed."""

from __future__ import annotations

import stat

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from ganeti_core.errors import ConfigurationError
from ganeti_core.paths import Paths
from ganeti_core.rpc import certs
from ganeti_core.rpc.identity import NodeIdentity
from ganeti_core.rpc.tls import TlsIdentity, fingerprint_of


@pytest.fixture
def paths(tmp_path):
    made = Paths(tmp_path)
    made.make_directories()
    certs.create_authority(made, "cluster.example.com")
    return made


def test_node_certificate_names_uuid_and_host(paths):
    fingerprint = certs.issue_local(paths, "some-uuid", "node1.example.com")

    found = x509.load_pem_x509_certificate(paths.node_certificate.read_bytes())
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert found.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == "some-uuid"
    assert names.get_values_for_type(x509.DNSName) == ["node1.example.com"]
    assert fingerprint == found.fingerprint(hashes.SHA256()).hex()


def test_keys_can_be_read_by_their_owner_only(paths):
    certs.issue_local(paths, "some-uuid", "node1.example.com")

    for key in (paths.ca_key, paths.node_key):
        assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_signed_request_gets_the_names_of_the_cluster_not_its_own(paths):
    _, request = certs.make_request("i-am-the-master.example.com")

    signed = certs.sign_request(paths, request, "given-uuid", "given.example.com")

    subject = x509.load_pem_x509_certificate(signed.encode()).subject
    assert [attribute.value for attribute in subject] == ["given-uuid"]


def test_request_that_is_damaged_is_refused(paths):
    with pytest.raises(ConfigurationError, match="cannot be read"):
        certs.sign_request(paths, "no PEM at all", "uuid", "name")


def test_request_signed_by_another_key_is_refused(paths):
    _, request = certs.make_request("node2.example.com")
    der = bytearray(x509.load_pem_x509_csr(request.encode()).public_bytes(
        serialization.Encoding.DER))
    der[-1] ^= 1
    forged = x509.load_der_x509_csr(bytes(der)).public_bytes(serialization.Encoding.PEM)

    with pytest.raises(ConfigurationError, match="not signed by its own key"):
        certs.sign_request(paths, forged.decode(), "uuid", "name")


def test_request_with_another_type_of_key_is_refused(paths):
    key = rsa.generate_private_key(65537, 2048)
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(
        key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()

    with pytest.raises(ConfigurationError, match="another type"):
        certs.sign_request(paths, request, "uuid", "name")


def test_host_without_authority_cannot_sign(tmp_path):
    with pytest.raises(ConfigurationError, match="cannot sign"):
        certs.issue_local(Paths(tmp_path), "uuid", "name")


def test_missing_certificate_is_a_typed_error(tmp_path):
    identity = TlsIdentity.of(Paths(tmp_path))

    with pytest.raises(ConfigurationError, match=r"node\.pem"):
        identity.server_context()
    with pytest.raises(ConfigurationError, match=r"node\.pem"):
        fingerprint_of(identity.certificate)


def test_node_identity_is_kept(paths):
    certs.write_node_identity(paths, "some-uuid", "node1.example.com", "192.0.2.1", 1811)

    assert NodeIdentity.load(paths) == NodeIdentity(
        "some-uuid", "node1.example.com", "192.0.2.1", 1811)


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"uuid": "u", "name": "n", "port": "x"}'])
def test_damaged_identity_is_a_typed_error(paths, content):
    (paths.data / "node.json").write_text(content)

    with pytest.raises(ConfigurationError, match="cannot be read"):
        NodeIdentity.load(paths)


def test_host_that_is_no_node_says_so(tmp_path):
    with pytest.raises(ConfigurationError, match="belongs to no cluster"):
        NodeIdentity.load(Paths(tmp_path))
