"""Nodes are asked once for what several want, and not again while the answer is fresh."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest

from ganeti_core.errors import GanetiError, HypervisorError, NodeUnreachable, PluginError
from ganeti_core.luxi.client import CALL_TIMEOUT
from ganeti_core.model import Node
from ganeti_core.plugin_api import codec
from ganeti_core.plugin_api.data import (
    Console,
    DiskSpec,
    DiskStatus,
    HostFacts,
    InstanceSpec,
    RunningInstance,
    StorageSpace,
)
from ganeti_core.query.live import (
    NODE_FACTS,
    ConsoleRequest,
    DiskQuestion,
    NodeLive,
    Question,
    host_facts,
    running,
    spaces,
)
from ganeti_core.query.live_rpc import FRESH_SECONDS, LiveNodes
from ganeti_core.rpc import wire
from ganeti_core.rpc.calls import Call
from ganeti_core.rpc.client import Peer
from ganeti_core.rpc.connection import GRACE_SECONDS

GUEST = RunningInstance("inst1", "uuid1", "running", 128, 1)
FACTS = HostFacts(1000, 500, 100, 4)
NODES = [Node(uuid=f"n{at}", name=f"node{at}", group="g", primary_ip=f"192.0.2.{at}")
         for at in (1, 2)]
FIRST = NODES[:1]


@dataclass
class Clients:
    """Stands in for the connections to nodes: answers surveys from `hooks`, plain JSON as on wire.

    :param gates: what the n-th round of calls waits for
    """

    hooks: dict[str, Callable[[dict[str, Any]], Any]] = field(default_factory=dict)
    rounds: list[list[tuple[str, Call]]] = field(default_factory=list)
    gates: dict[int, threading.Event] = field(default_factory=dict)
    down: dict[str, Exception] = field(default_factory=dict)
    arrived: threading.Condition = field(default_factory=threading.Condition)

    def fan_out(
        self, calls: Mapping[Any, tuple[Peer, Call]], *, owner: str = ""
    ) -> dict[Any, Any]:
        if not calls:
            return {}
        with self.arrived:
            number = len(self.rounds)
            self.rounds.append([(peer.name, call) for peer, call in calls.values()])
            self.arrived.notify_all()
        if number in self.gates:
            assert self.gates[number].wait(60)
        return {key: self._answer(peer, call) for key, (peer, call) in calls.items()}

    def _answer(self, peer: Peer, call: Call) -> Any:
        if peer.name in self.down:
            error = self.down[peer.name]
            if isinstance(error, GanetiError):
                return error
            raise error
        wire.check_plain(call.args)
        if call.service == "node.facts":
            return {"boot_id": peer.name}
        return [self._envelope(hook) for hook in call.args["hooks"]]

    def _envelope(self, hook: dict[str, Any]) -> Any:
        try:
            answer = self.hooks[hook["hook"]](hook)
        except GanetiError as exc:
            return wire.failure(exc)
        return wire.success(codec.encode(answer))

    def wait_for_round(self, number: int) -> None:
        with self.arrived:
            assert self.arrived.wait_for(lambda: len(self.rounds) > number, 10)

    @property
    def asked(self) -> list[set[str]]:
        """Hooks and services per round."""
        return [{hook["hook"] for _, call in calls for hook in call.args.get("hooks", [])}
                | {call.service for _, call in calls if call.service != "node.survey"}
                for calls in self.rounds]


@dataclass
class Clock:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clients() -> Clients:
    return Clients({"running": lambda hook: [GUEST], "host_facts": lambda hook: FACTS,
                    "space": lambda hook: [StorageSpace("/srv", 10, 5)]})


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def live(clients: Clients, clock: Clock) -> LiveNodes:
    return LiveNodes(clients, lambda: {"file_storage_dir": "/srv"}, clock)


def ask(live: LiveNodes, *questions: Question) -> NodeLive:
    answer = live.gather(FIRST, frozenset(questions))["n1"]
    assert isinstance(answer, NodeLive)
    return answer


def test_answers_have_the_types_of_their_contracts(live: LiveNodes, clients: Clients) -> None:
    answer = ask(live, running("kvm"), host_facts("kvm"), spaces("file"), NODE_FACTS)
    assert answer.running("kvm") == [GUEST]
    assert answer.guests == {"inst1": GUEST}
    assert answer.facts("kvm") == FACTS
    assert answer.spaces("file") == [StorageSpace("/srv", 10, 5)]
    assert answer.node_facts == {"boot_id": "node1"}
    survey = next(call for _, call in clients.rounds[0] if call.service == "node.survey")
    assert survey.args["settings"] == {"file_storage_dir": "/srv"}


def test_a_node_that_hangs_is_given_up_before_the_client_gives_up_the_master(
    live: LiveNodes, clients: Clients
) -> None:
    ask(live, running("kvm"), host_facts("kvm"), spaces("file"), NODE_FACTS)
    limits = {call.service: call.timeout + GRACE_SECONDS for _, call in clients.rounds[0]}
    assert sorted(limits) == ["node.facts", "node.survey"]
    assert max(limits.values()) <= CALL_TIMEOUT - 10


def test_all_nodes_are_asked_in_one_round(live: LiveNodes, clients: Clients) -> None:
    answers = live.gather(NODES, frozenset({running("kvm"), host_facts("kvm")}))
    assert set(answers) == {"n1", "n2"}
    assert [[name for name, _ in calls] for calls in clients.rounds] == [["node1", "node2"]]


def test_a_fresh_answer_is_used_again_and_an_old_one_is_not(
    live: LiveNodes, clients: Clients, clock: Clock
) -> None:
    ask(live, running("kvm"))
    clock.now += FRESH_SECONDS / 2
    ask(live, running("kvm"), host_facts("kvm"))
    assert clients.asked == [{"running"}, {"host_facts"}]
    clock.now += FRESH_SECONDS
    ask(live, running("kvm"))
    assert clients.asked[2:] == [{"running"}]


def test_answers_that_are_used_again_are_the_very_same_object(
    live: LiveNodes, clients: Clients, clock: Clock
) -> None:
    questions = running("kvm"), host_facts("kvm")
    ask(live, *questions)
    first = ask(live, *questions)
    clock.now += FRESH_SECONDS / 2
    assert ask(live, *questions) is first
    clock.now += FRESH_SECONDS
    ask(live, *questions)
    second = ask(live, *questions)
    assert second is not first
    assert ask(live, *questions) is second
    live.touched("n1")
    clients.hooks["running"] = lambda hook: []
    assert ask(live, *questions).running("kvm") == []
    assert ask(live, *questions).running("kvm") == []
    assert len(clients.rounds) == 3


def test_all_answers_are_as_old_as_the_oldest(
    live: LiveNodes, clients: Clients, clock: Clock
) -> None:
    ask(live, running("kvm"))
    clock.now += FRESH_SECONDS * 0.7
    ask(live, running("kvm"), host_facts("kvm"))
    clients.hooks["running"] = lambda hook: []
    assert ask(live, running("kvm"), host_facts("kvm")).running("kvm") == [GUEST]
    clock.now += FRESH_SECONDS * 0.7
    assert ask(live, running("kvm"), host_facts("kvm")).running("kvm") == []
    assert clients.asked[2:] == [{"running"}]


def test_a_node_that_was_changed_is_asked_again(live: LiveNodes, clients: Clients) -> None:
    live.gather(NODES, frozenset({running("kvm")}))
    live.touched("n1")
    live.gather(NODES, frozenset({running("kvm")}))
    assert [[name for name, _ in calls] for calls in clients.rounds] == [
        ["node1", "node2"], ["node1"]]


def test_queries_at_the_same_time_share_a_call(live: LiveNodes, clients: Clients) -> None:
    gate = clients.gates[0] = threading.Event()
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(ask, live, running("kvm"))
        clients.wait_for_round(0)
        second = threads.submit(ask, live, running("kvm"), host_facts("kvm"))
        clients.wait_for_round(1)  # for what nobody had asked yet; the rest it shares
        gate.set()
        assert first.result(60).running("kvm") == [GUEST]
        assert second.result(60).running("kvm") == [GUEST]
    assert clients.asked == [{"running"}, {"host_facts"}]


def test_who_asks_after_a_change_does_not_get_an_answer_from_before(
    live: LiveNodes, clients: Clients
) -> None:
    gate = clients.gates[0] = threading.Event()
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(ask, live, running("kvm"))
        clients.wait_for_round(0)
        live.touched("n1")
        clients.hooks["running"] = lambda hook: []
        assert ask(live, running("kvm")).running("kvm") == []
        clients.hooks["running"] = lambda hook: [GUEST]
        gate.set()
        assert first.result(60).running("kvm") == [GUEST]
    assert ask(live, running("kvm")).running("kvm") == []
    assert len(clients.rounds) == 2


def test_a_hook_that_fails_leaves_the_others(live: LiveNodes, clients: Clients) -> None:
    def broken(hook: Any) -> Any:
        raise HypervisorError("no kvm here")

    clients.hooks["host_facts"] = broken
    answer = ask(live, running("kvm"), host_facts("kvm"))
    assert answer.running("kvm") == [GUEST]
    assert answer.facts("kvm") is None
    assert isinstance(answer.answers[host_facts("kvm")], HypervisorError)


def test_an_unreachable_node_is_its_own_answer(live: LiveNodes, clients: Clients) -> None:
    clients.down["node1"] = NodeUnreachable("no route")
    answers = live.gather(NODES, frozenset({running("kvm"), NODE_FACTS}))
    assert isinstance(answers["n1"], NodeUnreachable)
    assert isinstance(answers["n2"], NodeLive)


def test_an_answer_that_does_not_fit_is_an_error_of_its_question(
    live: LiveNodes, clients: Clients
) -> None:
    clients.hooks["running"] = lambda hook: [{"name": 5}]
    answer = ask(live, running("kvm"))
    assert isinstance(answer.answers[running("kvm")], PluginError), "the node is not to blame"
    assert answer.running("kvm") is None


def test_a_failure_of_our_own_leaves_nobody_waiting(live: LiveNodes, clients: Clients) -> None:
    gate = clients.gates[0] = threading.Event()
    clients.down["node1"] = RuntimeError("a bug")
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(ask, live, running("kvm"))
        clients.wait_for_round(0)
        second = threads.submit(live.gather, FIRST, frozenset({running("kvm"), NODE_FACTS}))
        clients.wait_for_round(1)
        del clients.down["node1"]
        clients.down["node1"] = RuntimeError("a bug")
        gate.set()
        with pytest.raises(RuntimeError):
            first.result(60)
        with pytest.raises(RuntimeError):
            second.result(60)
    clients.down.clear()
    assert ask(live, running("kvm")).running("kvm") == [GUEST]


def test_consoles_and_disks_take_one_round_trip_per_node(
    live: LiveNodes, clients: Clients
) -> None:
    clients.hooks["console"] = lambda hook: Console(
        "ssh", hook["arguments"]["instance"]["name"], host=hook["arguments"]["node"]["name"])
    clients.hooks["status"] = lambda hook: DiskStatus(
        exists=True, path=hook["arguments"]["disk"]["uuid"])
    requests = [ConsoleRequest(InstanceSpec(f"u{at}", f"inst{at}", "kvm"), NODES[at % 2])
                for at in range(4)]
    consoles = live.consoles(requests)
    assert [consoles[f"u{at}"].host for at in range(4)] == ["node1", "node2", "node1", "node2"]
    disks = [DiskQuestion(NODES[at % 2], DiskSpec(f"d{at}", 0, "file", 10)) for at in range(3)]
    states = live.disk_states(disks)
    assert [states[asked.key].path for asked in disks] == ["d0", "d1", "d2"]
    assert [len(calls) for calls in clients.rounds] == [2, 2]


def test_nobody_to_ask_is_no_call(live: LiveNodes, clients: Clients) -> None:
    assert live.gather([], frozenset({running("kvm")})) == {}
    assert live.consoles([]) == {}
    assert not clients.rounds
