"""The collector `node-status`: the kit, and what it makes of programs that administrators write."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from ganeti_core.plugin_api import GanetiError, HookContext
from ganeti_core.plugin_api.collector import problem_of_samples
from ganeti_core.plugin_api.testing.contexts import make_context
from ganeti_core.plugin_api.testing.contracts import CollectorContract
from ganeti_plugins.collectors import NodeStatus
from ganeti_plugins.collectors.node_status import FOLDER, LARGEST, SETTING, diagnosis


@pytest.fixture
def ctx(tmp_path: Path) -> HookContext:
    made = make_context(tmp_path / "node1", "node1.example.com")
    return replace(made, config={**made.config, SETTING: "look"})


def program(ctx: HookContext, text: str, name: str = "look") -> Path:
    folder = ctx.root / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    made = folder / name
    made.write_text(f"#!/bin/sh\n{text}\n")
    made.chmod(0o755)
    return made


class TestNodeStatus(CollectorContract):
    @pytest.fixture
    def driver(self) -> NodeStatus:
        return NodeStatus()

    @pytest.fixture
    def ctx(self, ctx: HookContext) -> HookContext:
        program(ctx, """echo '{"status": "Ok"}'""")
        return ctx


def test_nothing_is_run_where_nothing_is_set(tmp_path: Path) -> None:
    bare = make_context(tmp_path / "node2", "node2.example.com")
    report = NodeStatus().collect(bare).report
    assert report.data == {"status": {"code": 0, "message": ""}, "diagnosis": {"status": "Ok"}}


@pytest.mark.parametrize(("said", "code", "figure", "message"), [
    ('{"status": "Ok", "details": "x"}', 0, 0, ""),
    ('{"status": "live-repair", "command": "fan-2", "details": {"fan": 2}}', 4, 1,
     "live-repair: it needs a repair that can be done while guests run on it; the command for it "
     "is 'fan-2'; {\"fan\": 2}"),
    ('{"status": "evacuate", "details": "disk 3"}', 4, 2,
     "evacuate: it must be evacuated; disk 3"),
    ('{"status": "evacuate-failover"}', 4, 3,
     "evacuate-failover: it must be evacuated, without live migration")])
def test_what_the_program_says_is_reported(
    ctx: HookContext, said: str, code: int, figure: int, message: str
) -> None:
    program(ctx, f"[ $# = 0 ] && echo '{said}'")
    report = NodeStatus().collect(ctx).report
    assert report.data["status"] == {"code": code, "message": message}
    assert report.data["diagnosis"] == diagnosis(said)
    assert report.samples == {"ganeti_node_repair_need": [[figure]]}
    assert problem_of_samples(NodeStatus().describe(), report) == ""


@pytest.mark.parametrize(("text", "problem"), [
    ("", "Expecting value"), ("[1]", "its status must be one of Ok, live-repair, evacuate, eva"),
    ('{"status": "ok"}', "its status must be one of"), ('{"status": ["Ok"]}', "its status must"),
    ('{"status": "live-repair", "command": 7}', "its command is no text: 7"),
    ('{"status": "Ok", "details": NaN}', "NaN is no finite number"),
    ('{"status": "Ok", "details": [1e999]}', "1e999 is no finite number"),
    ("[" * 100_000, "recursion")])
def test_rubbish_is_told(text: str, problem: str) -> None:
    with pytest.raises(GanetiError, match=problem) as failure:
        diagnosis(text)
    assert len(str(failure.value)) < 1000


def refused(ctx: HookContext, limit: float = 60.0) -> str:
    with pytest.raises(GanetiError) as failure:
        NodeStatus(limit).collect(ctx)
    return str(failure.value)


def test_a_program_that_fails_or_hangs_is_told(ctx: HookContext) -> None:
    program(ctx, "echo no such sensor >&2; exit 3")
    assert "no such sensor" in refused(ctx)
    program(ctx, "sleep 600")
    assert "ran longer than 0.2 s and was killed" in refused(ctx, limit=0.2)
    program(ctx, f"head -c {2 * LARGEST} /dev/zero | tr '\\0' '['")
    assert f"printed more than {LARGEST} characters" in refused(ctx)


def test_what_others_could_have_written_is_not_run(ctx: HookContext) -> None:
    assert "it is no program" in refused(ctx)
    made = program(ctx, "touch ran")
    made.chmod(0o757)
    assert "can be written by others (mode 757)" in refused(ctx)
    made.chmod(0o644)
    assert "it is no program" in refused(ctx)
    made.chmod(0o755)
    made.parent.chmod(0o777)
    assert "can be written by others (mode 777)" in refused(ctx)
    other = replace(ctx, config={SETTING: "../look"})
    assert "it cannot name a program" in refused(other)


@pytest.mark.needs_root
def test_a_program_of_a_strangers_is_not_run(ctx: HookContext) -> None:
    os.chown(program(ctx, "true"), 4242, 0)
    assert "belongs to user 4242, not to root" in refused(ctx)
