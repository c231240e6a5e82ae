"""Whatever a contract declares has somebody in the core who uses it: no hook that nobody calls."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest
from imports import parsed

from ganeti_core.plugin_api import disk, hypervisor, network
from ganeti_core.plugin_api.all_kinds import KINDS
from ganeti_core.plugin_api.context import HookContext
from ganeti_core.plugin_api.events import EventsSpec
from ganeti_core.plugin_api.testing.disk import VERBS

CORE = Path(__file__).parent.parent / "ganeti_core"
PLUGINS = CORE.parent / "plugins"
NOT_YET: dict[str, str] = {}
"""Hooks that wait for their caller, and for which one."""
FOR_PLUGINS = ("extstorage", "network_backends")
"""Kinds whose hooks other plugins call, too."""
FOR_COLLECTORS = ("hypervisors: usage",)
"""Hooks of other kinds that plugins call."""


def words_of(*folders: Path) -> set[str]:
    """Each text in the code of these folders, and each attribute; contracts and kit left out."""
    return {word for path in files(*folders) for word in _words(parsed(path))}


def files(*folders: Path) -> Iterator[Path]:
    for folder in folders:
        yield from (path for path in folder.rglob("*.py") if "plugin_api" not in path.parts)


def _words(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Constant(value=str(text)):
                yield text
            case ast.Attribute(attr=name) | ast.Name(id=name) | ast.keyword(arg=str(name)):
                yield name


def called_in(*folders: Path) -> set[str]:
    """Hooks that the code names in a call to a node, or calls on a driver at hand."""
    found: set[str] = set()
    for path in files(*folders):
        for node in ast.walk(parsed(path)):
            match node:
                case ast.Call():
                    found |= {part.value for part in (*node.args, *(k.value for k in node.keywords))
                              if isinstance(part, ast.Constant) and isinstance(part.value, str)}
                case ast.Tuple():
                    found |= {part.value for part in node.elts
                              if isinstance(part, ast.Constant) and isinstance(part.value, str)}
                case ast.Attribute(value=ast.Call(func=ast.Attribute(attr="driver"))):
                    found.add(node.attr)
                case ast.Attribute(value=ast.Name(id="driver" | "hook" | "hooks" | "plugin")):
                    found.add(node.attr)
                case ast.Attribute(value=ast.Attribute(attr="hook")):
                    found.add(node.attr)
    return found


@pytest.fixture(scope="module")
def core() -> set[str]:
    return words_of(CORE)


def test_every_hook_is_called_by_the_core_or_by_another_plugin() -> None:
    by_core = called_in(CORE) | steps()
    by_plugins = called_in(PLUGINS)
    idle = {f"{kind.name}: {hook}" for kind in KINDS.values() for hook in kind.hooks()
            if hook not in by_core and not (hook in by_plugins and (
                kind.name in FOR_PLUGINS or f"{kind.name}: {hook}" in FOR_COLLECTORS))}
    assert idle == set(NOT_YET), "declared and called by nobody, or called by now"


def steps() -> set[str]:
    """Hooks that a plan of steps may name; `promote` and `demote` are those of templates."""
    plain = (CORE / "plugin_api/disk_steps.py").read_text()
    planned = set(re.findall(r'_Plain\("(\w+)"', plain)) | set(re.findall(r'undo="(\w+)"', plain))
    used = set(VERBS) & called_in(CORE)
    return planned | (used & {"promote", "demote"})


CONTAINED = {
    "node/world.py": "in workers of the node, and in processes of allocators",
    "operations/master_hooks.py": "the core's own drivers, of hooks on the master",
    "operations/master_hooks_process.py": "those of others, in a process of their own",
    "cli/plugin/collecting.py": "for authors, in the process of their own command",
}
"""Where the core calls drivers, and what becomes of one that hangs or crashes."""


def test_drivers_are_called_only_where_one_that_hangs_or_crashes_is_contained() -> None:
    found = {str(path.relative_to(CORE)) for path in files(CORE)
             for node in ast.walk(parsed(path))
             if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
             and node.func.attr == "driver"}
    assert found == set(CONTAINED)


def test_every_event_is_told(core: set[str]) -> None:
    events = {name for name, value in vars(EventsSpec).items()
              if not name.startswith("_") and inspect.isfunction(value)}
    assert events - core == set()


def test_every_field_of_a_hooks_context_is_filled() -> None:
    made = ast.parse((CORE / "node/world.py").read_text())
    calls = [node for node in ast.walk(made) if isinstance(node, ast.Call)
             and isinstance(node.func, ast.Name) and node.func.id == "HookContext"]
    filled = {word.arg for call in calls for word in call.keywords}
    assert filled == {field.name for field in fields(HookContext)}


@pytest.mark.parametrize("contract", [disk, hypervisor, network])
def test_every_capability_is_asked_for(contract: object, core: set[str]) -> None:
    names = {name for name, value in vars(contract).items()
             if name.isupper() and isinstance(value, str) and re.fullmatch(r"[a-z_]+:?", value)}
    promised = {name for kind in KINDS.values() for name, _ in kind.extensions}
    idle = {name for name in names
            if name not in core and getattr(contract, name) not in core | promised}
    assert idle == set()
