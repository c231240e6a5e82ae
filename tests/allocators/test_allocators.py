"""Allocators in processes of their own: sent what changed, killed when they hang."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from virtual_cluster import wait_until

from ganeti_core.errors import JobCanceled, OpExecError, OpPrereqError, PluginError
from ganeti_core.node.local_node import LocalNode
from ganeti_core.node.world import World
from ganeti_core.operations.placement.allocators import LOG_FILE, Allocators
from ganeti_core.paths import Paths
from ganeti_core.plugin_api.iallocator import IALLOCATORS
from ganeti_core.plugin_api.kinds import Kind
from ganeti_core.plugin_files import FOLDER
from ganeti_core.plugins import PluginHost
from ganeti_core.rpc.identity import NodeIdentity
from ganeti_core.spans import Place, Span, within

WRONG = Path(__file__).parent / "wrong"


@pytest.fixture
def allocators(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Allocators]:
    """Those of a master in `tmp_path`; their processes find one that is wrong on demand."""
    monkeypatch.setenv("PYTHONPATH", str(WRONG), prepend=os.pathsep)
    paths = Paths(tmp_path)
    paths.make_directories()
    host = PluginHost()
    host.load([IALLOCATORS])
    host.refresh_sources(tmp_path, {})
    local = LocalNode(NodeIdentity("uuid-1", "node1.example.com", "127.0.0.1", 1811), paths)
    found = Allocators(World(local, host), dict, lambda *_: None)
    yield found
    found.close()


def ask(
    allocators: Allocators, name: str, instances: dict[str, Any] | None = None, **more: Any
) -> tuple[int, int, dict[str, Any]]:
    """Answers how many requests its process has seen, the process, and the instances it knows."""
    document = {"nodes": {"n1": {}}, "instances": instances or {}, "request": {"name": name}}
    answer = allocators.ask("wrong", "solve", document, **more)
    calls, pid = map(int, answer["info"].split())
    return calls, pid, answer["result"][0]


def shorten(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    contract = Kind.hook_where
    monkeypatch.setattr(
        Kind, "hook_where", lambda kind, hook: replace(contract(kind, hook), timeout=seconds))


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def test_one_process_answers_all_requests(allocators: Allocators) -> None:
    _, first, _ = ask(allocators, "a")
    assert ask(allocators, "b")[:2] == (2, first)
    assert first != os.getpid()


def test_a_request_is_a_span_of_its_job(allocators: Allocators) -> None:
    told, job = list[Span](), Place.of_job("uuid", 7)
    with within(job, told.append):
        ask(allocators, "a")
    ask(allocators, "b")
    assert [(one.name, one.trace, one.parent, one.attributes) for one in told] == [
        ("iallocators wrong: solve", job.trace, job.span,
         {"ganeti.plugin": "iallocators:wrong", "ganeti.hook": "solve"})]


def test_it_knows_what_was_sent_before_and_what_has_gone(allocators: Allocators) -> None:
    a, b = {"memory": 1}, {"memory": 2}
    assert ask(allocators, "x", {"a": a, "b": b})[2] == {"a": a, "b": b}
    changed = {"memory": 3}
    assert ask(allocators, "x", {"b": changed, "c": a})[2] == {"b": changed, "c": a}
    assert ask(allocators, "x", {"b": changed})[2] == {"b": changed}


def test_what_a_plugin_changes_is_not_what_the_next_request_finds(allocators: Allocators) -> None:
    a = {"memory": 1}
    assert ask(allocators, "change", {"a": a})[2] == {}
    assert ask(allocators, "x", {"a": a})[2] == {"a": a}


def test_one_that_hangs_is_killed_with_what_it_started(
    allocators: Allocators, monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
) -> None:
    _, before, _ = ask(allocators, "x", {"a": {"memory": 1}})
    shorten(monkeypatch, 1.0)
    with pytest.raises(PluginError, match="iallocators wrong: solve: it did not answer within"):
        ask(allocators, "hang")
    child = int((Paths(tmp_path).plugin_state / "iallocators/wrong/child").read_text())
    wait_until(lambda: not lives(before) and not lives(child), "both are gone")
    shorten(monkeypatch, 30.0)
    calls, after, known = ask(allocators, "x", {"a": {"memory": 1}})
    assert (calls, known) == (1, {"a": {"memory": 1}})
    assert after != before


FILE = """
import os
from ganeti_core.plugin_api import Description, hookimpl

PLUGIN = "iallocators:near"

class Near:
    @hookimpl
    def describe(self):
        return Description(api_version=0, title="In a file", capabilities=frozenset({"allocate"}))

    @hookimpl
    def solve(self, request):
        if request["request"]["name"] == "dies":
            os._exit(3)
        return {"success": True, "info": str(os.getpid()), "result": []}
"""


def test_one_in_a_plugin_file_has_a_process_too(allocators: Allocators, tmp_path: Path) -> None:
    path = tmp_path / FOLDER / "near.py"
    path.parent.mkdir(mode=0o755, parents=True)
    path.write_text(FILE)
    path.chmod(0o644)
    assert allocators.known("near")
    document = {"nodes": {}, "instances": {}, "request": {"name": "x"}}
    answer = allocators.ask("near", "solve", document)
    assert int(answer["info"]) != os.getpid()
    with pytest.raises(PluginError, match="iallocators near: solve: its process died"):
        allocators.ask("near", "solve", document | {"request": {"name": "dies"}})


def test_one_that_reads_nothing_is_killed_too(
    allocators: Allocators, monkeypatch: pytest.MonkeyPatch,
) -> None:
    _, pid, _ = ask(allocators, "x")
    os.kill(pid, signal.SIGSTOP)
    shorten(monkeypatch, 1.0)
    with pytest.raises(PluginError, match="it did not answer within its time"):
        ask(allocators, "x", {"a": {"larger than any buffer": "x" * (8 << 20)}})
    assert not lives(pid)


def test_one_that_dies_is_named_and_started_again(allocators: Allocators, tmp_path: Path) -> None:
    with pytest.raises(PluginError, match=f"wrong: solve: its process died.*{LOG_FILE}"):
        ask(allocators, "die")
    assert ask(allocators, "x")[0] == 1


def test_one_that_died_unasked_is_started_again(allocators: Allocators) -> None:
    _, pid, _ = ask(allocators, "x", {"a": {}})
    os.kill(pid, 9)
    wait_until(lambda: not lives(pid), "it is dead")
    assert ask(allocators, "x", {"a": {}})[2] == {"a": {}}


def test_its_errors_keep_their_class(allocators: Allocators) -> None:
    with pytest.raises(OpPrereqError, match="no such request"):
        ask(allocators, "refuse")
    with pytest.raises(PluginError, match="wrong: solve: ValueError: it cannot count"):
        ask(allocators, "raise")
    # Neither ends the process.
    assert ask(allocators, "x")[0] == 3


def test_a_job_that_is_canceled_does_not_wait_for_it(allocators: Allocators) -> None:
    ask(allocators, "x")
    cancel = threading.Event()
    threading.Timer(0.2, cancel.set).start()
    began = time.monotonic()
    with pytest.raises(JobCanceled):
        ask(allocators, "hang", cancelled=cancel.is_set)
    assert time.monotonic() - began < 20


def test_the_process_ends_with_its_master(allocators: Allocators) -> None:
    _, pid, _ = ask(allocators, "x")
    process = allocators._processes["wrong"]._process
    assert process.sock is not None
    process.sock.close()  # as the kernel does for a master that was killed
    wait_until(lambda: not lives(pid), "it has ended")


def test_hail_answers_from_its_process(allocators: Allocators) -> None:
    with pytest.raises(OpExecError, match="hail: invalid iallocator message"):
        allocators.ask("hail", "solve", {"instances": {}, "request": {}, "nodes": {}})
