"""Whatever a client of the socket sends, it is answered, and no bug of the master shows in it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from one_master import NO_OP, PATIENCE, OneMaster

from ganeti_core.luxi.client import connect
from ganeti_core.luxi.methods import METHOD_NAMES
from ganeti_core.opcodes.registry import OPCODES

RESOURCES = ("instance", "node", "group", "network", "job", "lock", "filter", "export", "os",
             "extstorage", "cluster")
WORDS = st.sampled_from([
    *RESOURCES, "name", "id", "status", "node1.example.com", "", "&", "|", "!", "=", "=~", "=*",
    "?", "<", "[]contains", "\x00", "\u2028", "*", "nosuch", "uuid", "1", "-1", "cluster"])
PLAIN = st.none() | st.booleans() | st.integers(-2**70, 2**70) | st.floats(
    allow_nan=False, allow_infinity=False) | WORDS | st.text(max_size=20)
VALUES = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
        WORDS | st.text(max_size=8), inner, max_size=4), max_leaves=12)
OPS = st.builds(
    lambda op_id, more: {"OP_ID": op_id, **more}, st.sampled_from(sorted(OPCODES)) | WORDS,
    st.dictionaries(st.sampled_from(sorted({*NO_OP, "depends", "priority", "dry_run"})), VALUES,
                    max_size=5))
WAITS = {"WaitForJobChange": 5, "WaitForEvents": 2}
"""Methods that wait, and their number of arguments, of which the last says how long."""
HARMFUL = {"NodeEnrolToken", "ReloadPlugins", "SetPluginEnabled"}
"""Tried elsewhere: with arguments that fit they do much work, or change what other tests need."""
METHODS = sorted(METHOD_NAMES - HARMFUL)


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """A request, of a method that exists, mostly."""
    method = draw(st.sampled_from(METHODS) | WORDS)
    if method.startswith("Submit"):
        args: Any = [draw(st.lists(OPS, max_size=2) | VALUES)]
    else:
        args = draw(st.lists(VALUES, max_size=5))
    if method in WAITS:
        args = [*(args + [None] * WAITS[method])[:WAITS[method] - 1], 0]
    return json.dumps({"method": method, "args": draw(st.just(args) | VALUES)}).encode()


def answered(master: OneMaster, message: bytes) -> list[dict[str, Any]]:
    """What the master answers to a message, or to several in it."""
    with connect(master.paths.master_socket, PATIENCE) as sock:
        sock.sendall(message + b"\x03")
        found = b""
        while found.count(b"\x03") <= message.count(b"\x03"):
            piece = sock.recv(1 << 18)
            assert piece, f"{message!r}: the connection was closed after {found!r}"
            found += piece
    return [json.loads(one) for one in found.split(b"\x03")[:-1]]


def check(answers: list[dict[str, Any]], message: bytes) -> None:
    for answer in answers:
        assert answer.keys() == {"success", "result"}, message
        if not answer["success"]:
            shown = json.dumps(answer["result"])
            assert "internal error" not in shown, (message, shown)
            assert "Traceback" not in shown, (message, shown)


FEW = settings(max_examples=150, deadline=None, suppress_health_check=[
    HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@FEW
@given(message=requests())
def test_requests_are_answered_with_a_result_or_an_error_of_theirs(
    master: OneMaster, message: bytes
) -> None:
    check(answered(master, message), message)


@FEW
@given(message=st.binary(max_size=200))
def test_bytes_are_answered_with_errors(master: OneMaster, message: bytes) -> None:
    check(answered(master, message), message)


def test_the_master_has_survived_it(
    master: OneMaster, caplog: pytest.LogCaptureFixture
) -> None:
    job = master.submit(NO_OP)
    assert master.wait(job) == "success"
    assert not [one for one in caplog.records if "LUXI request failed" in one.message]
