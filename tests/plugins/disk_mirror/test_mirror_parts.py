"""Which copy may be written over with what, and what a storage daemon says of failed writes."""

from __future__ import annotations

import os
import struct
import threading
from pathlib import Path

import pytest

from ganeti_core.plugin_api import unix_sockets
from ganeti_core.plugin_api.copy_reports import UNHEARD, WRITTEN
from ganeti_core.plugin_api.testing.contexts import make_context
from ganeti_plugins.disk_mirror import link, qmp
from ganeti_plugins.disk_mirror.notes import Note, filled_how
from ganeti_plugins.disk_mirror.places import Places
from ganeti_plugins.disk_mirror.replies import Replies, WriteFailed
from ganeti_plugins.disk_mirror.users import holders_of

MINE = Note("b", whole=True, earlier=("a",))
HANDSHAKE = (b"NBDMAGICIHAVEOPT" + struct.pack(">H", 3)
             + struct.pack(">QIII", 0x3E889045565A9, 8, 1, 0)
             + struct.pack(">QIII", 0x3E889045565A9, 7, 3, 12) + bytes(12)
             + struct.pack(">QIII", 0x3E889045565A9, 7, 1, 0))
DONE = struct.pack(">IIQ", 0x67446698, 0, 7)
READ = struct.pack(">IHHQI", 0x668E33EF, 1, 1, 8, 12) + bytes(8) + b"data"
UNSUPPORTED = struct.pack(">IHHQI", 0x668E33EF, 1, 0x8001, 9, 6) + struct.pack(">IH", 95, 0)
FAILED = struct.pack(">IHHQI", 0x668E33EF, 1, 0x8001, 9, 8) + struct.pack(">IH", 28, 2) + b"no"


@pytest.mark.parametrize(("other", "is_old", "how"), [
    (Note("b", whole=True), False, "nothing"),
    (Note("b", whole=False), False, "all"),
    (Note("a", whole=True), False, "changes"),
    (Note("a", whole=False), False, "all"),
    (Note(), False, "all"),
    (Note("c", whole=True, earlier=("b", "a")), False, ""),
    (Note("c", whole=True, earlier=("a",)), False, ""),
    (Note("c", whole=True, earlier=("a",)), True, "all"),
])
def test_a_copy_is_written_over_only_by_what_follows_it(
    other: Note, is_old: bool, how: str
) -> None:
    assert filled_how(MINE, other, other_is_old=is_old) == how


def test_a_new_generation_remembers_those_before() -> None:
    renewed = MINE.renewed()
    assert renewed.earlier == ("b", "a")
    assert filled_how(renewed, MINE, other_is_old=False) == "changes"
    assert filled_how(MINE, renewed, other_is_old=False) == ""


@pytest.mark.parametrize("step", [1, 7, 1000])
def test_a_failed_write_is_noticed_in_whatever_pieces_it_comes(step: int) -> None:
    said = HANDSHAKE + DONE + READ + UNSUPPORTED + DONE
    replies = Replies()
    for at in range(0, len(said), step):
        replies.feed(said[at:at + step])
    replies.feed(FAILED[:20])
    with pytest.raises(WriteFailed, match="error 28"):
        replies.feed(FAILED[20:])


@pytest.mark.parametrize("said", [
    bytes(18) + b"GET / HTTP/1.1 and so on", HANDSHAKE + bytes(16),
    HANDSHAKE + struct.pack(">IIQ", 0x67446698, 5, 7)])
def test_what_cannot_be_understood_ends_the_connection(said: bytes) -> None:
    with pytest.raises(WriteFailed):
        Replies().feed(said)


def test_the_cluster_is_told_of_a_lost_copy_until_it_has_that_in_writing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Where nobody could be told in time, writes go on, and whoever fails over must still know."""
    answers = iter([(UNHEARD, "the master is silent"), (WRITTEN, "")])
    asked: list[object] = []

    def report(_root: object, disk: str, node: str, _seconds: float) -> tuple[str, str]:
        asked.append((disk, node))
        return next(answers)

    monkeypatch.setattr(link, "report_left_behind", report)
    ctx = make_context(tmp_path)
    places = Places.of(ctx, "disk-1")
    places.folder.mkdir(parents=True)
    places.want({"disk": "disk-1", "peer": {"uuid": "node-2"}, "peer_is_old": False})
    Note("b", whole=True, owed=True).save(places.note)
    for _ in range(2):  # the keeper was killed in between
        lost = link.Link(ctx, places)
        lost._without("the connection was lost")
    for _ in range(2):
        lost._without("the connection was lost")
    assert asked == [("disk-1", "node-2")] * 2
    assert places.live()["state"] == "alone"


def test_a_storage_daemon_that_is_killed_while_it_speaks_is_lost(tmp_path: Path) -> None:
    with unix_sockets.listen(tmp_path / "qmp") as listener:
        def speak() -> None:
            with listener.accept()[0] as client:
                client.sendall(b'{"QMP": {}}\n{"retu')

        speaking = threading.Thread(target=speak)
        speaking.start()
        with pytest.raises(qmp.QmpLost):
            qmp.Qmp.at(tmp_path / "qmp")
        speaking.join()


def test_a_disk_is_named_as_the_kernel_names_it(tmp_path: Path) -> None:
    """Below `/var/run`, which is a link on real hosts."""
    (tmp_path / "run").mkdir()
    (tmp_path / "var-run").symlink_to("run")
    places = Places(tmp_path / "var-run", tmp_path, "disk-1")
    places.folder.mkdir()
    with places.device.open("w"):
        [holder] = holders_of(places.device)
    assert holder.startswith(f"process {os.getpid()} (")
