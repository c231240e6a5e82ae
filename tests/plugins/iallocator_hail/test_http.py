"""Cluster data over HTTPS and loads over HTTP, from small servers with recorded answers."""

from __future__ import annotations

import contextlib
import json
import socketserver
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ganeti_plugins.iallocator_hail.tools import hbal, hinfo, hscan

RECORDED = Path(__file__).parent / "data" / "rapi"
FILES = {
    "/2/info": "info",
    "/2/nodes?bulk=1": "nodes",
    "/2/instances?bulk=1": "instances",
    "/2/groups?bulk=1": "groups",
}
MOND_PORT = 1815
NODES = ("127.18.15.1", "127.18.15.2")
"""Names of nodes that are addresses of this machine, so that their daemons can be played."""

Answer = Callable[[str], bytes | None]


def _running(server: socketserver.BaseServer) -> Iterator[str]:
    """Let a server work in a thread of its own; give its `host:port`."""
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        host, port = server.server_address[:2]
        yield f"{host}:{port}"
    finally:
        server.shutdown()
        thread.join()


@contextlib.contextmanager
def serving(address: tuple[str, int], answer: Answer, *, keys: Path | None = None) -> Iterator[str]:
    """A server whose answers are bytes by path; gives its `host:port`."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = answer(self.path)
            self.send_response(404 if body is None else 200)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *words: object) -> None:
            pass

    with ThreadingHTTPServer(address, Handler) as server:
        if keys is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(keys)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        yield from _running(server)


def recorded(path: str) -> bytes | None:
    name = FILES.get(path)
    return None if name is None else (RECORDED / f"{name}.json").read_bytes()


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key with a certificate that nobody else has signed."""
    path = tmp_path_factory.mktemp("keys") / "server.pem"
    parts = [path.with_name("key"), path.with_name("cert")]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=cluster",
         "-keyout", str(parts[0]), "-out", str(parts[1])],
        check=True, capture_output=True,
    )
    path.write_text("".join(part.read_text() for part in parts))
    return path


def test_a_cluster_is_read_over_https(keys: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(("127.0.0.1", 0), recorded, keys=keys) as host:
        assert hinfo.main(["-m", f"https://{host}"]) == 0
    told = capsys.readouterr().out.splitlines()
    assert "Loaded 4 nodes, 5 instances, 2 node groups" in told
    assert told[-1] == "Cluster score: 1.98552164"


def test_hscan_saves_what_it_read_over_https(
    keys: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(("127.0.0.1", 0), recorded, keys=keys) as host:
        assert hscan.main(["-d", str(folder), f"https://{host}"]) == 0
    (saved,) = folder.glob("*.data")
    assert hinfo.main(["-t", str(saved)]) == 0
    assert "Cluster score: 1.98552164" in capsys.readouterr().out


def test_a_server_that_refuses_is_an_error(
    keys: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(("127.0.0.1", 0), lambda _: None, keys=keys) as host:
        assert hinfo.main(["-m", f"https://{host}"]) == 1
    assert "failed to load data, aborting: Curl error for" in capsys.readouterr().err


def test_answers_of_another_kind_are_an_error(
    keys: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(("127.0.0.1", 0), lambda _: b"[1, 2]", keys=keys) as host:
        assert hinfo.main(["-m", f"https://{host}"]) == 1
    assert capsys.readouterr().err.startswith("Error: failed to load data, aborting: ")


CLUSTER = "\n".join(
    [
        "group|uuid|preferred|||",
        "",
        *(f"{name}|4096|512|2560|8192|8192|8|N|uuid" for name in NODES),
        "",
        *(f"i{n}|512|0|{n + 1}|running|Y|{NODES[n % 2]}||ext||1" for n in range(4)),
        "",
        "",
    ]
)


def report(load: float) -> Answer:
    told = {
        "name": "cpu-avg-load", "version": "B", "format_version": 1, "category": None, "kind": 0,
        "timestamp": 1379507272000000000,
        "data": {"cpu_number": 8, "cpus": [0.1], "cpu_total": load},
    }
    text = json.dumps(told).encode()
    return lambda path: text if path == "/1/report/default/cpu-avg-load" else None


def cpu_load(told: str) -> str:
    return next(line.split()[1] for line in told.splitlines() if "cpu_load_cv" in line)


def test_loads_come_from_the_monitoring_daemons(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "c.data").write_text(CLUSTER)
    first, second = ((name, MOND_PORT) for name in NODES)
    with serving(first, report(6.0)), serving(second, report(1.0)):
        assert hinfo.main(["-t", "c.data", "--mond"]) == 0
        assert cpu_load(capsys.readouterr().out) == "2.50000000"
        assert hbal.main(["-t", "c.data", "--mond=yes"]) == 0
        assert "Initial score: 2.62500000" in capsys.readouterr().out


def test_a_silent_monitoring_daemon_is_told_and_may_be_fatal(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "c.data").write_text(CLUSTER)
    with serving((NODES[0], MOND_PORT), report(6.0)):
        assert hinfo.main(["-t", "c.data", "--mond"]) == 0
        told = capsys.readouterr()
        assert "Didn't receive an answer by all MonDs" in told.err
        assert cpu_load(told.out) == "0.00000000"
        assert hbal.main(["-t", "c.data", "--mond", "--exit-on-missing-mond-data"]) == 1
    assert "Error: Not all required data available" in capsys.readouterr().err


@contextlib.contextmanager
def talking(address: tuple[str, int], text: bytes) -> Iterator[str]:
    """Something else than a server of HTTP, which says the same to everybody; its `host:port`."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(4096)
            self.request.sendall(text)

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True

    with Server(address, Handler) as server:
        yield from _running(server)


BROKEN = (b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.0 200 OK\r\nContent-Length: 500\r\n\r\n{}")


@pytest.mark.parametrize("text", BROKEN)
def test_what_does_not_speak_http_is_an_error(
    text: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    with talking(("127.0.0.1", 0), text) as host:
        assert hinfo.main(["-m", f"http://{host}"]) == 1
    assert "failed to load data, aborting: Curl error for" in capsys.readouterr().err


def load_of(text: str) -> bytes:
    body = f'{{"name": "cpu-avg-load", "data": {{"cpu_total": {text}}}}}'
    return f"HTTP/1.0 200 OK\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


@pytest.mark.parametrize("text", [*BROKEN, load_of("NaN"), load_of("Infinity")])
def test_a_daemon_whose_load_cannot_be_understood_is_told(
    folder: Path, text: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "c.data").write_text(CLUSTER)
    with serving((NODES[0], MOND_PORT), report(6.0)), talking((NODES[1], MOND_PORT), text):
        assert hinfo.main(["-t", "c.data", "--mond"]) == 0
    told = capsys.readouterr()
    assert "Didn't receive an answer by all MonDs" in told.err
    assert cpu_load(told.out) == "0.00000000"
