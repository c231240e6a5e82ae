"""The client: whom it asks, when it knows enough, which answer it takes. No sockets, no clock."""

from __future__ import annotations

import pytest
from confd_cluster import KEY

from ganeti_core.confd_client.client import ConfdClient, NoAnswer, Question, needed
from ganeti_core.confd_client.messages import (
    COLLECTORS,
    ERROR,
    NODE_OF_ADDRESS,
    NODES,
    OK,
    PING,
    Answer,
    Choice,
    Ignored,
    read_request,
    write_answer,
    write_request,
)
from ganeti_core.errors import GanetiError

NOW = 1795220350.0
SERVERS = ("127.1.1.1", "127.1.1.2", "127.1.1.3")


def asked(servers: tuple[str, ...] = SERVERS) -> Question:
    return Question.about(KEY, NODES, None, servers)


def tell(question: Question, server: str, value: object, serial: int, status: int = OK,
         rsalt: str = "") -> None:
    question.heard(server, write_answer(
        KEY, rsalt or question.request.rsalt, Answer.of(status, value, serial)))


def test_all_are_asked_at_once_and_those_that_have_not_answered_again() -> None:
    question = asked()
    first = question.due(10.0, NOW)
    assert [server for server, _ in first] == list(SERVERS)
    assert read_request(KEY, first[0][1], NOW).rsalt == question.request.rsalt
    assert question.due(10.4, NOW) == []
    tell(question, SERVERS[0], [], 1)
    assert [server for server, _ in question.due(10.5, NOW)] == list(SERVERS[1:])
    assert question.due(11.4, NOW) == []
    assert len(question.due(11.5, NOW)) == 2


@pytest.mark.parametrize(("servers", "enough"), [(1, 1), (2, 2), (3, 2), (4, 3), (5, 3), (6, 4)])
def test_how_many_answers_are_enough(servers: int, enough: int) -> None:
    question = asked(tuple(f"127.1.1.{number}" for number in range(servers)))
    for number in range(enough):
        assert not question.is_settled
        tell(question, f"127.1.1.{number}", [], 1)
    assert question.is_settled
    assert needed(servers) == enough


def test_the_newest_answer_counts() -> None:
    question = asked()
    tell(question, SERVERS[0], ["old"], 3)
    tell(question, SERVERS[1], ["new"], 4)
    assert question.best().answer == ["new"]


def test_one_that_has_no_configuration_outvotes_nobody() -> None:
    question = asked()
    tell(question, SERVERS[0], "Configuration not yet loaded", 0, ERROR)
    tell(question, SERVERS[1], ["known"], 4)
    assert question.best().answer == ["known"]
    tell(question, SERVERS[2], 0, 0, ERROR)
    assert question.best().status == ERROR


def test_strangers_other_answers_and_other_keys_are_passed_over() -> None:
    question = asked()
    tell(question, "127.9.9.9", ["stranger"], 9)
    tell(question, SERVERS[0], ["another question's"], 9, rsalt="other")
    question.heard(SERVERS[0], write_answer(b"wrong", question.request.rsalt, Answer.of(OK, 1)))
    question.heard(SERVERS[0], b"plj0 nonsense")
    with pytest.raises(NoAnswer, match=r"127\.1\.1\.1, 127\.1\.1\.2.*does ganeti-confd run"):
        question.best()


def test_a_request_is_read_as_it_was_written() -> None:
    query = Choice("br0", None, ("198.51.100.2",), (2, 0))
    question = Question.about(KEY, NODE_OF_ADDRESS, query, SERVERS)
    datagram = write_request(KEY, question.request, NOW)
    assert read_request(KEY, datagram, NOW + 299) == question.request
    for when in (NOW + 302, NOW - 302):
        with pytest.raises(Ignored, match="is not within 300 s"):
            read_request(KEY, datagram, when)


class _Told(ConfdClient):
    """A client whose servers say what a test wants."""

    def __init__(self, *answers: Answer) -> None:
        super().__init__(KEY, SERVERS[:1])
        self.answers = list(answers)

    def _run(self, question: Question) -> None:
        question.heard(SERVERS[0], write_answer(
            KEY, question.request.rsalt, self.answers.pop(0)))


def test_an_answer_never_goes_back_behind_one_that_was_heard() -> None:
    client = _Told(Answer.of(OK, "new", 7), Answer.of(OK, "old", 6), Answer.of(OK, "newer", 8))
    assert [client.value(NODES) for _ in range(3)] == ["new", "new", "newer"]


def test_errors_are_raised_with_what_was_answered() -> None:
    client = _Told(Answer.of(ERROR, "Node name x not found"), Answer.of(ERROR, 2))
    with pytest.raises(GanetiError, match="confd: Node name x not found"):
        client.value(PING)
    with pytest.raises(GanetiError, match="the question is wrong"):
        client.value(COLLECTORS)


def test_where_nobody_listens_nobody_is_waited_for() -> None:
    question = asked()
    question.due(10.0, NOW)
    for server in SERVERS[:2]:
        question.refused(server)
    assert not question.is_settled
    tell(question, SERVERS[2], ["known"], 4)
    assert question.is_settled
    assert question.best().answer == ["known"]
