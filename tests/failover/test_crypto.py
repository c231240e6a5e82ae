"""Certificates and keys are renewed while the daemons go on and jobs run."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from failing import delay, ended, failover, kill, submit, wait_for_equal_copies
from virtual_cluster import VirtualCluster

from ganeti_core.bootstrap.renew import Wish, contents, self_signed
from ganeti_core.errors import OpPrereqError
from ganeti_core.rpc.member_signatures import checked
from ganeti_core.rpc.members import Members
from ganeti_core.rpc.tls import fingerprint_of

NODES = ("node1", "node2", "node3")


@pytest.fixture
def three(three_nodes: VirtualCluster) -> Iterator[VirtualCluster]:
    three_nodes.tool("start")
    yield three_nodes
    three_nodes.tool("start")


def pids(cluster: VirtualCluster) -> dict[str, dict[str, int]]:
    return {name: {daemon: state["pid"] for daemon, state in node["daemons"].items()}
            for name, node in cluster.status().items()}


def fingerprints(cluster: VirtualCluster) -> list[str]:
    return [fingerprint_of(cluster.paths(node).node_certificate) for node in NODES]


def verified_by_the_authority(cluster: VirtualCluster, node: str) -> bool:
    paths = cluster.paths(node)
    ended = subprocess.run(
        ["openssl", "verify", "-CAfile", paths.ca_certificate, paths.node_certificate],
        capture_output=True, text=True, check=False)
    return ended.returncode == 0


@pytest.mark.parametrize("option", ["--new-node-certificates", "--new-cluster-certificate"])
def test_certificates_of_all_nodes(three: VirtualCluster, option: str) -> None:
    before, running, ca = fingerprints(three), pids(three), three.paths().ca_key.read_bytes()
    jobs = submit(three, "node1", *[[delay(0.02)]] * 100)
    three.gnt("gnt-cluster", "renew-crypto", "-f", option)
    assert ended(three, "node1", jobs) == ["success"] * 100
    assert pids(three) == running
    assert not set(before) & set(fingerprints(three))
    for node in NODES:
        paths = three.paths(node)
        assert verified_by_the_authority(three, node)
        assert paths.ca_certificate.read_text().count("BEGIN CERTIFICATE") == 1
        assert paths.node_key.stat().st_mode & 0o777 == 0o600
        assert paths.ca_key.stat().st_mode & 0o777 == 0o600
        assert paths.ca_key.read_bytes() == three.paths().ca_key.read_bytes()
        members = Members.of(paths)
        assert members.known().candidates == set(fingerprints(three))
        # Signed by the authority of now: a node can pass it on to one that was away.
        assert checked(members.text(), paths.ca_certificate.read_bytes()) == members.known()
    assert (ca != three.paths().ca_key.read_bytes()) == (option == "--new-cluster-certificate")
    three.verify()
    wait_for_equal_copies(three, *NODES)


def test_a_failover_after_it(three: VirtualCluster) -> None:
    kill(three, "node1", "masterd")
    ran = failover(three, "node2")
    assert ran.status == 0, ran
    assert failover(three, "node1").status == 0


def test_it_refuses_while_a_node_is_silent(three: VirtualCluster) -> None:
    before = fingerprints(three)
    kill(three, "node3")
    refused = three.try_("gnt-cluster", "renew-crypto", "-f", "--new-node-certificates")
    assert refused.status == 1
    assert "node3.example.com" in refused.stderr
    assert fingerprints(three) == before


def test_keys_that_all_nodes_share(three: VirtualCluster) -> None:
    three.gnt("gnt-cluster", "renew-crypto", "-f", "--new-rapi-certificate",
              "--new-confd-hmac-key", "--new-cluster-domain-secret", "--new-spice-certificate")
    names = ("rapi.pem", "hmac.key", "cluster-domain-secret", "spice.pem", "spice-ca.pem")
    first = {name: (three.paths().data / name).read_bytes() for name in names}
    for node in NODES:
        for name in names:
            file = three.paths(node).data / name
            assert file.read_bytes() == first[name]
            assert file.stat().st_mode & 0o777 == 0o600
    own = three.root / "own.pem"
    own.write_bytes(first["rapi.pem"])
    three.gnt("gnt-cluster", "renew-crypto", "-f", "--new-rapi-certificate")
    assert (three.paths("node2").data / "rapi.pem").read_bytes() != first["rapi.pem"]
    three.gnt("gnt-cluster", "renew-crypto", "-f", f"--rapi-certificate={own}")
    assert (three.paths("node2").data / "rapi.pem").read_bytes() == first["rapi.pem"]
    logged = "".join(file.read_text(errors="replace") for node in NODES
                     for file in three.paths(node).log.glob("*.log"))
    assert first["hmac.key"].decode().strip() not in logged


def test_options_about_ssh_keys_have_nothing_to_do(three: VirtualCluster) -> None:
    ran = three.gnt("gnt-cluster", "renew-crypto", "-f", "--new-ssh-keys", "--ssh-key-type=rsa")
    assert ran.stderr == ("WARNING: this cluster keeps no ssh keys: --new-ssh-keys, --ssh-key-type"
                          " has no effect\n")
    ran = three.gnt("gnt-cluster", "renew-crypto", "-f", "--new-ssh-keys", "--new-confd-hmac-key")
    assert "keeps no ssh keys" in ran.stderr
    assert "have been replaced" in ran.stdout


@pytest.mark.parametrize(("options", "words"), [
    ([], "at least one"),
    (["--new-rapi-certificate", "--rapi-certificate=/x"], "same time"),
    (["--spice-certificate=/x"], "must be used"),
    (["--rapi-certificate=/nonexistent"], "Cannot read"),
])
def test_what_makes_no_sense_is_refused(
    three: VirtualCluster, options: list[str], words: str,
) -> None:
    refused = three.try_("gnt-cluster", "renew-crypto", "-f", *options)
    assert refused.status == 1
    assert words in refused.stderr


def test_a_key_with_a_password_is_refused(tmp_path: Path) -> None:
    """OpenSSL would ask for it here, and again wherever a daemon starts."""
    made = self_signed("cluster.example.com")
    key = serialization.load_pem_private_key(made, None)
    file = tmp_path / "rapi.pem"
    file.write_bytes(key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret")) + made[made.index(b"-----BEGIN CERT"):])
    with pytest.raises(OpPrereqError, match="is encrypted: daemons could not use it"):
        contents(Wish(rapi_cert=file), "cluster.example.com")
    file.write_bytes(made)
    assert contents(Wish(rapi_cert=file), "cluster.example.com") == {"rapi.pem": made}
