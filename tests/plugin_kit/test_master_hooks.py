"""Hooks of third parties that run on the master: they hang, crash and fail without harming it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from third_party import install

from ganeti_core.errors import OpExecError, OpPrereqError, PluginError
from ganeti_core.operations.master_hooks import MasterHooks
from ganeti_core.plugin_api.data import DiskRequest, DiskSpec, NodeRef
from ganeti_core.plugin_api.disk import DISK_TEMPLATES
from ganeti_core.plugin_files import FOLDER
from ganeti_core.plugins import PluginHost
from ganeti_core.spans import Place, Span, within

PLUGIN = """
import os
import time
from dataclasses import replace
from ganeti_core.plugin_api import DiskSpec, OpPrereqError, hookimpl
from ganeti_core.plugin_api.disk_steps import plain_steps
from ganeti_plugins.disk_file import FileTemplate as _File

PLUGIN = "disk_templates:odd"

class Odd(_File):
    @hookimpl
    def describe(self):
        return replace(super().describe(), title="Odd", preference=0, settings={})

    @hookimpl
    def layout(self, request, nodes, plan_child):
        match request.name:
            case "refuses":
                raise OpPrereqError("not of this size", "wrong_input")
            case "raises":
                raise ZeroDivisionError("what now?")
            case "hangs":
                time.sleep(4321)
            case "dies":
                os._exit(7)
            case "asks":
                plan_child("file", replace(request, size=5))
        return DiskSpec(request.uuid, request.index, "odd", request.size, (request.uuid,))

    @hookimpl
    def steps(self, verb, disk, nodes, arguments, child_steps):
        return plain_steps(verb, disk, nodes, arguments, child_steps)

    @hookimpl
    def identity(self, disk):
        return f"{os.getpid()}"
"""
NODE = NodeRef("n1", "node1.example.com", "192.0.2.1")
SOURCES = """
import os, time

class Dies:
    def drivers(self, root, settings):
        os._exit(5)

class Hangs:
    def drivers(self, root, settings):
        time.sleep(4321)
"""
ASK = """
import json, logging, sys
from pathlib import Path
logging.disable()
from ganeti_core.plugin_trial import try_out
from ganeti_core.plugins import PluginHost
from ganeti_core.plugin_api.extstorage import EXTSTORAGE
host = PluginHost()
host.load([EXTSTORAGE])
host.refresh_sources(Path(sys.argv[1]), {})
hung = try_out([("ganeti.extstorage.elsewhere", "hangs")], 1.0, (Path(sys.argv[1]), {}))
print(json.dumps({"names": host.names(EXTSTORAGE), "hung": list(hung.values())}))
"""


def put(root: Path, text: str) -> None:
    (root / FOLDER).mkdir(parents=True, mode=0o755, exist_ok=True)
    path = root / FOLDER / "odd.py"
    path.write_text(text)
    path.chmod(0o644)


@pytest.fixture
def hooks(tmp_path: Path) -> Iterator[MasterHooks]:
    put(tmp_path, PLUGIN)
    host = PluginHost()
    host.load([DISK_TEMPLATES])
    host.refresh_sources(tmp_path, {})
    made = MasterHooks(host, tmp_path, tmp_path, dict, limit=5.0)
    yield made
    made.close()


def layout(hooks: MasterHooks, mood: str, children: list[Any] | None = None) -> DiskSpec:
    def plan_child(template: str, request: DiskRequest) -> DiskSpec:
        if children is None:
            raise OpExecError("the pool is empty")
        children.append((template, request))
        return DiskSpec(request.uuid, 0, template, request.size, ())

    found: DiskSpec = hooks.call(
        DISK_TEMPLATES, "odd", "layout", {"plan_child": plan_child},
        request=DiskRequest("d1", 0, 8, "inst1", name=mood), nodes=(NODE,), granted={}, settings={})
    return found


def process(hooks: MasterHooks) -> int:
    return int(hooks.call(DISK_TEMPLATES, "odd", "identity", disk=DiskSpec("d", 0, "odd", 1, ())))


def test_a_third_partys_hook_runs_in_a_process_that_is_kept(hooks: MasterHooks) -> None:
    children: list[Any] = []
    assert layout(hooks, "asks", children) == DiskSpec("d1", 0, "odd", 8, ("d1",))
    assert [(template, request.size) for template, request in children] == [("file", 5)]
    first = process(hooks)
    assert first != os.getpid()
    assert process(hooks) == first
    (step,) = hooks.call(DISK_TEMPLATES, "odd", "steps", {"child_steps": lambda *_: []},
                         verb="grow", disk=DiskSpec("d", 0, "odd", 1, ()), nodes=(NODE,),
                         arguments={"size": 3})
    assert (step.node, step.hook, step.arguments) == ("n1", "grow", {"size": 3})


def test_a_hook_on_the_master_is_a_span_in_whichever_process_it_runs(hooks: MasterHooks) -> None:
    told, job = list[Span](), Place.of_job("uuid", 7)
    with within(job, told.append):
        process(hooks)
        hooks.call(DISK_TEMPLATES, "file", "identity",
                   disk=DiskSpec("d", 0, "file", 1, ("loop", "/srv/a")))
        with pytest.raises(OpExecError):
            layout(hooks, "asks")
    process(hooks)
    assert [(one.name, one.parent) for one in told] == [
        (f"disk_templates {what}", job.span) for what in (
            "odd: identity", "file: identity", "odd: layout")]
    assert [one.error for one in told] == ["", "", "the pool is empty"]


def test_drivers_of_the_core_itself_need_no_process(hooks: MasterHooks) -> None:
    disk = DiskSpec("d", 0, "file", 1, ("loop", "/srv/a"))
    assert hooks.call(DISK_TEMPLATES, "file", "identity", disk=disk)
    assert hooks._idle == []


@pytest.mark.parametrize(("mood", "kind", "said"), [
    ("refuses", OpPrereqError, "^not of this size"),
    ("raises", PluginError, "disk_templates odd: layout: ZeroDivisionError: what now"),
    ("asks", OpExecError, "^the pool is empty"),
])
def test_what_it_raises_arrives_as_it_is(
    hooks: MasterHooks, mood: str, kind: type[Exception], said: str,
) -> None:
    before = process(hooks)
    with pytest.raises(kind, match=said) as raised:
        layout(hooks, mood)
    assert type(raised.value) is kind
    assert process(hooks) == before


@pytest.mark.parametrize(("mood", "said"), [
    ("hangs", "layout: it did not end within 1 s; its process was killed"),
    ("dies", r"layout: its process died \(7\); .*master-hooks.log may say why")])
def test_one_that_hangs_or_crashes_takes_its_own_process_along(
    hooks: MasterHooks, mood: str, said: str,
) -> None:
    before = process(hooks)
    hooks.limit = 1.0
    with pytest.raises(PluginError, match=said):
        layout(hooks, mood)
    hooks.limit = 5.0
    assert process(hooks) != before
    assert not Path(f"/proc/{before}").exists()


def test_a_changed_plugin_is_loaded_again(hooks: MasterHooks, tmp_path: Path) -> None:
    before = process(hooks)
    put(tmp_path, PLUGIN.replace('f"{os.getpid()}"', '"0"'))
    assert process(hooks) == before
    hooks.host.refresh_sources(tmp_path, {})
    hooks.forget()
    assert process(hooks) == 0


def test_calls_on_the_master_can_be_watched(hooks: MasterHooks) -> None:
    begun = hooks.traces.since("disk_templates odd", None)
    layout(hooks, "well")
    with pytest.raises(OpPrereqError):
        layout(hooks, "refuses")
    hooks.call(DISK_TEMPLATES, "file", "identity", disk=DiskSpec("d", 0, "file", 1, ("l", "/a")))
    calls = hooks.traces.since("disk_templates odd", begun["serial"])["calls"]
    assert [(call["hook"], call["failed"]) for call in calls] == [
        ("layout", False), ("layout", True)]
    assert json.loads(calls[0]["arguments"])["request"]["size"] == 8
    assert "not of this size" in calls[1]["result"]


def test_a_source_that_hangs_or_crashes_lists_nothing(tmp_path: Path) -> None:
    install(tmp_path, "ganeti-bad-sources", {
        "extstorage.sources:dies": "Dies", "extstorage.elsewhere:hangs": "Hangs"}, SOURCES)
    environment = os.environ | {
        "PYTHONPATH": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    done = subprocess.run([sys.executable, "-c", ASK, str(tmp_path)], env=environment,
                          capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found == {"names": [], "hung": [
        "cannot be loaded: its drivers took longer than 1 s"]}
