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
from ganeti_core.node import dispatch
from ganeti_core.node.hooks import HookRequest, run_hook
from ganeti_core.node.running import RunningCall
from ganeti_core.node.workers import CALLS_PER_WORKER, PLUGIN_READERS
from ganeti_core.plugin_api.data import HostFacts, RunningInstance
from ganeti_core.plugin_api.hypervisor import HYPERVISORS
from ganeti_core.rpc.calls import Call


def named(name):
    """An instance whose name is the mood that the driver reads in."""
    return {"uuid": "u", "name": name, "hypervisor": "moody"}


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


def test_result_of_another_type_than_the_contract_says_is_refused(node):
    with pytest.raises(PluginError, match=r"moody: start: TypeError: it returned 42, its contract "
                                          r"says NoneType"):
        node.start("returns")
    with pytest.raises(PluginError, match=r"moody: info: TypeError: it returned HostFacts\("):
        read(node, "info", instance=named("wrong"))


def test_words_of_a_plugin_cannot_move_the_cursor_nor_fill_the_screen(node):
    with pytest.raises(HypervisorError) as caught:
        node.start("paints")

    said = str(caught.value)
    assert said.startswith("redxxx")
    assert said.endswith("the end")
    assert len(said) < 11_000


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


def test_hook_that_fails_unforeseen_is_logged_with_its_traceback(node, caplog):
    with caplog.at_level(logging.ERROR), pytest.raises(PluginError, match="reading is hard"):
        run_hook(node.noded.state.world,
                 HookRequest("hypervisors", "moody", "info", {"instance": named("raise")}, {}))

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
            call.result(60)

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


def read(node, hook, **arguments):
    return node.clients.hook(node.peer, HYPERVISORS, "moody", hook, **arguments)


def test_read_only_hooks_run_in_workers_and_prefer_their_last_one(node):
    pids = {read(node, "info", instance=named("pid")).memory for _ in range(20)}

    assert os.getpid() not in pids
    assert len(pids) == 1


@pytest.mark.parametrize(("mood", "says"), [
    ("quit", r"the worker process died \(exit status 3\)"),
    ("segfault", r"the worker process died \(SIGSEGV\)"),
    ("raise", "RuntimeError: reading is hard"),
])
def test_read_only_hook_that_crashes_takes_only_its_own_answer(node, mood, says):
    with pytest.raises(PluginError, match=rf"plugin hypervisors moody: info: {says}"):
        read(node, "info", instance=named(mood))

    assert read(node, "host_facts").cpu_total == 2


def hanging(node, hook, seconds, **arguments):
    """Ask the node's dispatcher, with its own deadline."""
    request = HookRequest("hypervisors", "moody", hook, arguments, {})
    return node.noded.state.dispatcher.run(
        request, RunningCall("hang", time.monotonic() + seconds))


def test_read_only_hook_that_hangs_is_killed_and_others_are_answered(node, caplog):
    with ThreadPoolExecutor(PLUGIN_READERS) as threads:
        calls = [threads.submit(hanging, node, "info", 1.0, instance=named("hang"))
                 for _ in range(PLUGIN_READERS)]
        assert node.call(Call("node.ping"))["name"] == "node1.example.com"
        for call in calls:
            said = call.result(60)["error"][1][0]
            assert said.startswith("plugin hypervisors moody: info: it did not end within")
    assert "moody: info: it did not end within its time" in caplog.text
    assert read(node, "host_facts").cpu_total == 2


def test_hook_that_hung_has_less_time_until_it_answers_again(node):
    hanging(node, "info", 0.3, instance=named("hang"))
    began = time.monotonic()
    hanging(node, "info", 300.0, instance=named("hang"))
    assert time.monotonic() - began < 100

    hanging(node, "info", 60.0, instance=named("nobody"))
    again = HookRequest("hypervisors", "moody", "info", {}, {})
    assert not node.noded.state.dispatcher.hangs(again)


def test_hook_that_hung_gets_its_whole_time_again_after_a_while(node, monkeypatch):
    """A node whose answers all took longer than the little time was never well again."""
    monkeypatch.setattr(dispatch, "IMPATIENCE_SECONDS", 0.0)
    hanging(node, "info", 0.3, instance=named("hang"))
    assert "error" in hanging(node, "info", 60.0, instance=named("nobody"))

    monkeypatch.setattr(dispatch, "IMPATIENT_SECONDS", 0.0)
    monkeypatch.setattr(node.noded.state.dispatcher, "_slow", {})
    hanging(node, "info", 0.3, instance=named("hang"))
    assert "error" not in hanging(node, "info", 60.0, instance=named("nobody"))


def test_survey_answers_for_all_plugins_but_the_one_that_hangs(node):
    hooks = [{"kind": "hypervisors", "driver": driver, "hook": hook, "arguments": arguments}
             for driver, hook, arguments in (
                 ("moody", "host_facts", {}), ("moody", "info", {"instance": named("hang")}),
                 ("moody", "running", {}), ("placid", "running", {}), ("nobody", "running", {}))]

    answers = node.call(Call("node.survey", {"hooks": hooks}, timeout=5.0))

    facts, hang, after, placid, nobody = answers
    assert facts["ok"]["cpu_total"] == 2
    assert "info: it did not end within its time" in hang["error"][1][0]
    assert "running: not asked, for its hook info hung" in after["error"][1][0]
    assert placid["ok"][0]["name"] == "node1.example.com"
    assert "Unknown hypervisor" in nobody["error"][1][0]


def test_death_of_the_fork_server_costs_only_what_ran(node):
    with ThreadPoolExecutor(1) as threads:
        lost = threads.submit(node.start, "blocks.lost")
        worker = int(node.mark("lost"))
        os.kill(node.noded.workers.server.pid, signal.SIGKILL)
        with pytest.raises(PluginError, match=r"died \(SIGKILL\)"):
            lost.result(60)
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
     "called without instance"),
    ({"kind": "hypervisors", "driver": "moody", "hook": "info",
      "arguments": {"instance": named(7)}}, OpPrereqError, "argument instance"),
    ({"kind": "hypervisors", "driver": "moody", "hook": "migration_status",
      "arguments": {"instance": named("x")}}, NotSupported, "does not offer migration_status"),
])
def test_call_that_cannot_be_made_is_a_typed_error(node, args, error, says):
    with pytest.raises(error, match=says):
        node.call(Call("hook", args))


def test_a_hook_under_way_ends_with_the_plugins_that_it_began_with(node):
    """After that the server of its worker has nothing more to do, and ends."""
    workers = node.noded.workers
    before = workers.server
    with ThreadPoolExecutor(1) as threads:
        call = threads.submit(node.start, "blocks.old")
        worker = int(node.mark("old"))
        workers.renew()
        assert workers.server is not before
        assert alive(worker)
        assert alive(before.pid)
        (node.root / "go").touch()
        call.result(60)
    assert eventually(lambda: not alive(before.pid))
    assert alive(workers.server.pid)
