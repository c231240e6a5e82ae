"""Plugins of older and newer versions of the API, and what a change of a contract asks for."""

from __future__ import annotations

import importlib.util
import json
import logging
import re
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import ganeti_core.plugin_api
from ganeti_core.errors import PluginRejected
from ganeti_core.plugin_api import Description, HookContext, hookimpl, hookspec
from ganeti_core.plugin_api.all_kinds import KINDS
from ganeti_core.plugin_api.collector import COLLECTORS, CollectorSpec
from ganeti_core.plugin_api.data import Collected, Report
from ganeti_core.plugin_api.kinds import Kind
from ganeti_core.plugins import PluginHost

TOP = Path(__file__).resolve().parents[2]
DATA = TOP / "tests/data/plugin_api"
CHANGES = Path(ganeti_core.plugin_api.__file__).parent / "CHANGES.md"
MIDDLE = replace(COLLECTORS, api=7, oldest_api=5)
"""A kind with a past."""


def collector(version: int) -> object:
    class Collector:
        @hookimpl
        def describe(self) -> Description:
            return Description(version, f"Written for API {version}")

        @hookimpl
        def collect(self, ctx: HookContext) -> Collected:
            return Collected(Report({"well": True}))

    return Collector()


@pytest.mark.parametrize("version", [5, 6, 7])
def test_the_accepted_range_is_loaded(version: int, caplog: pytest.LogCaptureFixture) -> None:
    host = PluginHost()
    with caplog.at_level(logging.INFO):
        host.add(MIDDLE, "mine", collector(version))
    collected = host.driver(MIDDLE, "mine").collect(ctx=None, previous=None)
    assert collected.report.data == {"well": True}
    told = [line for line in caplog.messages if "older API" in line]
    assert len(told) == (1 if version < MIDDLE.api else 0), "an older one is said once"


@pytest.mark.parametrize(("version", "said"), [(4, "update the plugin"), (8, "update the core")])
def test_what_is_too_old_or_too_new_is_refused_and_told(version: int, said: str) -> None:
    host = PluginHost()
    with pytest.raises(PluginRejected, match=said):
        host.add(MIDDLE, "mine", collector(version))
    assert not host.try_add(MIDDLE, "mine", collector(version))
    assert host.try_add(MIDDLE, "other", collector(MIDDLE.api)), "a refusal stops nobody else"
    assert said in {row.name: row for row in host.status()}["mine"].problem


def test_a_new_parameter_and_a_new_optional_hook_break_no_plugin() -> None:
    class Later(CollectorSpec):
        @hookspec(firstresult=True)
        def describe(self) -> Description:
            raise NotImplementedError

        @hookspec(firstresult=True)
        def collect(self, ctx: HookContext, since: float) -> Collected:
            raise NotImplementedError

        @hookspec(firstresult=True)
        def forget(self, ctx: HookContext) -> None:
            raise NotImplementedError

    later = replace(COLLECTORS, spec=Later, optional=frozenset({"forget"}))
    host = PluginHost()
    host.add(later, "mine", collector(COLLECTORS.api))
    assert host.driver(later, "mine").collect(ctx=None, since=0.0).report.data == {"well": True}
    with pytest.raises(Exception, match="does not offer forget"):
        host.driver(later, "mine").forget(ctx=None)


def written_for_the_oldest(kind: Kind[Any]) -> tuple[ModuleType, object]:
    name = f"{kind.name}_api{kind.oldest_api}"
    file = DATA / f"api{kind.oldest_api}" / f"{name}.py"
    assert file.exists(), (
        f"{kind.name} accepts API {kind.oldest_api}: freeze a plugin written for it as {file}")
    spec = importlib.util.spec_from_file_location(f"oldest_{name}", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module, module.Oldest()


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_a_plugin_written_for_the_oldest_api_loads(kind: Kind[Any]) -> None:
    _, plugin = written_for_the_oldest(kind)
    host = PluginHost()
    host.add(kind, "oldest", plugin)
    assert host.describe(kind, "oldest").api_version == kind.oldest_api
    assert host.offers(kind, "oldest") >= {"describe"}


def shapes() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((DATA / "shapes.json").read_text())
    return found


def sections() -> dict[str, str]:
    """The part of CHANGES.md of each kind."""
    parts = re.split(r"^## (\w+)$", CHANGES.read_text(), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@pytest.mark.parametrize("kind", [*KINDS, "data"])
def test_a_changed_contract_is_told_in_the_changes(kind: str, pages: ModuleType) -> None:
    now, name = pages.shapes()[kind], pages.digests()[kind]
    newest = re.search(r"^### API (\d+) \[(\w+)\]$", sections()[kind], re.MULTILINE)
    assert newest is not None, f"CHANGES.md has no entry for {kind}"
    assert newest[2] == name, (
        f"the contract of {kind} has changed. Tell authors what they must do: add to CHANGES.md"
        f"\n### API {now.get('api', 0)} [{name}]\nThen run python docs/build.py."
        f" {differences(now, kind)}")
    assert int(newest[1]) == now.get("api", 0)
    assert now == shapes()[kind], "run python docs/build.py"


def differences(now: dict[str, Any], kind: str) -> str:
    before = shapes()[kind]
    hooks, had = now.get("hooks", now), before.get("hooks", before)
    return "; ".join(f"{name}: {had.get(name)} -> {hooks.get(name)}"
                     for name in sorted({*hooks, *had}) if hooks.get(name) != had.get(name))


def test_a_changed_signature_has_another_name(pages: ModuleType) -> None:
    class Other(CollectorSpec):
        def describe(self) -> Description:
            raise NotImplementedError

        def collect(self, ctx: HookContext, since: float) -> Collected:
            raise NotImplementedError

    other = replace(COLLECTORS, spec=Other)
    assert pages.digest(pages.shape(other)) != pages.digest(pages.shape(COLLECTORS))
