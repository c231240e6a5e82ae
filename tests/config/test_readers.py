"""Files that other users' daemons read get their group, or the log says why not."""

from __future__ import annotations

import errno
import grp
import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from ganeti_core import readers
from ganeti_core.readers import admit

KEY = Path("/var/lib/ganeti/hmac.key")


@pytest.fixture
def draft(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """What becomes the key of confd, on a host with a user for it, where no group can be given."""
    def refuse(_target: object, _user: int, _group: int) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    file = tmp_path / "draft"
    file.touch(0o600)
    monkeypatch.setattr(grp, "getgrnam", lambda _name: SimpleNamespace(gr_gid=4711))
    monkeypatch.setattr(os, "chown", refuse)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    readers._warn.cache_clear()
    yield file
    readers._warn.cache_clear()


def test_a_group_that_cannot_be_given_is_named_once(
    draft: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        admit(draft, KEY)
    assert caplog.messages == [
        f"{KEY} cannot be given to group gnt-confd (Operation not permitted): the daemon of that "
        "user cannot read it"]


def test_who_is_not_root_gives_no_group_and_says_nothing(
    draft: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    admit(draft, KEY)
    admit(draft, KEY.with_name("node.key"))
    assert caplog.messages == []


def test_what_its_readers_have_already_is_left(
    draft: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service may see it in a read-only file system."""
    own = SimpleNamespace(gr_gid=draft.stat().st_gid)
    monkeypatch.setattr(grp, "getgrnam", lambda _name: own)
    draft.chmod(0o640)
    admit(draft, KEY)
    assert caplog.messages == []
