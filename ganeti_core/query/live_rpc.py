"""Asks nodes over RPC: one round trip per node, never the same twice at once.

Queries that ask one node at the same time share its answer. An answer is used again for
`FRESH_SECONDS`, unless something changed the node meanwhile (`LiveNodes.touched`): an answer that
was under way at that moment goes to those who had asked before, and to nobody after. As long as
answers are used again, whoever asks the same questions gets the very same `NodeLive`.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from concurrent.futures import Future
from dataclasses import field
from typing import TYPE_CHECKING, Any

from ganeti_core.errors import GanetiError, RpcError
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.plugin_api import codec
from ganeti_core.plugin_api.all_kinds import KINDS
from ganeti_core.plugin_api.disk import DISK_TEMPLATES
from ganeti_core.plugin_api.hypervisor import HYPERVISORS
from ganeti_core.query.live import NODE_FACTS, ConsoleRequest, DiskQuestion, NodeLive, Question
from ganeti_core.rpc import wire
from ganeti_core.rpc.calls import hook_answer, service_call
from ganeti_core.rpc.client import Peer
from ganeti_core.specs.disks import node_ref

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ganeti_core.model import Node
    from ganeti_core.plugin_api.data import Console, DiskStatus
    from ganeti_core.rpc.calls import Call
    from ganeti_core.rpc.client import NodeClients

FRESH_SECONDS = 1.0
ANSWER_SECONDS = 40.0
"""What a node may take: less than the minute that a client waits for the master, so that a node
that hangs costs a listing what that node would say, not all of it."""
JOIN_SECONDS = 120.0
"""How long to wait for an answer that another query asked for; longer than any call takes."""

Answers = dict[Question, Any]


@dataclass
class _Known:
    """What is known of one node: `answers` with the time of asking, calls under way.

    :param together: `answers` as they were given to who asked several questions, with the time of
        the oldest; only of these `answers`
    """

    answers: dict[Question, tuple[float, Any]] = field(default_factory=dict)
    together: dict[frozenset[Question], tuple[float, NodeLive | GanetiError]] = field(
        default_factory=dict)
    under_way: dict[Question, Future[Answers]] = field(default_factory=dict)
    generation: int = 0

    def at_hand(
        self, questions: frozenset[Question], oldest: float
    ) -> NodeLive | GanetiError | None:
        """Return all that was asked, if none of it was asked before `oldest`."""
        found = self.together.get(questions)
        if found is None and questions <= self.answers.keys():
            answers = {question: self.answers[question] for question in questions}
            found = self.together[questions] = (
                min((asked for asked, _ in answers.values()), default=oldest),
                _put_together({question: answer for question, (_, answer) in answers.items()}))
        return found[1] if found is not None and found[0] >= oldest else None

    def keep(self, answers: Mapping[Question, tuple[float, Any]]) -> None:
        self.answers.update(answers)
        self.together.clear()

    def forget(self) -> None:
        self.generation += 1
        self.answers.clear()
        self.together.clear()
        self.under_way.clear()


@dataclass(frozen=True)
class _Share:
    """What one query gets of one node: answers at hand, those to wait for, those to ask for."""

    at_hand: Answers
    joined: set[Future[Answers]]
    own: frozenset[Question]
    promise: Future[Answers]
    generation: int


class LiveNodes:
    """A `LiveSource` over RPC; safe to use from several threads.

    :param settings: tells what travels with hook calls as their `ctx.config`
    :param clock: monotonic, seconds
    :param owner: whose calls these are, for `NodeClients.abandon`
    """

    def __init__(
        self, nodes: NodeClients, settings: Callable[[], Mapping[str, Any]],
        clock: Callable[[], float] = time.monotonic, owner: str = "",
    ) -> None:
        self._owner = owner
        self._nodes = nodes
        self._settings = settings
        self._clock = clock
        self._guard = threading.Lock()
        self._known: dict[str, _Known] = defaultdict(_Known)

    def touched(self, node_uuid: str) -> None:
        """Forget what a node said: something changed it, or is about to."""
        with self._guard:
            self._known[node_uuid].forget()

    def gather(
        self, nodes: Sequence[Node], questions: frozenset[Question]
    ) -> Mapping[str, NodeLive | GanetiError]:
        """See `LiveSource.gather`."""
        at_hand = self._at_hand(nodes, questions)
        shares = {node.uuid: self._share(node.uuid, questions) for node in nodes
                  if at_hand[node.uuid] is None}
        asked = [node for node in nodes if node.uuid in shares and shares[node.uuid].own]
        began = self._clock()
        try:
            found = self._ask({node.uuid: node for node in asked},
                              {node.uuid: shares[node.uuid].own for node in asked})
        except BaseException as exc:
            for node in asked:
                self._give_up(node.uuid, shares[node.uuid], exc)
            raise
        for node in asked:
            self._keep(node.uuid, shares[node.uuid], found[node.uuid], began)
        return {uuid: _collected(shares[uuid], questions) if found is None else found
                for uuid, found in at_hand.items()}

    def _at_hand(
        self, nodes: Sequence[Node], questions: frozenset[Question]
    ) -> dict[str, NodeLive | GanetiError | None]:
        with self._guard:
            oldest = self._clock() - FRESH_SECONDS
            return {node.uuid: self._known[node.uuid].at_hand(questions, oldest) for node in nodes}

    def _share(self, uuid: str, questions: frozenset[Question]) -> _Share:
        with self._guard:
            known = self._known[uuid]
            oldest = self._clock() - FRESH_SECONDS
            at_hand = {question: known.answers[question][1] for question in questions
                       if question in known.answers and known.answers[question][0] >= oldest}
            rest = questions - at_hand.keys()
            joined = {known.under_way[question] for question in rest
                      if question in known.under_way}
            own = rest - known.under_way.keys()
            promise: Future[Answers] = Future()
            known.under_way.update(dict.fromkeys(own, promise))
            return _Share(at_hand, joined, own, promise, known.generation)

    def _keep(self, uuid: str, share: _Share, answers: Answers, began: float) -> None:
        self._settle(uuid, share)
        with self._guard:
            known = self._known[uuid]
            if known.generation == share.generation:
                known.keep({question: (began, answer) for question, answer in answers.items()})
        share.promise.set_result(answers)

    def _give_up(self, uuid: str, share: _Share, exc: BaseException) -> None:
        self._settle(uuid, share)
        failure = RpcError(f"asking the node failed: {exc}")
        share.promise.set_result(dict.fromkeys(share.own, failure))

    def _settle(self, uuid: str, share: _Share) -> None:
        with self._guard:
            under_way = self._known[uuid].under_way
            for question in share.own:
                if under_way.get(question) is share.promise:
                    del under_way[question]

    def _ask(
        self, nodes: Mapping[str, Node], questions: Mapping[str, frozenset[Question]]
    ) -> dict[str, Answers]:
        settings = codec.encode(self._settings())
        hooks = {uuid: tuple(sorted(wanted - {NODE_FACTS})) for uuid, wanted in questions.items()}
        # Mostly all nodes are asked the same: the very same call is encoded once.
        surveys = {asked: _survey([(question, {}) for question in asked], settings)
                   for asked in set(hooks.values()) if asked}
        facts = service_call("node.facts", {"settings": settings})
        calls: dict[tuple[str, str], tuple[Peer, Call]] = {}
        for uuid, node in nodes.items():
            if hooks[uuid]:
                calls[uuid, "survey"] = (Peer.of(node), surveys[hooks[uuid]])
            if NODE_FACTS in questions[uuid]:
                calls[uuid, "facts"] = (Peer.of(node), facts)
        results = self._nodes.fan_out(calls, owner=self._owner)
        found: dict[str, Answers] = {}
        for uuid in nodes:
            found[uuid] = _survey_answers(hooks[uuid], results.get((uuid, "survey"), []))
            if (uuid, "facts") in results:
                found[uuid][NODE_FACTS] = results[uuid, "facts"]
        return found

    def consoles(
        self, requests: Sequence[ConsoleRequest]
    ) -> Mapping[str, Console | GanetiError]:
        """See `LiveSource.consoles`; one round trip per node."""
        answers = self.ask_each([
            (request.node, Question(HYPERVISORS.name, request.instance.hypervisor, "console"),
             {"instance": request.instance, "node": node_ref(request.node)})
            for request in requests])
        return {request.instance.uuid: answer
                for request, answer in zip(requests, answers, strict=True)}

    def disk_states(
        self, questions: Sequence[DiskQuestion]
    ) -> Mapping[tuple[str, str], DiskStatus | GanetiError]:
        """See `LiveSource.disk_states`; one round trip per node."""
        answers = self.ask_each([
            (asked.node, Question(DISK_TEMPLATES.name, asked.disk.template, "status"),
             {"disk": asked.disk.on(asked.node.uuid)}) for asked in questions])
        return {asked.key: answer for asked, answer in zip(questions, answers, strict=True)}

    def ask_each(
        self, asked: Sequence[tuple[Node, Question, Mapping[str, Any]]]
    ) -> list[Any]:
        """See `LiveSource.ask_each`; one round trip per node."""
        by_node: dict[str, list[int]] = defaultdict(list)
        for at, (node, _, _) in enumerate(asked):
            by_node[node.uuid].append(at)
        settings = codec.encode(self._settings())
        results = self._nodes.fan_out({
            uuid: (Peer.of(asked[places[0]][0]),
                   _survey([asked[at][1:] for at in places], settings))
            for uuid, places in by_node.items()}, owner=self._owner)
        found: dict[int, Any] = {}
        for uuid, places in by_node.items():
            answers = _decode_all([asked[at][1] for at in places], results[uuid])
            found.update(zip(places, answers, strict=True))
        return [found[at] for at in range(len(asked))]

    def exports(self, nodes: Sequence[Node]) -> Mapping[str, Sequence[str] | GanetiError]:
        """See `LiveSource.exports`."""
        call = service_call("export.list")
        found = self._nodes.fan_out(
            {node.uuid: (Peer.of(node), call) for node in nodes}, owner=self._owner)
        return {uuid: answer if isinstance(answer, GanetiError) else answer["exports"]
                for uuid, answer in found.items()}


def _survey(asked: Sequence[tuple[Question, Mapping[str, Any]]], settings: Any) -> Call:
    hooks = [{"kind": question.kind, "driver": question.driver, "hook": question.hook,
              "arguments": codec.encode(arguments)} for question, arguments in asked]
    return service_call("node.survey", {"hooks": hooks, "settings": settings},
                        timeout=ANSWER_SECONDS)


def _survey_answers(questions: Sequence[Question], result: Any) -> Answers:
    return dict(zip(questions, _decode_all(questions, result), strict=True))


def _decode_all(questions: Sequence[Question], result: Any) -> list[Any]:
    """Decode a survey's envelopes; what failed is its own answer."""
    if isinstance(result, GanetiError):
        return [result] * len(questions)
    if not isinstance(result, list) or len(result) != len(questions):
        return [RpcError("the node answered another survey than it was asked")] * len(questions)
    return [_decoded(question, envelope)
            for question, envelope in zip(questions, result, strict=True)]


def _decoded(question: Question, envelope: Any) -> Any:
    try:
        return hook_answer(
            KINDS[question.kind], question.driver, question.hook, wire.unwrap(envelope))
    except GanetiError as exc:
        return exc


def _collected(share: _Share, questions: frozenset[Question]) -> NodeLive | GanetiError:
    answers = dict(share.at_hand)
    for promise in {*share.joined, *([share.promise] if share.own else [])}:
        answers.update(promise.result(JOIN_SECONDS))
    return _put_together({question: answers[question] for question in questions})


def _put_together(answers: Answers) -> NodeLive | GanetiError:
    failures = [answer for answer in answers.values() if isinstance(answer, GanetiError)]
    if failures and len(failures) == len(answers) and isinstance(failures[0], RpcError):
        return failures[0]
    return NodeLive(answers)
