"""Fixtures: a node in the test's process, a node as a program."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from one_node import NodeProgram, OneNode, make_node

from ganeti_core.rpc import connection

MOODY_METADATA = """Metadata-Version: 2.1
Name: moody
Version: 1.0
"""
MOODY_ENTRY_POINTS = """[ganeti.hypervisors]
moody = moody:Moody
"""


@pytest.fixture(autouse=True)
def _short_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "GRACE_SECONDS", 2.0)


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[OneNode]:
    # It shares this process's time: on a busy machine its word takes seconds.
    monkeypatch.setattr(connection, "GRACE_SECONDS", 60.0)
    before = set(threading.enumerate())
    made = OneNode.begin(tmp_path)
    yield made
    made.end()
    left = [thread for thread in threading.enumerate() if thread not in before]
    for thread in left:
        thread.join(5)
    assert not [thread for thread in left if thread.is_alive()], "a thread outlives its test"


@pytest.fixture
def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])


@pytest.fixture
def make_program(tmp_path: Path, free_port: int) -> Iterator[Callable[..., NodeProgram]]:
    """Make nodes whose installation has a third party's plugin: the moody hypervisor."""
    site = tmp_path / "site"
    info = site / "moody-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(MOODY_METADATA)
    (info / "entry_points.txt").write_text(MOODY_ENTRY_POINTS)
    (site / "moody.py").write_bytes(Path(__file__).with_name("moody.py").read_bytes())
    made = []

    def make(root: Path | None = None) -> NodeProgram:
        root = root or tmp_path / "node"
        environment = {**os.environ, "GANETI_ROOT": str(root), "PYTHONPATH": str(site)}
        program = NodeProgram(make_node(root, free_port), free_port, environment)
        made.append(program)
        return program

    yield make
    for program in made:
        program.kill(signal.SIGKILL)


@pytest.fixture
def program(make_program: Callable[..., NodeProgram]) -> NodeProgram:
    return make_program()
