"""``gnt-rapi-user``."""

from __future__ import annotations

import io
import stat
from pathlib import Path

import pytest

from ganeti_core.rapi.permissions import READONLY
from ganeti_core.rapi.user_command import main
from ganeti_core.rapi.users import parse_users


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "rapi/users"


def run(file: Path, monkeypatch: pytest.MonkeyPatch, *words: str, stdin: str = "sesame\n") -> int:
    monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
    return main([*words, "--file", str(file)])


def test_a_user_is_made_changed_and_removed(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(file, monkeypatch, "set", "jack", "@readonly") == 0
    user = parse_users(file.read_text())[0]["jack"]
    assert user.secret.fits("jack", "sesame")
    assert user.rights.granted == READONLY
    assert "sesame" not in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600

    assert run(file, monkeypatch, "set", "jack", "jobs.list,jobs.wait", stdin="other\n") == 0
    user = parse_users(file.read_text())[0]["jack"]
    assert user.secret.fits("jack", "other")
    capsys.readouterr()
    assert run(file, monkeypatch, "list") == 0
    assert capsys.readouterr().out == "jack jobs.list,jobs.wait\n"

    assert run(file, monkeypatch, "remove", "jack") == 0
    assert file.read_text() == ""


def test_other_lines_stay(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.parent.mkdir()
    file.write_text("# ours\n\njack old write\njill {HA1}x read\n")

    run(file, monkeypatch, "set", "jack", "@admin")

    assert file.read_text().splitlines()[:3] == ["# ours", "", "jill {HA1}x read"]


@pytest.mark.parametrize(("words", "said"), [
    (["set", "a:b"], "a:b"), (["set", "#a"], "#a"), (["set", "jack", "@nobody"], "@operator"),
    (["set", "jack", "instances.explode"], "instances.explode"), (["remove", "jill"], "jill")])
def test_what_makes_no_sense_is_refused(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    words: list[str], said: str
) -> None:
    assert run(file, monkeypatch, *words) == 1
    assert said in capsys.readouterr().err
    assert not file.exists()


def test_an_empty_password_is_refused(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(file, monkeypatch, "set", "jack", "@admin", stdin="\n") == 1
    assert not file.exists()
