"""Cheap walls: what holds for every file, whatever it is about."""

from __future__ import annotations

import ast
import configparser
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest
from imports import import_graph, parsed

TOP = Path(__file__).resolve().parent.parent
IMPORT_NAMES = {"ganeti_core": "ganeti_core", "plugins": "ganeti_plugins"}
LINES_OF_FILE = 600
LINES_OF_FUNCTION = 60


def sources(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (TOP / folder).rglob("*.py"))


def short(path: Path) -> str:
    return str(path.relative_to(TOP))


def module_name(path: Path) -> str:
    first, *rest = path.relative_to(TOP).with_suffix("").parts
    parts = [IMPORT_NAMES[first], *rest]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = [module_name(path) for path in sources(*IMPORT_NAMES)]


def test_each_module_can_be_imported_first() -> None:
    """No module needs another one that happens to have been imported before."""
    graph = import_graph({module_name(path): path for path in sources(*IMPORT_NAMES)})
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as exc:
        pytest.fail("these import each other: " + " -> ".join(exc.args[1]))


def test_all_modules_are_imported_without_a_warning() -> None:
    """And their data classes can be made, which happens when they are first used."""
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", "import importlib, sys\n"
         "for name in sys.stdin.read().split(): importlib.import_module(name)\n"
         "from ganeti_core.lazy_dataclass import make_all\n"
         "assert make_all('ganeti_core')"],
        capture_output=True, text=True, input=" ".join(MODULES))
    assert run.returncode == 0, run.stderr


def test_data_classes_of_the_core_are_made_when_they_are_needed() -> None:
    """Each that is compiled when its module is imported makes every start of a daemon longer."""
    def is_eager(path: Path) -> bool:
        text = path.read_text()
        made = re.findall(r"^ *@dataclass\b(.*)$", text, re.M)
        return "lazy_dataclass" not in text and any("slots=True" not in one for one in made)

    assert [short(path) for path in sources("ganeti_core") if is_eager(path)] == []


def test_no_file_outgrows_its_budget() -> None:
    files = [*sources("ganeti_core", "plugins", "demo"), *sources("tests", "benchmarks")]
    long = [f"{short(path)}: {lines} lines" for path in files
            if (lines := len(path.read_text().splitlines())) > LINES_OF_FILE]
    assert not long, "split them, each holds two ideas: " + "; ".join(long)


def test_no_function_outgrows_its_budget() -> None:
    long = [f"{short(path)}: {function.name}, {lines} lines"
            for path in sources("ganeti_core", "plugins", "demo")
            for function in functions(path)
            if (lines := (function.end_lineno or 0) - function.lineno + 1) > LINES_OF_FUNCTION]
    assert not long, "; ".join(long)


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_each_module_says_what_it_is_for() -> None:
    silent = [short(path) for path in sources("ganeti_core", "plugins", "demo")
              if ast.get_docstring(parsed(path)) in (None, "", "TODO.")]
    assert not silent


def test_all_packages_are_installed() -> None:
    config = configparser.ConfigParser()
    config.read(TOP / "setup.cfg")
    listed = set(config["options"]["packages"].split())
    found = {module_name(path) for path in sources(*IMPORT_NAMES) if path.name == "__init__.py"}
    assert found - listed == set(), "setup.cfg does not list them"
    assert {name for name in listed - found if name != "ganeti_os_definitions"} == set()


def test_the_text_of_an_error_has_one_name() -> None:
    """`GanetiError.message`, not its first argument if it has one."""
    idiom = re.compile(r"\.args\[0\] if \w+\.args else")
    assert [short(path) for path in sources("ganeti_core", "plugins")
            if idiom.search(path.read_text()) and path.name not in ("errors.py", "patterns.py")
            and path.name != "failure.py"] == []


def test_the_guide_to_the_tests_names_every_folder() -> None:
    folders = {path.name for path in (TOP / "tests").iterdir()
               if path.is_dir() and path.name[0] not in "._"}
    named = re.findall(r"^\| `(\w+)` \| .{20,}\|$", (TOP / "tests/README.md").read_text(),
                       re.MULTILINE)
    assert sorted(named) == sorted(folders)


def test_notes_for_people_are_read_by_people_only() -> None:
    """What an entry of the undo log is about is in its call and in typed fields."""
    read = [f"{short(path)}:{node.lineno}" for path in sources("ganeti_core/operations",
            "ganeti_core/jobs") for node in ast.walk(parsed(path))
            if (isinstance(node, ast.Compare | ast.Match) and _is_note(node))
            or (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
            and _is_note(node.func.value))]
    assert read == []


def _is_note(node: ast.AST) -> bool:
    match node:
        case ast.Attribute(attr="note"):
            return True
        case ast.Compare(left=left, comparators=others):
            return any(map(_is_note, (left, *others)))
        case ast.Match(subject=subject):
            return _is_note(subject)
    return False


def test_no_two_files_of_tests_have_one_name() -> None:
    """pytest imports them by their names alone, and does not run the second one."""
    names = Counter(path.name for path in sources("tests") if path.name.startswith("test_"))
    assert [name for name, times in names.items() if times > 1] == []
