"""A damaged database is refused with a sentence that says what to do; nothing is made of it."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from bench import contents

from ganeti_core.config.database import Database, Write
from ganeti_core.config.journal import Journal
from ganeti_core.config.replica import Position, Replica, pieces
from ganeti_core.errors import StoreBroken

PAGE = 4096


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "cluster.db"
    journal = Journal(path)
    journal.write([Write("meta", ("epoch",), "1"), Write("meta", ("schema",), "1")])
    for first in range(0, 200, 20):
        journal.write([Write("object", ("instance", f"uuid-{n}"), "x" * 900)
                       for n in range(first, first + 20)])
        journal.write([Write("job", (n,), "y" * 300) for n in range(first, first + 20)])
    journal.write([Write("job", (n,), None) for n in range(50)])
    journal.close()
    return path


def test_truncated_at_any_page(database: Path, tmp_path: Path) -> None:
    whole = database.read_bytes()
    assert len(whole) > 20 * PAGE
    for size in range(0, len(whole), PAGE):
        database.write_bytes(whole[:size])
        with pytest.raises(StoreBroken, match=r"is damaged.*master-failover on another"):
            Database(database)
    database.write_bytes(whole)
    Database(database).close()


def test_truncated_within_a_page_or_overwritten(database: Path) -> None:
    whole = database.read_bytes()
    for size in (1, 50, 99, 100, 3000, PAGE + 1, len(whole) - 7):
        database.write_bytes(whole[:size])
        with pytest.raises(StoreBroken, match="damaged"):
            Database(database)
    for page in range(len(whole) // PAGE):
        database.write_bytes(whole[:page * PAGE] + b"\xa5" * 2000 + whole[page * PAGE + 2000:])
        # A page that holds nothing (any more) is nobody's loss.
        with suppress(StoreBroken):
            Database(database).close()
            assert contents(database)["object"]


def test_a_newer_schema_is_refused(database: Path) -> None:
    journal = Journal(database)
    journal.write([Write("meta", ("schema",), "2")])
    journal.close()
    with pytest.raises(StoreBroken, match="newer version"):
        Database(database)


def test_a_damaged_copy_has_no_position_and_is_replaced(database: Path, tmp_path: Path) -> None:
    source = tmp_path / "source.db"
    source.write_bytes(database.read_bytes())
    whole = database.read_bytes()
    for size in (0, 100, PAGE, 5 * PAGE):
        database.write_bytes(whole[:size])
        copy = Replica(database)
        position = copy.position()
        assert position in (Position(0, 0), Position(1, position.serial))
        cut = pieces(source, size=10_000)
        for number, (offset, chunk) in enumerate(cut):
            copy.receive(offset, chunk, last=number == len(cut) - 1)
        copy.close()
        assert contents(database) == contents(source)


def test_a_copy_with_a_missing_piece_is_not_put_into_place(database: Path, tmp_path: Path) -> None:
    before = contents(database)
    copy = Replica(database)
    cut = pieces(database, size=10_000)
    copy.receive(*cut[0], last=False)
    with pytest.raises(StoreBroken, match="a piece is missing"):
        copy.receive(*cut[2], last=False)
    copy.receive(*cut[0], last=False)
    with pytest.raises(StoreBroken, match="did not arrive"):
        copy.receive(*cut[1], last=True)
    copy.close()
    assert contents(database) == before
    assert [file.name for file in tmp_path.iterdir() if "incoming" in file.name] == []


def test_a_copy_of_a_busy_database_is_one_moment_of_it(tmp_path: Path) -> None:
    path, target = tmp_path / "a.db", tmp_path / "b.db"
    journal = Journal(path)
    journal.write([Write("meta", ("epoch",), "1")])
    done: list[BaseException | None] = []
    for number in range(1, 3000):
        # Two rows that only come together.
        journal.submit([Write("job", (number,), "x"), Write("archive", (number,), "x")],
                       done.append)
    copy = Replica(target)
    cut = pieces(path)
    for number, (offset, chunk) in enumerate(cut):
        copy.receive(offset, chunk, last=number == len(cut) - 1)
    copy.close()
    journal.close()
    found = contents(target)
    assert found["job"] == found["archive"]
    assert done.count(None) == len(done) == 2999
