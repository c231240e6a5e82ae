"""Enrolment: one token, one host, and nothing told to a stranger."""

from __future__ import annotations

import stat
from dataclasses import replace

import pytest

from ganeti_core.bootstrap.enrol import (
    TOKEN_SECONDS,
    Enrolment,
    Master,
    enrol,
    enrol_info,
    make_token,
    tokens_file,
)
from ganeti_core.errors import AccessDenied, ConfigurationError, GanetiError, NodeUnreachable
from ganeti_core.model import Node
from ganeti_core.node.services.replica import MarkArgs, note, noted
from ganeti_core.paths import Paths
from ganeti_core.pid_file import PidFile
from ganeti_core.rpc import certs
from ganeti_core.rpc.access import Caller, Epochs
from ganeti_core.rpc.calls import service_call
from ganeti_core.rpc.client import NodeClients
from ganeti_core.rpc.identity import NodeIdentity
from ganeti_core.rpc.members import Members
from ganeti_core.rpc.server import RpcServer
from ganeti_core.rpc.tls import TlsIdentity, fingerprint_of
from ganeti_core.rpc.wire import success

NEW = NodeIdentity("", "node2.example.com", "127.0.0.2", 1811)


@pytest.fixture
def host(tmp_path):
    """A host that is no node yet."""
    return Paths(tmp_path / "new-host")


def master_of(node, **changed):
    return replace(Master(
        "127.0.0.1", node.noded.server.port, fingerprint_of(node.paths.node_certificate),
        fingerprint_of(node.paths.ca_certificate)), **changed)


def test_host_with_a_token_becomes_a_node(node, host):
    (node.paths.data / "ssconf_cluster_name").write_text("cluster.example.com\n")
    Epochs(node.paths.epoch).admit(3)

    identity = enrol(host, NEW, master_of(node), make_token(node.paths))

    assert NodeIdentity.load(host) == identity
    assert identity.uuid
    assert identity.name == "node2.example.com"
    assert Members.of(host).known().candidates == {
        fingerprint_of(node.paths.node_certificate)}
    assert Epochs(host.epoch).highest() == 3
    assert stat.S_IMODE(host.node_key.stat().st_mode) == 0o600
    assert not host.ca_key.exists()
    # Others serve it when the master has added it to the list of members.
    clients = NodeClients(TlsIdentity.of(host), lambda: 3)
    with pytest.raises(NodeUnreachable, match="not in the list of the cluster's nodes"):
        clients.call(node.peer, service_call("node.ping"))
    clients.close()


def test_token_works_once(node, host, tmp_path):
    token = make_token(node.paths)
    make_token(node.paths)
    enrol(host, NEW, master_of(node), token)

    with pytest.raises(AccessDenied, match="ask for a new one"):
        enrol(Paths(tmp_path / "third"), NEW, master_of(node), token)


def test_wrong_token_leaves_no_trace_on_the_host(node, host):
    make_token(node.paths)

    with pytest.raises(AccessDenied):
        enrol(host, NEW, master_of(node), "guessed")

    assert not host.data.exists()


def test_without_an_outstanding_token_strangers_are_not_even_heard(node, host):
    with pytest.raises(NodeUnreachable, match="no certificate was shown"):
        enrol(host, NEW, master_of(node), "guessed")


def test_token_is_not_told_to_a_cluster_with_another_authority(node, host):
    token = make_token(node.paths)

    with pytest.raises(ConfigurationError, match="nothing was told to it"):
        enrol(host, NEW, master_of(node, authority="00" * 32), token)

    as_people_write = fingerprint_of(node.paths.ca_certificate).upper()
    enrol(host, NEW, master_of(node, authority=as_people_write), token)


def test_host_that_is_a_node_is_not_taken_twice(node, host):
    enrol(host, NEW, master_of(node), make_token(node.paths))

    with pytest.raises(ConfigurationError, match="is a node already"):
        enrol(host, NEW, master_of(node), make_token(node.paths))
    before = NodeIdentity.load(host)
    token = make_token(node.paths, node_uuid=before.uuid)
    assert enrol(host, NEW, master_of(node), token, force=True) == before


def other_cluster_on(host):
    """The host was a master candidate of another cluster."""
    host.make_directories()
    certs.create_authority(host, "other.example.com")
    certs.issue_local(host, "uuid", "node9.example.com")
    certs.write_node_identity(host, "uuid", "node9.example.com", "127.0.0.9", 1811)
    Epochs(host.epoch).admit(9)
    note(host, MarkArgs(9, 30, ["uuid"]))
    host.database.write_text("of another cluster")


def test_nothing_of_another_cluster_counts_in_the_new_one(node, host):
    """Its epochs and marks are higher: they made the new master end, and an old copy could win."""
    other_cluster_on(host)
    Epochs(node.paths.epoch).admit(3)

    enrol(host, NEW, master_of(node), make_token(node.paths), force=True)

    assert Epochs(host.epoch).highest() == 3
    assert noted(host) == MarkArgs(0, 0)
    assert not host.database.exists()
    assert not host.ca_key.exists()


def test_marks_stay_where_a_node_comes_back(node, host):
    enrol(host, NEW, master_of(node), make_token(node.paths))
    note(host, MarkArgs(3, 5, ["uuid"]))
    token = make_token(node.paths, node_uuid=NodeIdentity.load(host).uuid)

    enrol(host, NEW, master_of(node), token, force=True)

    assert noted(host).number == 5


def test_the_master_of_another_cluster_is_not_taken(node, host):
    other_cluster_on(host)
    token = make_token(node.paths)
    running = PidFile.lock(host.daemon_pid("ganeti-masterd"))

    with pytest.raises(ConfigurationError, match="the master daemon of another cluster runs"):
        enrol(host, NEW, master_of(node), token, force=True)

    assert host.ca_key.exists()
    running.release()
    enrol(host, NEW, master_of(node), token, force=True)


def test_stranger_may_only_enrol(node):
    make_token(node.paths)
    enrolment = Enrolment(node.paths)

    for service in ("node.ping", "node.facts", "hook", "node.leave"):
        with pytest.raises(AccessDenied, match="only enrol"):
            enrolment.answer(Caller("", "192.0.2.1"), service, {})


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def master(tmp_path, clock):
    paths = Paths(tmp_path / "master")
    paths.make_directories()
    certs.create_authority(paths, "cluster.example.com")
    certs.issue_local(paths, "master-uuid", "node1.example.com")
    return Enrolment(paths, clock)


def ask(master, token, name="node2.example.com"):
    _, request = certs.make_request(name)
    return master.answer(Caller("", "192.0.2.1"), "enrol",
                         {"token": token, "csr": request, "name": name})


def test_token_expires(master, clock):
    token = make_token(master.paths, now=clock)
    assert master.is_open()

    clock.now += TOKEN_SECONDS + 1

    assert not master.is_open()
    with pytest.raises(AccessDenied):
        ask(master, token)


def test_token_for_one_host_is_no_good_for_another(master, clock):
    token = make_token(master.paths, name="node2.example.com", node_uuid="old-uuid", now=clock)

    with pytest.raises(AccessDenied):
        ask(master, token, "node3.example.com")
    assert ask(master, token, "node2.example.com")["node_uuid"] == "old-uuid"


def test_wrong_tokens_of_a_stranger_keep_nobody_out(master, clock):
    token = make_token(master.paths, now=clock)
    for number in range(50):
        with pytest.raises(AccessDenied, match="ask for a new one"):
            ask(master, f"guess-{number}")

    assert ask(master, token)["certificate"]


@pytest.mark.parametrize(("request_", "name"), [
    ("no request", "node2.example.com"), (None, "n\u00f6de2.example.com"), (None, ""),
    (None, "node2;reboot"), (None, "x" * 300),
])
def test_a_request_that_is_refused_does_not_use_up_the_token(master, clock, request_, name):
    token = make_token(master.paths, now=clock)
    _, good = certs.make_request("node2.example.com")
    with pytest.raises(GanetiError, match=r"name of a node|cannot be read"):
        master.answer(Caller("", "192.0.2.1"), "enrol",
                      {"token": token, "csr": request_ or good, "name": name})

    assert ask(master, token)["certificate"]


@pytest.fixture
def impostor(node, tmp_path):
    """A node of the cluster, with its certificate, at the address where the master is expected.

    It keeps what it is sent, and gives what an enrolling host might take for a grant.
    """
    evil = Paths(tmp_path / "evil")
    evil.make_directories()
    for name in ("ca_key", "ca_certificate"):
        getattr(evil, name).write_bytes(getattr(node.paths, name).read_bytes())
    certs.issue_local(evil, "evil-uuid", "evil.example.com")
    heard = []

    def answer(caller, request):
        heard.append((request.service, request.args))
        return success({"ca": evil.ca_certificate.read_text(), "certificate": "", "node_uuid": "x",
                        "members": "", "epoch": 1})

    server = RpcServer(TlsIdentity.of(evil), Members.of(evil), answer, lambda: True)
    server.start()
    yield server, heard
    server.stop(grace=1.0)


def test_another_node_at_the_masters_address_never_sees_the_token(node, host, impostor):
    server, heard = impostor
    token = make_token(node.paths)

    with pytest.raises(NodeUnreachable, match="someone else"):
        enrol(host, NEW, master_of(node, port=server.port), token)

    assert heard == []
    assert not host.data.exists()
    enrol(host, NEW, master_of(node), token)


def test_a_host_installs_only_what_the_checked_authority_has_signed(
        node, host, impostor, tmp_path):
    """Even the certificate that was named as the master's may be in wrong hands later."""
    server, heard = impostor
    evil = fingerprint_of(tmp_path / "evil/var/lib/ganeti/node.pem")

    with pytest.raises(ConfigurationError, match="certificate that came"):
        enrol(host, NEW, master_of(node, port=server.port, fingerprint=evil), "token")

    assert [service for service, _ in heard] == ["enrol.authority", "enrol"]
    assert not host.data.exists()


def test_a_certificate_of_another_authority_or_for_another_key_is_not_taken(node, tmp_path):
    authority = node.paths.ca_certificate.read_text()
    key, request = certs.make_request("node2.example.com")
    other_key, _ = certs.make_request("node2.example.com")
    good = certs.sign_request(node.paths, request, "uuid-2", "node2.example.com")
    foreign = certs.sign(certs.new_authority("cluster.example.com"), request, "uuid-2", "node2")
    certs.check_issued(good, authority, key, "uuid-2")

    for certificate, own, uuid in (
            (good, other_key, "uuid-2"), (foreign, key, "uuid-2"), (good, key, "uuid-3")):
        with pytest.raises(ConfigurationError, match="certificate that came"):
            certs.check_issued(certificate, authority, own, uuid)


def test_a_master_without_a_fingerprint_is_refused_before_anything_is_asked(node, host):
    with pytest.raises(ConfigurationError, match="no fingerprint"):
        enrol(host, NEW, master_of(node, fingerprint=""), make_token(node.paths))


def test_token_itself_is_kept_nowhere(master, clock):
    token = make_token(master.paths, now=clock)

    assert token not in tokens_file(master.paths).read_text()
    assert stat.S_IMODE(tokens_file(master.paths).stat().st_mode) == 0o600


def test_several_tokens_are_outstanding_at_once(master, clock):
    tokens = [make_token(master.paths, now=clock) for _ in range(3)]

    uuids = {ask(master, token)["node_uuid"] for token in tokens}

    assert len(uuids) == 3
    assert not master.is_open()


def test_damaged_list_of_tokens_lets_nobody_in(master, clock):
    token = make_token(master.paths, now=clock)
    tokens_file(master.paths).write_text("{")

    assert not master.is_open()
    with pytest.raises(AccessDenied):
        ask(master, token)


def test_what_a_new_host_needs_is_told(master):
    info = enrol_info(master.paths, Node(
        uuid="u", name="node1", group="g", primary_ip="2001:db8::1", port=1811))

    assert info["master"] == "[2001:db8::1]:1811"
    assert info["ca_fingerprint"] == fingerprint_of(master.paths.ca_certificate)
    assert info["master_fingerprint"] == fingerprint_of(master.paths.node_certificate)
    assert info["token"]
