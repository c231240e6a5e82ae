"""Cheap walls: what holds for every file, whatever it is about."""

from __future__ import annotations

import ast
import configparser
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parent.parent
IMPORT_NAMES = {"ganeti_core": "ganeti_core", "plugins": "ganeti_plugins"}
LINES_OF_FILE = 600
LINES_OF_FUNCTION = 60
DRIVERS = frozenset({"kvm", "lxc", "xen-pvm", "xen-hvm", "fake", "drbd", "sharedfile", "rbd",
                     "gluster", "hail"})
# These may name drivers: the choices that the peer's commands and opcodes offer, and the defaults
# of a new cluster. Everything else asks for capabilities.
MAY_NAME_DRIVERS = ("ganeti_core/cli/", "ganeti_core/bootstrap/init.py",
                    "ganeti_core/plugin_api/testing/", "ganeti_core/daemons/vcluster/",
                    "ganeti_core/opcodes/")


def sources(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (TOP / folder).rglob("*.py"))


def short(path: Path) -> str:
    return str(path.relative_to(TOP))


def module_name(path: Path) -> str:
    first, *rest = path.relative_to(TOP).with_suffix("").parts
    parts = [IMPORT_NAMES[first], *rest]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = [module_name(path) for path in sources(*IMPORT_NAMES)]

# Reads groups of modules, one group a line, lowest first. Each module of a group is imported in a
# child of its own, where only the groups below are there: no module may need another one that
# happens to have been imported first. Libraries and what lies below are imported once.
IMPORT_EACH = """
import importlib, os, sys, traceback
import asyncio, cattrs, cryptography.x509, jsonschema, numpy, pluggy, stevedore, Pyro5.api, yaml
failed = []
for group in sys.stdin:
    for name in group.split():
        pid = os.fork()
        if pid == 0:
            try:
                importlib.import_module(name)
            except BaseException:
                sys.stderr.write(f"--- {name}\\n")
                traceback.print_exc()
                sys.stderr.flush()
                os._exit(1)
            os._exit(0)
        if os.waitpid(pid, 0)[1]:
            failed.append(name)
    for name in set(group.split()) - set(failed):
        importlib.import_module(name)
sys.exit(" ".join(failed) or 0)
"""


def floors() -> list[list[str]]:
    """The modules by floor, lowest first: a circle can only be within one (lint-imports)."""
    config = configparser.ConfigParser()
    config.read(TOP / ".importlinter")
    layers = config["importlinter:contract:floors"]["layers"].strip().splitlines()
    rooms = [[f"ganeti_core.{room.strip(' ()')}" for room in layer.split("|")] for layer in layers]
    found = [[name for name in MODULES if name in floor or name.startswith(
        tuple(f"{room}." for room in floor))] for floor in reversed(rooms)]
    known = {name for floor in found for name in floor}
    return [["ganeti_core"], *found, [name for name in MODULES if name not in known]]


@pytest.mark.timeout(300)
def test_each_module_imports_alone_and_without_a_warning() -> None:
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", IMPORT_EACH], capture_output=True, text=True,
        input="".join(" ".join(floor) + "\n" for floor in floors()))
    assert run.returncode == 0, run.stderr


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
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_each_module_says_what_it_is_for() -> None:
    silent = [short(path) for path in sources("ganeti_core", "plugins", "demo")
              if ast.get_docstring(ast.parse(path.read_text())) in (None, "", "TODO.")]
    assert not silent


def test_the_core_names_no_driver() -> None:
    named = [f"{short(path)}:{line}: {name}" for path in sources("ganeti_core")
             if not short(path).startswith(MAY_NAME_DRIVERS) for line, name in drivers_in(path)]
    assert not named, "ask for a capability instead: " + "; ".join(named)


def drivers_in(path: Path) -> Iterator[tuple[int, str]]:
    """Strings that are the name of a driver and nothing else; sentences are for people."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and node.value in DRIVERS:
            yield node.lineno, str(node.value)


def test_all_packages_are_installed() -> None:
    config = configparser.ConfigParser()
    config.read(TOP / "setup.cfg")
    listed = set(config["options"]["packages"].split())
    found = {module_name(path) for path in sources(*IMPORT_NAMES) if path.name == "__init__.py"}
    assert found - listed == set(), "setup.cfg does not list them"
    assert {name for name in listed - found if name != "ganeti_os_definitions"} == set()
