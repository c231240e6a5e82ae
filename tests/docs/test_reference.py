"""The reference is current, whole, and every hook has its documentation and its test."""

from __future__ import annotations

import ast
import inspect
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from ganeti_core import errors
from ganeti_core.cli.plugin.contracts import hooks
from ganeti_core.cli.plugin.names import KINDS as NAMES
from ganeti_core.errors import GanetiError
from ganeti_core.opcodes.registry import OPCODES
from ganeti_core.plugin_api.all_kinds import KINDS
from ganeti_core.plugin_api.events import EventsSpec

TOP = Path(__file__).resolve().parents[2]
REFERENCE = TOP / "docs/reference"
SINGULAR = {plural: singular for singular, (plural, _) in NAMES.items()}
EVENTS = [name for name in vars(EventsSpec) if not name.startswith("_")]
HOOKS = [(SINGULAR[kind.name], hook.name) for kind in KINDS.values() for hook in hooks(kind)]


def test_the_generated_pages_are_current(build: ModuleType) -> None:
    assert build.stale() == [], "run: python docs/build.py"


def test_no_page_is_written_of_another_tree_than_is_installed(tmp_path: Path) -> None:
    """It would lack the plugins whose entry points are not installed yet."""
    shutil.copytree(TOP / "docs", tmp_path / "docs")
    declared = (TOP / "setup.cfg").read_text()
    (tmp_path / "setup.cfg").write_text(declared.replace(
        "\nganeti.hypervisors =", "\nganeti.hypervisors =\n    brandnew = brandnew:Driver"))
    build = [sys.executable, str(tmp_path / "docs/build.py")]
    ran = subprocess.run(build, capture_output=True, text=True, check=False, timeout=300)
    assert ran.returncode == 2
    assert "not those of setup.cfg (brandnew): pip install -e" in ran.stderr
    assert not (tmp_path / "tests").exists()


def test_every_kind_of_plugin_is_named_for_users() -> None:
    assert {plural for plural, _ in NAMES.values()} == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_every_hook_is_documented_with_its_exact_signature(kind: str) -> None:
    page = (REFERENCE / f"hooks-{kind}.md").read_text()
    for hook in hooks(KINDS[kind]):
        assert hook.documentation.strip(), f"{kind}: {hook.name} has no docstring"
        first = hook.documentation.split("\n\n")[0].strip()
        assert first.endswith((".", "?", ":")), f"{kind}: {hook.name}: {first}"
        assert f"### {hook.name}\n" in page
        assert f"```python\n{hook.signature}\n```" in page


def test_every_event_is_documented() -> None:
    page = (REFERENCE / "events.md").read_text()
    for name in EVENTS:
        assert inspect.getdoc(getattr(EventsSpec, name)), name
        assert f"## {name}\n" in page


@pytest.fixture(scope="module")
def tests() -> frozenset[str]:
    return frozenset(_test_functions())


def _test_functions() -> Iterator[str]:
    folders = (TOP / "tests", TOP / "ganeti_core/plugin_api/testing")
    for path in (path for folder in folders for path in folder.rglob("*.py")):
        text = path.read_text()
        if "def test_hook_" in text:
            yield from (node.name for node in ast.walk(ast.parse(text))
                        if isinstance(node, ast.FunctionDef) and node.body)


@pytest.mark.parametrize(("kind", "hook"), [*HOOKS, *(("event", name) for name in EVENTS)])
def test_every_hook_has_a_test_named_after_it(
    kind: str, hook: str, tests: frozenset[str]
) -> None:
    assert f"test_hook_{kind}_{hook}" in tests, f"write test_hook_{kind}_{hook}"


def test_no_test_is_named_after_a_hook_that_is_gone(tests: frozenset[str]) -> None:
    known = {f"test_hook_{kind}_{hook}" for kind, hook in HOOKS} | {
        f"test_hook_event_{name}" for name in EVENTS}
    prefixes = tuple(f"test_hook_{kind}_" for kind in (*NAMES, "event"))
    assert {name for name in tests if name.startswith(prefixes)} - known == set()


def test_every_opcode_and_error_is_in_the_reference() -> None:
    opcodes, told = ((REFERENCE / name).read_text() for name in ("opcodes.md", "errors.md"))
    assert [op_id for op_id in OPCODES if f"## {op_id}\n" not in opcodes] == []
    classes = [name for name, cls in vars(errors).items()
               if isinstance(cls, type) and issubclass(cls, GanetiError)]
    assert [name for name in classes if f"`{name}`" not in told] == []
    assert [code for code in errors.ECODES if f"`{code}`" not in told] == []


def test_every_error_says_what_to_do() -> None:
    classes = [cls for cls in vars(errors).values()
               if isinstance(cls, type) and issubclass(cls, GanetiError)]
    assert [cls.__name__ for cls in classes if "action" not in vars(cls)] == []


def test_every_field_and_parameter_says_what_it_means() -> None:
    for page in ("fields.md", "parameters.md"):
        rows = re.findall(r"^\| `[^`]+` \|.*\|$", (REFERENCE / page).read_text(), re.MULTILINE)
        assert rows
        assert [row for row in rows if not row.rstrip("| ").rpartition("|")[2].strip()] == []
