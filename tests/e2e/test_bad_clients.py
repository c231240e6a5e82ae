"""What comes in at the master's socket from clients that are wrong, rude, or gone."""

from __future__ import annotations

import json
import socket

import pytest
from virtual_cluster import VirtualCluster, wait_until

from ganeti_core.luxi.client import connect

END = b"\x03"
MIB = 1 << 20


@pytest.fixture
def open_socket(cluster: VirtualCluster):
    opened: list[socket.socket] = []

    def make() -> socket.socket:
        opened.append(connect(cluster.paths().master_socket, 20.0))
        return opened[-1]

    yield make
    for one in opened:
        one.close()


def answer(sock: socket.socket) -> bytes:
    """What the master says until it closes the connection or a message is complete."""
    said = b""
    while not said.endswith(END):
        try:
            chunk = sock.recv(65536)
        except ConnectionResetError:
            break
        if not chunk:
            break
        said += chunk
    return said


def is_alive(cluster: VirtualCluster) -> bool:
    with cluster.luxi() as client:
        return bool(client.query_cluster_info()["name"])


@pytest.mark.parametrize("garbage", [
    b"\x03", b"{\x03", b"[]\x03", b"\xff\xfe\x03", b'{"method": 7}\x03',
    b'{"method": "NoSuchMethod", "args": []}\x03', b'{"method": "SubmitJob", "args": {}}\x03',
    b'{"method": "SubmitJob", "args": [[{"OP_ID": "OP_NONSENSE"}]]}\x03',
    b'{"method": "Query", "args": ["instance"]}\x03', b"[" * 100000 + b"\x03",
], ids=range(10))
def test_garbage_is_answered_with_an_error(cluster, open_socket, garbage):
    sock = open_socket()
    sock.sendall(garbage)
    said = answer(sock)
    if said:
        assert json.loads(said.rstrip(END))["success"] is False
    assert is_alive(cluster)


def test_a_message_that_is_too_long_closes_its_connection_only(cluster, open_socket):
    sock = open_socket()
    sent = 0
    try:
        while sent < 100 * MIB:
            sent += sock.send(b" " * MIB)
        said = answer(sock)
    except (BrokenPipeError, ConnectionResetError):
        said = b""
    if said:
        assert json.loads(said.rstrip(END))["success"] is False
    assert is_alive(cluster)


def test_clients_that_go_away_or_say_nothing_harm_nobody(cluster, open_socket):
    for _ in range(50):
        open_socket()
    leaving = open_socket()
    waiting = {"method": "WaitForJobChange", "args": [1, ["status"], None, None, 30]}
    leaving.sendall(json.dumps(waiting).encode() + END)
    leaving.close()
    half = open_socket()
    half.sendall(b'{"method": "Query')
    assert is_alive(cluster)


def test_a_job_whose_client_has_gone_still_runs(cluster, open_socket):
    sock = open_socket()
    opcode = {"OP_ID": "OP_TEST_DELAY", "duration": 0.1, "on_master": True}
    sock.sendall(json.dumps({"method": "SubmitJob", "args": [[opcode]]}).encode() + END)
    job = str(json.loads(answer(sock).rstrip(END))["result"])
    sock.close()
    wait_until(lambda: cluster.table("gnt-job", "list", "-o", "status", job) == [["success"]],
               "the job has run", pause=0.2)
