"""Plugins in single files: found, checked, loaded again when they change, gone with their file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ganeti_core.plugin_api.collector import COLLECTORS
from ganeti_core.plugin_files import FOLDER
from ganeti_core.plugin_registry import PluginStatus
from ganeti_core.plugins import PluginHost

COLLECTOR = """
from dataclasses import dataclass
from ganeti_core.plugin_api import Description, hookimpl
from ganeti_core.plugin_api.data import Collected, Report

PLUGIN = "collectors:mine"

@dataclass
class Reading:
    value: float

class Mine:
    @hookimpl
    def describe(self):
        return Description(api_version=0, title="First")

    @hookimpl
    def collect(self, previous):
        return Collected(Report({"read": Reading(1.0).value}), previous)
"""


class Node:
    """A node's root with a folder of plugin files, and the host that looks there."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = root / FOLDER
        self.folder.mkdir(parents=True, mode=0o755)
        self.host = PluginHost()
        self.host.load([COLLECTORS])

    def write(self, text: str, name: str = "mine.py") -> Path:
        path = self.folder / name
        path.write_text(text)
        path.chmod(0o644)
        return path

    def status(self) -> dict[str, PluginStatus]:
        """How the plugins are that did not come with the core."""
        self.host.refresh_sources(self.root, {})
        return {row.name: row for row in self.host.status() if row.distribution != "ganeti-core"}


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


def test_a_file_is_a_plugin_that_changes_and_goes_with_it(node: Node) -> None:
    assert node.status() == {}
    path = node.write(COLLECTOR)
    mine = node.status()["mine"]
    assert (mine.kind, mine.title, mine.problem) == ("collectors", "First", "")
    assert mine.distribution == str(path)
    found = node.host.driver(COLLECTORS, "mine").collect(ctx=None, previous=None)
    assert found.report.data == {"read": 1.0}
    # The same length, at the same second: a compiled copy would still be the old one.
    node.write(COLLECTOR.replace("First", "Other"))
    assert node.status()["mine"].title == "Other"
    before = node.host.driver(COLLECTORS, "mine")
    assert node.status()["mine"].title == "Other"
    assert node.host.driver(COLLECTORS, "mine").describe() == before.describe()
    path.unlink()
    assert node.status() == {}
    assert not node.host.has(COLLECTORS, "mine")
    assert sorted(node.folder.iterdir()) == []


@pytest.mark.parametrize(("text", "problem"), [
    ("raise RuntimeError('no')", "cannot be loaded: RuntimeError: no"),
    ("def", "cannot be loaded: SyntaxError"),
    ("import sys; sys.exit(3)", "cannot be loaded"),
    ("import os; os._exit(3)", "it ended the process that tried to (exit status 3)"),
    (COLLECTOR.replace("PLUGIN =", "PLUG ="), "it needs a line such as PLUGIN = 'hypervisors:"),
    (COLLECTOR.replace("collectors:", "collector:"), "found 'collector:mine', and the kinds are"),
    (COLLECTOR.replace(":mine", ":"), "found 'collectors:'"),
    (COLLECTOR.replace("@hookimpl", ""), "it must have one class with hooks (@hookimpl); found no"),
    (COLLECTOR + COLLECTOR.replace("Mine", "Other"), "found Mine, Other"),
])
def test_a_file_that_is_no_plugin_is_listed_with_the_reason(
    node: Node, text: str, problem: str
) -> None:
    path = node.write(text)
    [wrong] = node.status().values()
    assert problem in wrong.problem
    assert wrong.name == ("mine" if 'PLUGIN = "collectors:mine"' in text else "mine.py")
    assert wrong.distribution == str(path)
    node.write(COLLECTOR)
    assert {name: row.problem for name, row in node.status().items()} == {"mine": ""}


def test_a_plugin_in_a_file_is_checked_like_any_other(node: Node) -> None:
    path = node.write(COLLECTOR.replace("(self, previous)", "(self, nonsense)"))
    wrong = node.status()["mine"]
    assert "nonsense" in wrong.problem
    assert wrong.distribution == str(path)
    node.write(COLLECTOR.replace("collectors:mine", "collectors:a b"))
    assert "cannot be the name of a plugin" in node.status()["a b"].problem


def test_a_file_that_others_may_write_is_not_read(node: Node, tmp_path: Path) -> None:
    ran = f"__import__('pathlib').Path({str(tmp_path / 'ran')!r}).touch()\n"
    path = node.write(ran + COLLECTOR)
    path.chmod(0o664)
    assert "has the mode 664: nobody but its owner may write it" in node.status()["mine.py"].problem
    path.chmod(0o644)
    node.folder.chmod(0o777)
    assert f"{node.folder} has the mode 777" in node.status()["mine.py"].problem
    node.folder.chmod(0o755)
    if os.geteuid() == 0:
        os.chown(path, 12345, 0)
        assert "belongs to the user 12345" in node.status()["mine.py"].problem
        os.chown(path, 0, 0)
    elsewhere = tmp_path / "elsewhere.py"
    path.rename(elsewhere)
    path.symlink_to(elsewhere)
    assert "cannot be loaded: OSError" in node.status()["mine.py"].problem
    assert not (tmp_path / "ran").exists()
    path.unlink()
    elsewhere.rename(path)
    assert node.status()["mine"].problem == ""


def test_a_name_that_is_taken_stays_with_who_has_it(node: Node) -> None:
    first = node.write(COLLECTOR, "a.py")
    second = node.write(COLLECTOR, "b.py")
    found = node.status()
    assert found["mine"].distribution == str(first)
    assert found["b.py"].problem == "there is a collectors:mine already, which is used"
    first.unlink()
    assert {name: row.distribution for name, row in node.status().items()} == {
        "mine": str(second)}
