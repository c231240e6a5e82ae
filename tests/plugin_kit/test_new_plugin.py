"""A new distribution passes its tests at once, installed and not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from author import Author

from ganeti_core.cli.plugin.commands import run
from ganeti_core.cli.plugin.names import KINDS

EVERY_TIME = ("hypervisor", "disk_template", "iallocator")
"""Those that `make test` tries; `make torture` tries all."""


@pytest.mark.parametrize("kind", [
    pytest.param(kind, marks=() if kind in EVERY_TIME else pytest.mark.torture) for kind in KINDS])
def test_a_new_plugin_passes_the_kit(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["new", kind, "my-own", "--dir", str(tmp_path / "mine")]) == 0
    assert "pytest" in capsys.readouterr().out
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error"],
        cwd=tmp_path / "mine", capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert "passed" in done.stdout


def test_a_new_plugin_has_a_workflow_that_tests_it(tmp_path: Path) -> None:
    assert run(["new", "os", "mine", "--dir", str(tmp_path / "mine")]) == 0
    workflow = yaml.safe_load((tmp_path / "mine/.github/workflows/test.yml").read_text())
    steps = workflow["jobs"]["test"]["steps"]
    assert [step["run"] for step in steps if "run" in step] == [
        "pip install -e '.[test]'", "pytest", "gnt-plugin check ganeti-os-mine"]
    oldest, *_ = workflow["jobs"]["test"]["strategy"]["matrix"]["python"]
    assert f'requires-python = ">={oldest}"' in (tmp_path / "mine/pyproject.toml").read_text()


@pytest.mark.parametrize("name", ["", "Upper", "a b", "../x", "9lives", "-x", "a.b"])
def test_a_name_that_cannot_be_one_is_refused(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["new", "os", "--dir", str(tmp_path / "mine"), "--", name]) == 1
    assert "cannot be the name" in capsys.readouterr().err
    assert not (tmp_path / "mine").exists()


def test_nothing_is_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "precious").touch()
    assert run(["new", "os", "mine", "--dir", str(tmp_path)]) == 1
    assert "not empty" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["precious"]


def test_a_name_that_a_plugin_has_already_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With two of one name, neither would be used, and an installed one would be lost."""
    assert run(["new", "hypervisor", "fake", "--dir", str(tmp_path / "mine")]) == 1
    assert "ganeti-core has a hypervisor fake" in capsys.readouterr().err
    assert not (tmp_path / "mine").exists()


def test_an_unknown_kind_is_told_with_those_that_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["new", "hypervisour", "x"]) == 1
    assert "disk_template" in capsys.readouterr().err


@pytest.mark.torture
@pytest.mark.examples
@pytest.mark.timeout(900)
def test_every_kind_installs_is_listed_and_passes_the_check(author: Author) -> None:
    for kind in KINDS:
        author.must("gnt-plugin", "new", kind, "own", "--dir", kind)
    author.must("pip", "install", "-q", *(f"./{kind}" for kind in KINDS))
    listed = author.must("gnt-plugin", "list", "--separator", " ").splitlines()
    mine = [line.split() for line in listed if " own " in line]
    assert len(mine) == len(KINDS)
    assert {line[-1] for line in mine} == {"ok"}
    assert {line[3] for line in mine} == {"0.1.0"}
    for line in mine:
        checked = author.must("gnt-plugin", "check", line[4])
        assert f"{line[0]}:own: loads" in checked
        assert "passed" in checked
