"""Values and errors cross the wire unchanged, or are refused loudly."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ganeti_core import errors
from ganeti_core.errors import GanetiError, HypervisorError, OpPrereqError, OutcomeUnknown, RpcError
from ganeti_core.rpc import wire

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)


def over_the_wire(envelope):
    return json.loads(json.dumps(envelope))


@given(plain)
def test_plain_values_arrive_as_they_were_sent(value):
    assert wire.unwrap(over_the_wire(wire.success(value))) == value


@pytest.mark.parametrize("value", [
    b"bytes", {1, 2}, (1, 2), {1: "integer key"}, {("a", "b"): 1}, {None: 1}, float("nan"),
    float("inf"), object(), [{"deep": [b"bytes"]}],
])
def test_what_json_would_drop_or_change_is_refused(value):
    with pytest.raises(TypeError, match=r"must be a string|cannot be sent|no form"):
        wire.success(value)


def all_errors(cls=GanetiError):
    yield cls
    for sub in cls.__subclasses__():
        if sub.__module__ == errors.__name__:
            yield from all_errors(sub)


@pytest.mark.parametrize("cls", list(all_errors()), ids=lambda cls: cls.__name__)
def test_every_error_comes_back_as_its_own_class(cls):
    error = cls.__new__(cls)
    Exception.__init__(error, "what happened", "wrong_input")

    with pytest.raises(cls) as caught:
        wire.unwrap(over_the_wire(wire.failure(error)))

    assert type(caught.value) is cls
    assert caught.value.args == ("what happened", "wrong_input")


def test_error_of_a_plugin_arrives_as_the_nearest_class_that_the_master_knows():
    envelope = over_the_wire(wire.failure(HypervisorError("no KVM here")))
    envelope["classes"] = ["ZfsTemplateError", *envelope["classes"]]

    with pytest.raises(HypervisorError, match="no KVM here"):
        wire.unwrap(envelope)


def test_error_of_an_unknown_family_is_still_an_error():
    with pytest.raises(GanetiError, match="from the future"):
        wire.unwrap({"error": ["NewError", ["from the future"]], "classes": ["NewError"]})


def test_error_code_survives():
    with pytest.raises(OpPrereqError) as caught:
        wire.unwrap(over_the_wire(wire.failure(OpPrereqError("no such disk", "unknown_entity"))))

    assert caught.value.ecode == "unknown_entity"


def test_only_calls_that_changed_nothing_are_called_retryable():
    assert wire.failure(RpcError("busy"))["retryable"]
    assert not wire.failure(OutcomeUnknown("lost"))["retryable"]
    assert not wire.failure(HypervisorError("broken"))["retryable"]


@pytest.mark.parametrize("nonsense", [None, 7, [], {}, {"error": "text"}, {"error": [1, 2]}])
def test_an_answer_that_is_no_envelope_is_an_error(nonsense):
    with pytest.raises(RpcError, match="cannot be understood"):
        wire.unwrap(nonsense)
