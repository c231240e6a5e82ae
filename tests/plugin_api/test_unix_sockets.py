"""Sockets below folders that are deeper than the kernel's addresses."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from ganeti_core.plugin_api import unix_sockets


@pytest.fixture
def path(tmp_path: Path) -> Path:
    folder = tmp_path / ("deep" * 20) / ("deeper" * 20)
    folder.mkdir(parents=True)
    return folder / "socket"


def test_bytes_pass_however_deep_it_lies(path: Path) -> None:
    with unix_sockets.listen(path, mode=0o600) as listener:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        with unix_sockets.connect(path, 60.0) as client, listener.accept()[0] as served:
            client.sendall(b"here")
            assert served.recv(4) == b"here"


def test_one_that_was_left_there_makes_room(path: Path) -> None:
    unix_sockets.listen(path).close()
    with pytest.raises(ConnectionRefusedError):
        unix_sockets.connect(path, 60.0)
    with unix_sockets.listen(path), unix_sockets.connect(path, 60.0):
        pass


def test_without_a_folder_there_is_none(path: Path) -> None:
    missing = path.parent / "nosuch" / "socket"
    for action in (unix_sockets.listen, lambda at: unix_sockets.connect(at, 60.0)):
        with pytest.raises(FileNotFoundError):
            action(missing)
