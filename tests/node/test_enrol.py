"""Enrolment: one token, one host, and nothing told to a stranger."""

from __future__ import annotations

import json
import stat

import pytest

from ganeti_core.bootstrap.enrol import (
    TOKEN_SECONDS,
    WRONG_ALLOWED,
    WRONG_SECONDS,
    Enrolment,
    enrol,
    enrol_info,
    make_token,
    tokens_file,
)
from ganeti_core.errors import AccessDenied, ConfigurationError, NodeUnreachable
from ganeti_core.model import Node
from ganeti_core.paths import Paths
from ganeti_core.rpc import certs
from ganeti_core.rpc.access import Caller, Epochs
from ganeti_core.rpc.calls import service_call
from ganeti_core.rpc.client import NodeClients
from ganeti_core.rpc.identity import NodeIdentity

NEW = NodeIdentity("", "node2.example.com", "127.0.0.2", 1811)


@pytest.fixture
def host(tmp_path):
    """A host that is no node yet."""
    return Paths(tmp_path / "new-host")


def master_of(node):
    return ("127.0.0.1", node.noded.server.port)


def authority_of(node):
    return certs.fingerprint_of(node.paths.ca_certificate)


def test_host_with_a_token_becomes_a_node(node, host):
    (node.paths.data / "ssconf_cluster_name").write_text("cluster.example.com\n")
    Epochs(node.paths.epoch).admit(3)

    identity = enrol(host, NEW, master_of(node), authority_of(node), make_token(node.paths))

    assert NodeIdentity.load(host) == identity
    assert identity.uuid
    assert identity.name == "node2.example.com"
    assert json.loads(certs.candidates_file(host).read_text()) == [
        certs.fingerprint_of(node.paths.node_certificate)]
    assert Epochs(host.epoch).highest() == 3
    assert stat.S_IMODE(host.node_key.stat().st_mode) == 0o600
    assert not host.ca_key.exists()
    clients = NodeClients(certs.TlsIdentity.of(host), lambda: 3)
    assert clients.call(node.peer, service_call("node.ping"))["name"] == "node1.example.com"
    clients.close()


def test_token_works_once(node, host, tmp_path):
    token = make_token(node.paths)
    make_token(node.paths)
    enrol(host, NEW, master_of(node), authority_of(node), token)

    with pytest.raises(AccessDenied, match="ask for a new one"):
        enrol(Paths(tmp_path / "third"), NEW, master_of(node), authority_of(node), token)


def test_wrong_token_leaves_no_trace_on_the_host(node, host):
    make_token(node.paths)

    with pytest.raises(AccessDenied):
        enrol(host, NEW, master_of(node), authority_of(node), "guessed")

    assert not host.data.exists()


def test_without_an_outstanding_token_strangers_are_not_even_heard(node, host):
    with pytest.raises(NodeUnreachable, match="no certificate was shown"):
        enrol(host, NEW, master_of(node), authority_of(node), "guessed")


def test_token_is_not_told_to_a_cluster_with_another_authority(node, host):
    token = make_token(node.paths)

    with pytest.raises(ConfigurationError, match="nothing was told to it"):
        enrol(host, NEW, master_of(node), "00" * 32, token)

    enrol(host, NEW, master_of(node), authority_of(node).upper(), token)


def test_host_that_is_a_node_is_not_taken_twice(node, host):
    enrol(host, NEW, master_of(node), authority_of(node), make_token(node.paths))

    with pytest.raises(ConfigurationError, match="is a node already"):
        enrol(host, NEW, master_of(node), authority_of(node), make_token(node.paths))
    before = NodeIdentity.load(host)
    token = make_token(node.paths, node_uuid=before.uuid)
    assert enrol(host, NEW, master_of(node), authority_of(node), token, force=True) == before


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


def test_guessing_is_slow(master, clock):
    token = make_token(master.paths, now=clock)
    for number in range(WRONG_ALLOWED):
        with pytest.raises(AccessDenied, match="ask for a new one"):
            ask(master, f"guess-{number}")

    with pytest.raises(AccessDenied, match="too many"):
        ask(master, token)
    clock.now += WRONG_SECONDS + 1
    assert ask(master, token)["certificate"]


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
    assert info["ca_fingerprint"] == certs.fingerprint_of(master.paths.ca_certificate)
    assert info["token"]
