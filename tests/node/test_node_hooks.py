"""Hooks through a whole node: where they run, and what becomes of those that misbehave."""

from __future__ import annotations

import logging
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from one_node import alive, eventually, start_call

from ganeti_core.errors import (
    HypervisorError,
    NotSupported,
    OpPrereqError,
    PluginError,
)
from ganeti_core.node.hooks import HookRequest
from ganeti_core.node.running import RunningCall
from ganeti_core.node.workers import CALLS_PER_WORKER
from ganeti_core.plugin_api.data import HostFacts, RunningInstance
from ganeti_core.plugin_api.hypervisor import HYPERVISORS
from ganeti_core.rpc.calls import Call


def test_read_only_hook_answers_its_typed_result(node):
    assert node.clients.hook(node.peer, HYPERVISORS, "moody", "host_facts") == HostFacts(
        1024, 512, 512, 2)


def test_hook_gets_node_address_and_settings(node):
    found = node.clients.hook(node.peer, HYPERVISORS, "moody", "running")

    assert found == [RunningInstance("node1.example.com", "127.0.0.1", "running", 128, 1)]


def test_changing_hook_runs_in_another_process_that_is_used_again(node):
    node.start("fine.a")
    node.start("fine.b")

    assert int(node.mark("a")) == int(node.mark("b")) != os.getpid()


def test_typed_error_arrives_as_it_was_raised_and_keeps_the_worker(node):
    node.start("fine.before")
    with pytest.raises(HypervisorError, match=r"^no memory left$"):
        node.start("typed")
    node.start("fine.after")

    assert node.mark("before") == node.mark("after")


@pytest.mark.parametrize(("mood", "says"), [
    ("raises", "RuntimeError: I am in a bad mood"),
    ("exits", "SystemExit: I quit"),
    ("dies", r"the worker process died \(SIGKILL\)"),
    ("quits", r"the worker process died \(exit status 3\)"),
])
def test_hook_that_fails_unforeseen_names_plugin_and_hook(node, mood, says):
    with pytest.raises(PluginError, match=rf"plugin hypervisors moody: start: {says}"):
        node.start(mood)
    node.start("fine.next")


def test_worker_is_replaced_after_an_unforeseen_failure(node):
    node.start("fine.before")
    with pytest.raises(PluginError):
        node.start("raises")
    node.start("fine.after")

    assert node.mark("before") != node.mark("after")


def test_worker_is_replaced_after_many_calls(node):
    for number in range(3 * CALLS_PER_WORKER):
        node.start(f"fine.{number}")

    assert node.mark("0") != node.mark(str(3 * CALLS_PER_WORKER - 1))


def test_read_only_hook_that_fails_unforeseen_is_logged_with_its_traceback(node, caplog):
    with caplog.at_level(logging.ERROR), pytest.raises(PluginError, match="reading is hard"):
        node.clients.hook(node.peer, HYPERVISORS, "moody", "info", name="raise")

    assert "in info" in caplog.text


def test_deadline_ends_the_hook_and_the_programs_that_it_runs(node):
    with pytest.raises(PluginError, match="did not end within its time"):
        node.start("hangs.program", call_timeout=0.8)

    assert eventually(lambda: not alive(int(node.mark("program"))))
    node.start("fine.next")


def test_guest_survives_the_deadline_of_the_hook_that_started_it(node):
    with pytest.raises(PluginError, match="did not end within its time"):
        node.start("boots.guest", call_timeout=0.8)

    guest = int(node.mark("guest"))
    try:
        assert alive(guest)
    finally:
        os.kill(guest, signal.SIGKILL)


def test_lines_for_the_jobs_owner_come_back(node):
    lines = []

    node.call(start_call("talks"), feedback=lines.append)

    assert lines == ["first line", "second line"]


def test_plugin_may_call_another_on_its_node(node):
    node.start("neighbours.facts")

    assert node.mark("facts") == "1024"


def test_calls_run_in_parallel(node):
    with ThreadPoolExecutor(4) as threads:
        running = [threads.submit(node.start, f"blocks.{number}") for number in range(4)]
        workers = {node.mark(str(number)) for number in range(4)}
        (node.root / "go").touch()
        for call in running:
            call.result(10)

    assert len(workers) == 4


def test_more_calls_than_workers_wait_for_one(node):
    most = node.noded.workers.most
    with ThreadPoolExecutor(most + 4) as threads:
        running = [threads.submit(node.start, f"blocks.{n}") for n in range(most + 4)]
        assert eventually(lambda: len(list(node.root.glob("mark-*"))) == most)
        (node.root / "go").touch()
        for call in running:
            call.result(20)

    assert len(list(node.root.glob("mark-*"))) == most + 4


def test_plugin_that_hangs_is_asked_no_more_but_others_are(node):
    hang = Call("hook", {"kind": "hypervisors", "driver": "moody", "hook": "info",
                         "arguments": {"name": "hang"}, "settings": {}}, timeout=0.2)
    with ThreadPoolExecutor(4) as threads:
        hanging = [threads.submit(node.noded.state.dispatcher.run, HookRequest.from_args(hang.args),
                                  RunningCall("hang", time.monotonic())) for _ in range(4)]
        assert eventually(lambda: len(list(node.root.glob("reading-*"))) == 4)
        with pytest.raises(PluginError, match="4 earlier calls of this plugin still hang"):
            node.clients.hook(node.peer, HYPERVISORS, "moody", "host_facts")
        assert node.call(Call("node.ping"))["name"] == "node1.example.com"
        (node.root / "go").touch()
        for call in hanging:
            call.result(10)
    assert node.clients.hook(node.peer, HYPERVISORS, "moody", "host_facts").cpu_total == 2


def test_death_of_the_fork_server_costs_only_what_ran(node):
    with ThreadPoolExecutor(1) as threads:
        lost = threads.submit(node.start, "blocks.lost")
        worker = int(node.mark("lost"))
        os.kill(node.noded.workers.server.pid, signal.SIGKILL)
        with pytest.raises(PluginError, match=r"died \(SIGKILL\)"):
            lost.result(10)
    assert eventually(lambda: not alive(worker))

    # The new server loads its plugins from the installation, which has no moody one.
    with pytest.raises(OpPrereqError, match="Unknown hypervisor 'moody'"):
        node.start("fine.next")


@pytest.mark.parametrize(("args", "error", "says"), [
    ({}, OpPrereqError, "a hook call needs"),
    ({"kind": "hypervisors", "driver": "moody", "hook": "start", "arguments": []}, OpPrereqError,
     "a hook call needs"),
    ({"kind": "spaceships", "driver": "x", "hook": "start", "arguments": {}}, OpPrereqError,
     "no plugins of the kind spaceships"),
    ({"kind": "hypervisors", "driver": "moody", "hook": "levitate", "arguments": {}}, NotSupported,
     "have no hook levitate"),
    ({"kind": "hypervisors", "driver": "nobody", "hook": "running", "arguments": {}},
     OpPrereqError, "Unknown hypervisor 'nobody'"),
    ({"kind": "hypervisors", "driver": "moody", "hook": "info", "arguments": {}}, OpPrereqError,
     "called without name"),
    ({"kind": "hypervisors", "driver": "moody", "hook": "info", "arguments": {"name": 7}},
     OpPrereqError, "argument name"),
    ({"kind": "hypervisors", "driver": "moody", "hook": "migration_status",
      "arguments": {"name": "x"}}, NotSupported, "does not offer migration_status"),
])
def test_call_that_cannot_be_made_is_a_typed_error(node, args, error, says):
    with pytest.raises(error, match=says):
        node.call(Call("hook", args))
