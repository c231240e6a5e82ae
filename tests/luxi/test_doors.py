"""The sockets of the master: whom they serve, with what, and how long answers leave them."""

from __future__ import annotations

import grp
import os
import shutil
import socket
import stat
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from luxi_serving import PATIENCE, Handler, Serving, answer, ask

from ganeti_core.errors import OpPrereqError
from ganeti_core.luxi import doors, protocol
from ganeti_core.luxi.client import LuxiClient
from ganeti_core.luxi.doors import Door, daemon_users
from ganeti_core.luxi.methods import METHOD_NAMES, asks_only
from ganeti_core.luxi.protocol import END, PIECE, Encoded, pieces
from ganeti_core.paths import Paths

NOBODY = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="another user must be tried")


@pytest.fixture
def folder() -> Iterator[Path]:
    """One that other users can enter."""
    found = Path(tempfile.mkdtemp(prefix="luxi-doors-"))
    found.chmod(0o755)
    yield found
    shutil.rmtree(found)


def said_to(uid: int, path: Path) -> str:
    """What a process of that user is told at a socket, without asking."""
    source, sink = os.pipe()
    if (pid := os.fork()) == 0:
        try:
            os.setgroups([])
            os.setgid(uid)
            os.setuid(uid)
            with socket.socket(socket.AF_UNIX) as sock:
                sock.settimeout(PATIENCE)
                sock.connect(str(path))
                os.write(sink, sock.recv(4096))
        except OSError as exc:
            os.write(sink, type(exc).__name__.encode())
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    os.close(sink)
    with os.fdopen(source) as said:
        return said.read()


@as_root
def test_whoever_is_no_daemon_is_told_so(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    door = Door(folder / "socket", admitted=frozenset({0}))
    with Serving([door], Handler(), None) as server:
        assert stat.S_IMODE(door.path.stat().st_mode) == 0o660
        assert said_to(NOBODY, door.path) == "PermissionError"
        door.path.chmod(0o666)
        told = [said_to(NOBODY, door.path) for _ in range(3)]
        assert len(set(map(bool, told))) == 1
        with pytest.raises(OpPrereqError, match=r"user \w+ \(process \d+\) may not use socket"):
            protocol.parse_answer(told[0].encode().rstrip(END))
        with LuxiClient(server.path) as client:
            assert client.call("Ping", 1) == [1]


@as_root
def test_the_accounts_of_daemons_are_served(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doors, "DAEMONS", ("nobody", "no-such-account"))
    assert daemon_users() == {0, NOBODY}
    door = Door(folder / "socket", admitted=daemon_users())
    with door.open() as listener:
        door.path.chmod(0o666)
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(str(door.path))
            listener.setblocking(True)
            with listener.accept()[0] as connection:
                assert door.stranger(connection) == ""


@as_root
def test_the_group_of_a_socket_is_ganetis_where_there_is_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = next(one for one in grp.getgrall() if one.gr_gid)
    for name, number in ((group.gr_name, group.gr_gid), ("no-such-group", 0)):
        with Door(folder / "socket", name).open():
            assert (folder / "socket").stat().st_gid == number
    paths = Paths(folder)
    paths.make_directories()
    doors.make_passable(paths)
    assert stat.S_IMODE(paths.sockets.stat().st_mode) == 0o750
    monkeypatch.setattr(doors, "READERS_GROUP", group.gr_name)
    doors.make_passable(paths)
    assert {stat.S_IMODE(one.stat().st_mode) for one in (paths.run, paths.sockets)} == {0o751}


def test_two_sockets_have_ganetis_names_and_rights(tmp_path: Path) -> None:
    whole, reading = doors.doors(Paths(tmp_path))
    assert (whole.path.name, whole.group) == ("ganeti-query", "gnt-daemons")
    assert whole.admitted is not None
    assert whole.admitted >= {0}
    assert (reading.path.name, reading.group, reading.admitted) == (
        "ganeti-read", "gnt-admin", None)


def test_what_changes_something_is_not_for_readers() -> None:
    assert sorted(name for name in METHOD_NAMES if not asks_only(name)) == [
        "ArchiveJob", "AutoArchiveJobs", "CancelJob", "ChangeJobPriority", "DeleteFilter",
        "ForgetDebts", "NodeEnrolToken", "NodePreflight", "OpenConsole", "PickupJob",
        "ReloadPlugins", "ReplaceFilter", "ReportLeftBehind", "RetryDebts", "SetDrainFlag",
        "SetPluginEnabled", "SetUpgrade", "SetWatcherPause", "SubmitJob", "SubmitJobToDrainedQueue",
        "SubmitManyJobs", "TracePlugin"]


def test_a_reading_socket_says_what_it_is(tmp_path: Path) -> None:
    door = Door(tmp_path / "read", answers=lambda name: name == "Ping")
    with Serving([Door(tmp_path / "all"), door], Handler(), None) as server:
        with LuxiClient(door.path) as client:
            assert client.call("Ping", 1) == [1]
            with pytest.raises(OpPrereqError, match="SubmitJob is not served at read"):
                client.call("SubmitJob", [])
            assert client.call("Ping", 2) == [2]
        server.let_go()
        with LuxiClient(server.path) as client:
            assert client.call("SubmitJob") == "waited"
    assert not door.path.exists()


@pytest.mark.parametrize("parts", [
    [], [b""], [b"[1]"], [b"x" * (3 * PIECE + 1)], [b"y" * 1000] * 2000])
def test_pieces_are_the_message(parts: list[bytes]) -> None:
    found = list(pieces(Encoded(parts)))
    assert b"".join(found) == b'{"success":true,"result":' + b"".join(parts) + b"}" + END
    assert max(map(len, found)) < 2 * PIECE + 100


class Taken(Sequence[bytes]):
    """Parts of an answer that count how many were taken."""

    def __init__(self, number: int) -> None:
        self.number, self.taken = number, 0
        self.row = b'"' + b"z" * 65536 + b'",'

    def __len__(self) -> int:
        return self.number

    def __getitem__(self, at: Any) -> Any:
        if at >= self.number:
            raise IndexError
        self.taken = at + 1
        return b"[" if at == 0 else b"1]" if at == self.number - 1 else self.row


def test_a_long_answer_is_made_as_its_client_takes_it(tmp_path: Path) -> None:
    parts = Taken(200)

    class Long(Handler):
        async def __call__(self, method: str, args: list[Any]) -> Any:
            return Encoded(parts) if method == "Long" else await super().__call__(method, args)

    with (Serving([Door(tmp_path / "socket")], Long(), None) as server,
          ask(server.path, "Long") as slow):
        slow.recv(1, socket.MSG_PEEK)
        with LuxiClient(server.path) as other:
            for _ in range(20):
                assert other.call("Ping", 1) == [1]
        assert parts.taken < 100
        assert len(answer(slow)) == 199
