"""The client over a real socket: answers, failures, and a master that goes away."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ganeti_core import errors
from ganeti_core.luxi.client import (
    ConnectionLost,
    LuxiClient,
    LuxiTimeout,
    MasterAccessError,
    NoMasterError,
)
from ganeti_core.luxi.job_seen import JobSeen

Behaviour = Callable[[socket.socket], None]


@contextmanager
def serving(path: Path, *connections: Behaviour) -> Iterator[None]:
    """Accept one connection after the other and let each behaviour have one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    folder = os.open(path.parent, os.O_PATH)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(f"/proc/self/fd/{folder}/{path.name}")
    os.close(folder)
    listener.listen()
    listener.settimeout(10)

    def serve() -> None:
        for behave in connections:
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(10)
                behave(connection)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        thread.join()
        listener.close()


def read_request(connection: socket.socket) -> bytes:
    data = b""
    while not data.endswith(b"\x03"):
        data += connection.recv(65536)
    return data


def answering(*answers: bytes) -> Behaviour:
    def behave(connection: socket.socket) -> None:
        for answer in answers:
            read_request(connection)
            connection.sendall(answer)
    return behave


def success(result: str) -> bytes:
    return f'{{"success":true,"result":{result}}}'.encode() + b"\x03"


def test_calls_share_one_connection(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with serving(path, answering(success("279"), success('[[true,"done"]]'))), \
            LuxiClient(path) as client:
        assert client.submit_job([{"OP_ID": "OP_TEST_DELAY"}]) == 279
        assert client.submit_many_jobs([[]]) == [(True, "done")]


def test_a_path_longer_than_the_kernel_takes_works(tmp_path: Path) -> None:
    path = tmp_path / ("d" * 100) / ("e" * 100) / "ganeti-query"
    assert len(str(path)) > 200
    with serving(path, answering(success('["node1"]'))), LuxiClient(path) as client:
        assert client.query_config_values(["master_node"]) == ["node1"]


def test_an_answer_may_come_in_small_pieces(tmp_path: Path) -> None:
    def trickle(connection: socket.socket) -> None:
        read_request(connection)
        for byte in success('["a"]'):
            connection.sendall(bytes([byte]))
    path = tmp_path / "socket"
    with serving(path, trickle), LuxiClient(path) as client:
        assert client.query_config_values(["x"]) == ["a"]


def test_the_masters_error_is_raised_with_its_type(tmp_path: Path) -> None:
    answer = b'{"success":false,"result":["JobLost",["Can\'t load job file"]]}\x03'
    path = tmp_path / "socket"
    with serving(path, answering(answer, success("1"))), LuxiClient(path) as client:
        with pytest.raises(errors.JobLost, match="Can't load job file"):
            client.wait_for_job_change(9, JobSeen(["status"]), wait=1)
        assert client.call("Anything") == 1


def test_no_socket_and_nobody_listening_are_no_master(tmp_path: Path) -> None:
    with pytest.raises(NoMasterError):
        LuxiClient(tmp_path / "nowhere/socket").query_cluster_info()
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(str(tmp_path / "socket"))
    stale.close()
    with pytest.raises(NoMasterError):
        LuxiClient(tmp_path / "socket").query_cluster_info()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may use every socket")
def test_a_socket_that_may_not_be_used_is_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with serving(path):
        path.chmod(0)
        with pytest.raises(MasterAccessError):
            LuxiClient(path).query_cluster_info()


def test_a_connection_that_ends_before_the_answer_is_not_repeated(tmp_path: Path) -> None:
    requests = []

    def hang_up(connection: socket.socket) -> None:
        requests.append(read_request(connection))
        connection.sendall(b'{"success":true,')
    path = tmp_path / "socket"
    with serving(path, hang_up, answering(success("2"))), LuxiClient(path) as client:
        with pytest.raises(ConnectionLost):
            client.submit_job([])
        assert len(requests) == 1
        # The half of an answer that did arrive is no part of the next one.
        assert client.submit_job([]) == 2


def test_a_late_answer_is_never_taken_for_the_next_one(tmp_path: Path) -> None:
    timed_out = threading.Event()

    def late(connection: socket.socket) -> None:
        read_request(connection)
        timed_out.wait(60)
    path = tmp_path / "socket"
    with serving(path, late, answering(success("2"))), LuxiClient(path, timeout=0.05) as client:
        with pytest.raises(LuxiTimeout):
            client.call("Slow")
        timed_out.set()
        assert client.call("Quick", timeout=10) == 2
