"""Copies of images on a node: whole, or not there."""

from __future__ import annotations

import threading
import time
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ganeti_core.errors import GanetiError
from ganeti_core.node.helper_images import MIB, HelperImages


def make(root: Path, image: str, instance: str = "u1") -> Path:
    return HelperImages(root).make(instance, image, time.monotonic() + 60.0)


def test_a_copy_is_whole_sparse_and_can_be_made_again(tmp_path: Path) -> None:
    image = tmp_path / "image"
    with image.open("wb") as file:
        file.write(b"begin")
        file.truncate(8 * MIB + 1)
    for _ in range(2):
        copy = make(tmp_path, str(image))
        assert copy.stat().st_size == 9 * MIB
        assert copy.read_bytes()[:5] == b"begin"
        assert copy.stat().st_blocks * 512 < MIB
    assert copy.stat().st_mode & 0o077 == 0
    for _ in range(2):
        HelperImages(tmp_path).forget("u1")
        assert list(copy.parent.iterdir()) == []


def test_an_image_is_fetched(tmp_path: Path) -> None:
    (tmp_path / "image").write_bytes(b"x" * 100 + bytes(3 * MIB))

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=tmp_path)) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        address = f"http://127.0.0.1:{server.server_port}"
        copy = make(tmp_path, f"{address}/image")
        assert copy.read_bytes() == b"x" * 100 + bytes(4 * MIB - 100)
        with pytest.raises(GanetiError, match="cannot be fetched"):
            make(tmp_path, f"{address}/none", "u2")
        server.shutdown()
        thread.join()
    assert sorted(path.name for path in copy.parent.iterdir()) == ["u1", "u1.package"]


@pytest.mark.parametrize(("content", "said"), [
    (b"QFI\xfb" + bytes(100), "is in the format qcow2"), (b"", "is empty"),
    (None, "is not a file of this node")])
def test_what_cannot_be_booted_is_refused(
    tmp_path: Path, content: bytes | None, said: str
) -> None:
    image = tmp_path / "image"
    if content is not None:
        image.write_bytes(content)
    with pytest.raises(GanetiError, match=said):
        make(tmp_path, str(image))
    assert list((tmp_path / "srv/ganeti/helper").iterdir()) == []


@pytest.mark.parametrize("name", ["", "../x", "a/b", "."])
def test_only_uuids_name_copies(tmp_path: Path, name: str) -> None:
    with pytest.raises(GanetiError, match="not the uuid"):
        make(tmp_path, "/x", name)


class Breaking(BaseHTTPRequestHandler):
    """Promises more than it sends."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(2 * MIB))
        self.end_headers()
        self.wfile.write(b"boot" + bytes(MIB))

    def log_message(self, *words: object) -> None:
        pass


def test_what_was_fetched_in_part_is_no_image(tmp_path: Path) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Breaking) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            with pytest.raises(GanetiError, match=f"ended after {MIB + 4} of {2 * MIB} bytes"):
                make(tmp_path, f"http://127.0.0.1:{server.server_port}/image")
        finally:
            server.shutdown()
            thread.join()
    assert [one for one in tmp_path.rglob("*") if one.is_file()] == []
