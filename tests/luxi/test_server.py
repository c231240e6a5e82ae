"""The server and its clients when there are too many of them, and when they go away."""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack

import pytest
from luxi_serving import PATIENCE, answer, ask, serving

from ganeti_core.errors import MasterBusy
from ganeti_core.luxi import client as luxi_client
from ganeti_core.luxi import protocol
from ganeti_core.luxi.client import LuxiClient, NoMasterError, connect


def test_a_question_ends_when_its_client_leaves(tmp_path) -> None:
    with serving(tmp_path) as server:
        sock = ask(server.path, "Wait")
        assert server.handler.begun.wait(PATIENCE)
        sock.close()
        assert server.handler.ended.wait(PATIENCE)


def test_a_change_goes_on_when_its_client_leaves(tmp_path) -> None:
    with serving(tmp_path) as server:
        sock = ask(server.path, "Change")
        assert server.handler.begun.wait(PATIENCE)
        sock.close()
        # Another one is served meanwhile, so the server has seen it leave.
        with LuxiClient(server.path) as client:
            assert client.call("Ping", 1) == [1]
        server.let_go()
        assert server.handler.finished.wait(PATIENCE)
        assert not server.handler.ended.is_set()


def test_a_client_that_has_nothing_more_to_ask_gets_its_answer(tmp_path) -> None:
    with serving(tmp_path) as server, ask(server.path, "Wait") as sock:
        sock.shutdown(socket.SHUT_WR)
        assert server.handler.begun.wait(PATIENCE)
        readable, _, _ = select.select([sock], [], [], 0.5)
        assert not readable, "it waits still"
        server.let_go()
        assert answer(sock) == "waited"


def test_what_is_asked_during_a_long_answer_is_answered_after_it(tmp_path) -> None:
    with serving(tmp_path) as server, ask(server.path, "Wait") as sock:
        assert server.handler.begun.wait(PATIENCE)
        time.sleep(0.3)  # the server reads ahead by then; without it the test holds, too
        sock.sendall(protocol.encode_request("Ping", [7]))
        server.let_go()
        said = b""
        while said.count(b"\x03") < 2:
            said += sock.recv(4096)
        first, second, _ = said.split(b"\x03")
        assert (protocol.parse_answer(first), protocol.parse_answer(second)) == ("waited", [7])


def test_one_client_too_many_is_told_so(tmp_path, caplog) -> None:
    with serving(tmp_path, most=3) as server, ExitStack() as opened:
        clients = [opened.enter_context(LuxiClient(server.path)) for _ in range(3)]
        assert [client.call("Ping", 1) for client in clients] == [[1]] * 3
        for _ in range(50):
            with LuxiClient(server.path) as late, pytest.raises(MasterBusy, match="3 clients"):
                late.call("Ping", 2)
        assert [client.call("Ping", 3) for client in clients] == [[3]] * 3
        clients[0].close()
        until = time.monotonic() + PATIENCE
        while True:
            try:
                with LuxiClient(server.path) as late:
                    assert late.call("Ping", 4) == [4]
                break
            except MasterBusy:
                assert time.monotonic() < until
    assert len([one for one in caplog.records if "clients are refused" in one.message]) == 1


def test_a_full_queue_is_not_taken_for_a_dead_master(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(luxi_client, "BUSY_SECONDS", 0.2)
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as listener, ExitStack() as opened:
        listener.bind(str(path))
        listener.listen(1)
        for _ in range(2):
            opened.enter_context(connect(path, PATIENCE))
        with pytest.raises(MasterBusy, match="too many clients"):
            connect(path, PATIENCE)
    with pytest.raises(NoMasterError):
        connect(path, PATIENCE)


def test_a_place_in_a_full_queue_is_waited_for(tmp_path) -> None:
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(0)
        first = connect(path, PATIENCE)
        accepting = threading.Timer(0.3, lambda: listener.accept()[0].close())
        accepting.start()
        with first, connect(path, PATIENCE):
            accepting.join()


def test_many_clients_connect_at_once(tmp_path) -> None:
    number = 1000
    with serving(tmp_path) as server, ExitStack() as opened:
        held = threading.Event()
        # The loop does not accept meanwhile.
        server.loop.call_soon_threadsafe(held.wait, PATIENCE)
        try:
            socks = [opened.enter_context(ask(server.path, "Ping")) for _ in range(number)]
        finally:
            held.set()
        assert [answer(sock) for sock in socks] == [[]] * number


def test_clients_that_leave_before_their_answers_leave_no_tracebacks(
    tmp_path, caplog, monkeypatch
) -> None:
    # It hears the error, unless the collector of garbage comes to the future before it.
    monkeypatch.delattr(asyncio.StreamReaderProtocol, "__del__")
    with serving(tmp_path) as server:
        for _ in range(50):
            ask(server.path, "Change").close()
        assert server.handler.begun.wait(PATIENCE)
        server.let_go()
        assert server.handler.finished.wait(PATIENCE)
        with LuxiClient(server.path) as client:
            assert client.call("Ping", 1) == [1]
    gc.collect()  # asyncio complains of an unheard error when its future is removed
    assert not caplog.records, caplog.text


SCRIPT = """
import asyncio, logging, resource, sys
from pathlib import Path
from ganeti_core.luxi.doors import Door
from ganeti_core.luxi.server import LuxiServer
logging.basicConfig(stream=sys.stderr)
resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))
async def handler(method, args):
    return args
async def main():
    server = LuxiServer([Door(Path(sys.argv[1]))], handler, most=1000)
    await server.start()
    print("ready", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    await server.close()
asyncio.run(main())
"""


def test_running_out_of_descriptors_is_logged_once_and_ends(tmp_path) -> None:
    path = tmp_path / "socket"
    with subprocess.Popen([sys.executable, "-c", SCRIPT, str(path)], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        assert server.stdin is not None
        assert server.stdout.readline() == "ready\n"
        with ExitStack() as opened:
            socks = [opened.enter_context(ask(path, "Ping")) for _ in range(60)]
            assert answer(socks[0]) == []
            time.sleep(1.2)  # two more tries of the server: they must leave no word
        with LuxiClient(path) as client:
            assert client.call("Ping", 1) == [1]
        _, logged = server.communicate("\n", PATIENCE)
    assert logged.count("no client can be accepted: [Errno 24]") == 1, logged
    assert "Traceback" not in logged


def limits(program: Callable[[], None]) -> tuple[int, int]:
    """The limits of descriptors in a process after it has run `program`."""
    source, sink = os.pipe()
    if (pid := os.fork()) == 0:
        program()
        os.write(sink, repr(resource.getrlimit(resource.RLIMIT_NOFILE)).encode())
        os._exit(0)
    os.waitpid(pid, 0)
    os.close(sink)
    with os.fdopen(source) as said:
        soft, hard = said.read().strip("()").split(",")
    return int(soft), int(hard)


def test_daemons_have_as_many_descriptors_as_they_may() -> None:
    from ganeti_core.daemons.process import MOST_DESCRIPTORS, raise_descriptor_limit

    def program() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (100, 300))
        raise_descriptor_limit()

    assert limits(program) == (300, 300)
    soft, hard = limits(raise_descriptor_limit)
    assert soft == hard or soft >= MOST_DESCRIPTORS
