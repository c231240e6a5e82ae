"""What Ganeti answered to each request, asked of a running master in the same order."""

from __future__ import annotations

import json
import re
import socket
from pathlib import Path
from typing import Any

import pytest
from one_master import PATIENCE, OneMaster

from ganeti_core.luxi.client import connect

FILE = Path(__file__).parents[1] / "data/luxi/exchanges.json"
RECORDED: dict[str, list[str]] = json.loads(FILE.read_text())

NOT_SENT = {
    **dict.fromkeys(range(114, 127), "its job was still starting: 601 to 616 ask of one that runs"),
    **dict.fromkeys(range(617, 621), "its answer depends on who came to a socket in time"),
}
LEFT_TO_RUN = {129, 601, 604}
"""What is asked next is asked while their jobs wait or run."""
LONG = ('"duration": 15.0', '"duration": 600.0')
"""A job that is killed while it runs, however slow the machine is: as recorded, and as sent."""
A_STATE = re.compile(r"queued|waiting|running")
MOMENTS = {602, 603}
"""Which of the states before the end a job is in is a matter of the moment."""
_REFUSED = "Failed to parse request: "

OWN_ANSWERS: dict[int, tuple[Any, str]] = {
    82: ("JOB", "what an opcode that runs by itself may leave out, clients may leave out, too"),
    105: (f"{_REFUSED}SubmitJob: Unknown parameter 'nosuch' for OP_TEST_DELAY",
          "it names the opcode, and no list of all others"),
    106: (f"{_REFUSED}SubmitJob: Can't parse value for 'priority': Invalid value 77, expected one"
          " of -10, 0, 10", "it says what is allowed"),
    107: (_REFUSED + """Cannot convert value '[{"OP_ID": "OP_TEST_DELAY", "duration": 0.001, """
          """"on_master": true, "on_nodes": [], "reason": []}]', error: Unable to read list""",
          "a number is shown as it was sent"),
    138: (_REFUSED + """Cannot convert value '["job", ["id", "status", "archived"], ["&", ["=", """
          """"archived", true]]]', error: Cannot deserialise filter value, expecting string or """
          "integer, got true", "no line is broken in the middle"),
    141: ([0, 0], "of those that are old enough none was left out; Ganeti counts all"),
    168: (f'{_REFUSED}QueryTags: expected 2 arguments, got 1: ["cluster"]', "it says what to do"),
    174: (f"{_REFUSED}parsing top-level JSON message: Malformed JSON: Expecting property name "
          "enclosed in double quotes: line 1 column 2 (char 1)", "words of the JSON library"),
    175: (f"{_REFUSED}parsing top-level JSON message: Malformed JSON: Expecting value: line 1 "
          "column 1 (char 0)", "words of the JSON library"),
    609: ([True, "Priorities of pending opcodes for job ID have been changed to 5"],
          "no process is sent a signal"),
    610: ([True, "Priorities of pending opcodes for job ID have been changed to 19"],
          "no process is sent a signal"),
    624: ([["ID", "error", ["error", "error"], [
        ["OpPrereqError", ["Duration must be greater than zero", "wrong_input"]],
        ["OpExecError", ["Preceding opcode failed"]]]]], "an error of a request has its code"),
    614: ([True, "Job ID was killed; what it had begun is undone"], "no process is killed"),
}
"""By number: our answer where it differs from Ganeti's, and why."""


class Replay:
    """One connection; `numbers` are our jobs by Ganeti's, and so on for rules."""

    def __init__(self, master: OneMaster) -> None:
        self.master = master
        self.numbers: dict[str, str] = {}
        self.sock = connect(master.paths.master_socket, PATIENCE)

    def ask(self, text: str) -> str:
        self.sock.sendall(text.encode())
        return receive(self.sock, text.count("\x03"))

    def mapped(self, text: str) -> str:
        """What Ganeti's numbers and names of things are here."""
        for theirs, ours in self.numbers.items():
            text = re.sub(rf"(?<![\w.-]){theirs}(?![\w.-])", ours, text)
        return text

    def learn(self, theirs: Any, ours: Any) -> None:
        if isinstance(theirs, list) and isinstance(ours, list):
            for one, other in zip(theirs, ours, strict=True):
                self.learn(one, other)
        elif not isinstance(theirs, bool) and isinstance(theirs, int | str):
            self.numbers[str(theirs)] = str(ours)


def receive(sock: socket.socket, messages: int) -> str:
    found = b""
    while found.count(b"\x03") < messages:
        piece = sock.recv(65536)
        assert piece, f"the connection was closed after {found!r}"
        found += piece
    return found.decode()


def jobs_in(answer: Any) -> list[int]:
    return [answer] if isinstance(answer, int) else [number for _, number in answer]


def after(replay: Replay, number: int) -> None:
    """What Ganeti's recording had done, or had waited for, before it went on."""
    master = replay.master
    if number == 134:
        master.cancel_all()
    elif number == 161:
        for (uuid,) in master.client.query_filters(None, ["uuid"]):
            master.client.delete_filter(uuid)
    elif number == 605:
        master.wait(int(replay.numbers["499"]), "running")
    elif number == 614:
        for job in ("499", "500"):
            master.wait(int(replay.numbers[job]))


def note_made(replay: Replay, number: int, theirs: Any, ours: Any) -> None:
    """Learn the numbers of jobs and the names of rules that a request has made."""
    request, _ = RECORDED[next(name for name in RECORDED if int(name[:3]) == number)]
    if number == 82 or not re.search('"(Submit.*|ReplaceFilter)", ', request):
        return
    replay.learn(theirs, ours)
    if "Submit" in request and number not in LEFT_TO_RUN:
        for job in jobs_in(ours):
            replay.master.wait(job)


@pytest.fixture(scope="module")
def answers(module_master: OneMaster) -> dict[str, tuple[Any, Any]]:
    """By name: Ganeti's answer, with our numbers in it, and ours."""
    replay, found = Replay(module_master), {}
    for name, (request, answer) in RECORDED.items():
        number = int(name[:3])
        if number in NOT_SENT or number == 999:
            continue
        ours = json.loads(replay.ask(replay.mapped(request.replace(*LONG)) + "\x03")[:-1])
        if ours["success"]:
            note_made(replay, number, json.loads(answer)["result"], ours["result"])
        found[name] = json.loads(replay.mapped(answer)), ours
        after(replay, number)
    replay.sock.close()
    return found


def timeless(value: Any) -> Any:
    """Without what differs from run to run: times."""
    match value:
        case dict():
            return {key: timeless(one) for key, one in value.items()}
        case [int(seconds), int()] if seconds > 10**9:
            return "TIME"
        case list():
            return [timeless(one) for one in value]
        case int() if value > 10**15:
            return "TIME"
    return value


def names() -> list[str]:
    return [name for name in RECORDED if int(name[:3]) not in {
        *NOT_SENT, 132, 615, 616, 999}]


@pytest.mark.parametrize("name", names())
def test_a_request_is_answered_as_recorded(
    answers: dict[str, tuple[Any, Any]], name: str
) -> None:
    theirs, ours = answers[name]
    number = int(name[:3])
    if number in MOMENTS:
        theirs, ours = (json.loads(A_STATE.sub("STATE", json.dumps(one))) for one in (theirs, ours))
    if number not in OWN_ANSWERS:
        assert timeless(ours) == timeless(theirs)
        return
    expected, _why = OWN_ANSWERS[number]
    if expected == "JOB":
        assert ours["success"]
        return
    text = re.sub(r"(?<=job |Job )\d+", "ID", json.dumps(ours["result"]))
    shown = json.loads(re.sub(r"^\[\[\d+", '[["ID"', text))
    assert shown == expected
    assert ours["success"] == theirs["success"]
    assert isinstance(ours["result"], str) == isinstance(theirs["result"], str)


def test_own_answers_are_those_that_differ(answers: dict[str, tuple[Any, Any]]) -> None:
    same = [name for name in names() if int(name[:3]) in OWN_ANSWERS
            and timeless(answers[name][0]) == timeless(answers[name][1])]
    assert same == []


def test_a_queued_job_is_shown_with_all_that_was_recorded_of_it(
    answers: dict[str, tuple[Any, Any]]
) -> None:
    (theirs,), (ours,) = (one["result"] for one in answers["132-QueryJobs_priority_changed"])
    assert ours[:3] == theirs[:3]
    (their_op,), (our_op,) = theirs[3], ours[3]
    assert timeless({**our_op, **their_op}) == timeless(our_op)


def test_a_killed_job_is_a_canceled_one_and_what_depends_on_it_fails(
    answers: dict[str, tuple[Any, Any]]
) -> None:
    theirs, ours = (one["result"] for one in answers["615-x_QueryJobs_killed"])
    # Ganeti's job is found dead; ours has been told to end, and its undo has been made.
    assert [row[1] for row in theirs] == ["error", "error"]
    assert [row[1] for row in ours] == ["canceled", "error"]
    assert "finished with status 'canceled', not one of 'success'" in ours[1][3][0][1][0]


def test_requests_that_come_at_once_are_answered_in_order(module_master: OneMaster) -> None:
    request, answer = RECORDED["999-pipelined"]
    with connect(module_master.paths.master_socket, PATIENCE) as sock:
        sock.sendall(request.encode())
        assert receive(sock, 2) == answer



@pytest.mark.parametrize("more", [
    {}, {"version": 3000000}, {"version": 2000000}, {"version": "x"}, {"args": {"a": 1}},
    {"args": [1]}])
def test_versions_and_arguments_that_nobody_reads_change_nothing(
    module_master: OneMaster, more: dict[str, Any]
) -> None:
    """As 001 to 004, 169 and 170 of the recording have it."""
    request = {"method": "QueryClusterInfo", "args": [], **more}
    with connect(module_master.paths.master_socket, PATIENCE) as sock:
        sock.sendall(json.dumps(request).encode() + b"\x03")
        answer = json.loads(receive(sock, 1)[:-1])
    assert answer["success"]
    assert answer["result"]["name"] == "cluster.example.com"


def test_a_job_without_opcodes_ends_like_others(
    module_master: OneMaster, caplog: pytest.LogCaptureFixture
) -> None:
    job = module_master.submit()
    assert module_master.wait(job) == "success"
    assert not [line for line in caplog.records if line.exc_info]
