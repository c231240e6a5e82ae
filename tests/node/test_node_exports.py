"""A node's folder of exports: the old or the new one is there, whatever becomes of the writer."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ganeti_core.errors import OpExecError, OpPrereqError
from ganeti_core.node import exports as module
from ganeti_core.node.exports import Exports
from ganeti_core.plugin_api.testing.killing import killed_at_each_step

NAME = "inst1.example.com"


@pytest.fixture
def exports(tmp_path: Path) -> Exports:
    return Exports(tmp_path)


def make(exports: Exports, text: str) -> None:
    exports.begin(NAME)
    (exports.draft(NAME) / "disk").write_text(text)
    exports.finish(NAME, {"disk": len(text)}, f"[export]\n{text}")


def content(exports: Exports) -> tuple[str, str]:
    folder = exports.place(NAME)
    return (folder / "disk").read_text(), exports.config(NAME)


def test_a_node_without_exports_says_so(exports: Exports) -> None:
    with pytest.raises(OpExecError, match="No exports directory"):
        exports.names()
    exports.prepare()
    assert exports.names() == []
    exports.begin(NAME)
    assert exports.names() == []
    exports.forget(NAME)
    assert list(exports.folder.iterdir()) == []


def test_the_newest_export_is_there(exports: Exports) -> None:
    for text in ("one", "second"):
        make(exports, text)
        assert content(exports) == (text, f"[export]\n{text}")
        assert [path.name for path in exports.folder.iterdir()] == [NAME]
    for _ in range(2):
        exports.remove(NAME)
    assert exports.names() == []


def test_the_longest_names_have_exports_of_their_own(exports: Exports) -> None:
    names = [f"{'a' * 62}.{'b' * 62}.{'c' * 62}.{'d' * 62}{end}" for end in (".x", ".y")]
    for name in names:
        exports.begin(name)
        (exports.draft(name) / "disk").write_text(name)
    for name in names:
        exports.finish(name, {"disk": len(name)}, "[export]")
        assert (exports.place(name) / "disk").read_text() == name
    assert exports.names() == names
    for name in names:
        exports.remove(name)
    assert list(exports.folder.iterdir()) == []


def test_one_of_the_same_second_and_size_takes_the_place_of_the_older_one(exports: Exports) -> None:
    for text in ("old", "new"):
        exports.begin(NAME)
        (exports.draft(NAME) / "disk").write_text(text)
        exports.finish(NAME, {"disk": 3}, "[export]\ntimestamp = 1")
        assert content(exports)[0] == text


def test_one_of_the_same_second_is_not_lost_by_a_killed_writer(
    exports: Exports, monkeypatch: pytest.MonkeyPatch
) -> None:
    def finish() -> None:
        exports.finish(NAME, {"disk": 3}, "[export]\ntimestamp = 1")

    swap = exports._swap

    def interrupted(name: str, *, after: bool) -> None:
        if after:
            swap(name)
        raise KeyboardInterrupt

    for text, after in (("old", False), ("new", False), ("more", True)):
        exports.begin(NAME)
        (exports.draft(NAME) / "disk").write_text(text[:3])
        with monkeypatch.context() as patch:
            patch.setattr(Exports, "_swap", lambda _, name, after=after: interrupted(
                name, after=after))
            with pytest.raises(KeyboardInterrupt):
                finish()
        finish()
        assert content(exports)[0] == text[:3]
        # Another one comes later than the clock of a file system can tell apart.
        os.utime(exports.place(NAME) / "config.ini", (1, 1))


def test_what_is_not_whole_takes_no_place(exports: Exports) -> None:
    make(exports, "old")
    exports.begin(NAME)
    (exports.draft(NAME) / "disk").write_text("short")
    for sizes in ({"disk": 6}, {"disk": 5, "other": 1}):
        with pytest.raises(OpExecError, match="not whole"):
            exports.finish(NAME, sizes, "[export]\n")
    assert content(exports)[0] == "old"
    exports.forget(NAME)
    assert [path.name for path in exports.folder.iterdir()] == [NAME]


def test_finishing_again_is_harmless(exports: Exports) -> None:
    """The answer of the first call may have been lost."""
    make(exports, "old")
    make(exports, "new")
    exports.finish(NAME, {"disk": 3}, "[export]\nnew")
    assert content(exports)[0] == "new"


def no_exchange(_one: Path, _other: Path) -> bool:
    return False


@pytest.mark.parametrize("exchange", [module._exchange, no_exchange], ids=["swap", "two steps"])
@pytest.mark.timeout(900)
def test_a_killed_writer_leaves_one_whole_export(
    exports: Exports, exchange: Callable[[Path, Path], bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_exchange", exchange)
    make(exports, "old")
    exports.begin(NAME)

    def finish() -> None:
        (exports.draft(NAME) / "disk").write_text("new")
        exports.finish(NAME, {"disk": 3}, "[export]\nnew")

    seen = set()
    for _ in killed_at_each_step(finish, 30):
        exports.forget(NAME)
        found = content(exports)
        assert found in (("old", "[export]\nold"), ("new", "[export]\nnew"))
        seen.add(found[0])
        assert [path.name for path in exports.folder.iterdir()] == [NAME]
        make(exports, "old")
        exports.begin(NAME)
    assert seen == {"old", "new"}


def test_a_killed_removal_can_be_finished(exports: Exports) -> None:
    make(exports, "old")
    for _ in killed_at_each_step(lambda: exports.remove(NAME), 12):
        exports.remove(NAME)
        assert exports.names() == []
        make(exports, "old")


@pytest.mark.parametrize("path", ["", ".", "..", "../x", "/etc", "/srv/ganeti/export", "a/../b",
                                  "/srv/ganeti/exports/x", "x\0y"])
def test_nothing_outside_the_folder_is_an_export(exports: Exports, path: str) -> None:
    with pytest.raises(OpPrereqError, match="folder of exports"):
        exports.place(path)


def test_links_lead_nowhere(exports: Exports, tmp_path: Path) -> None:
    make(exports, "old")
    (tmp_path / "outside").mkdir()
    (exports.folder / "link").symlink_to(tmp_path / "outside")
    with pytest.raises(OpPrereqError, match="leads out"):
        exports.config("link")
    (exports.place(NAME) / "evil").symlink_to("/etc/passwd")
    for name in ("evil", "../x", ".hidden", "missing"):
        with pytest.raises(OpPrereqError, match="has no file"):
            exports.file(NAME, name)
    assert exports.file(f"/srv/ganeti/export/{NAME}", "disk").read_text() == "old"


def test_only_a_name_can_be_written_or_removed(exports: Exports) -> None:
    for act in (exports.begin, exports.remove, exports.forget):
        with pytest.raises(OpPrereqError, match="not the name of an export"):
            act(f"{NAME}/deeper")
