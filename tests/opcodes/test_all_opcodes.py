"""Every opcode: its schema says what its parser does, and its dict form comes back as it was."""

from __future__ import annotations

import json
import math

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ganeti_core.errors import RequestError
from ganeti_core.opcodes.base import OpCode, parameters, schema
from ganeti_core.opcodes.registry import OPCODES, REDACTED, parse, redacted

everyone = pytest.mark.parametrize("cls", OPCODES.values(), ids=OPCODES)
scalars = st.none() | st.booleans() | st.integers(-30, 30) | st.floats() | st.text(max_size=3)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.text(max_size=3), inner, max_size=3), max_leaves=5)


def least(cls: type[OpCode]) -> dict[str, object]:
    """The shortest dict that is accepted."""
    guesses = ("x", 1, True, [], {}, "auto", "default", -10)
    data: dict[str, object] = {"OP_ID": cls.op_id}
    for name, parameter in parameters(cls).items():
        if parameter.required:
            enum = schema(cls)["properties"][name].get("enum", [])
            data[name] = next(v for v in (*guesses, *enum) if parameter.check(v) is None)
    return data


@everyone
def test_the_shortest_form_is_accepted_and_comes_back(cls):
    op = parse(least(cls))
    assert isinstance(op, cls)
    again = parse(json.loads(json.dumps(op.to_dict())))
    assert again == op
    jsonschema.Draft202012Validator.check_schema(schema(cls))
    jsonschema.validate(op.to_dict(), schema(cls))
    assert op.summary().startswith(cls.op_id.removeprefix("OP_"))


@everyone
def test_what_is_missing_or_unknown_is_refused(cls):
    with pytest.raises(RequestError, match="'surprise'"):
        parse(least(cls) | {"surprise": 1})
    for name in least(cls).keys() - {"OP_ID"}:
        with pytest.raises(RequestError, match=f"key '{name}' not found"):
            parse({key: value for key, value in least(cls).items() if key != name})


@everyone
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_the_schema_says_what_the_parser_does(cls, data):
    name = data.draw(st.sampled_from(sorted(parameters(cls))))
    value = data.draw(values)
    accepted = parameters(cls)[name].check(value) is None
    if has_whole_float(value):
        return  # JSON Schema takes 1.0 for an integer
    rule = schema(cls)["properties"][name]
    valid = jsonschema.Draft202012Validator(rule).is_valid(value)
    assert accepted == valid, (name, value, rule)


def has_whole_float(value: object) -> bool:
    if isinstance(value, list):
        return any(map(has_whole_float, value))
    if isinstance(value, dict):
        return any(map(has_whole_float, value.values()))
    return isinstance(value, float) and (value.is_integer() or not math.isfinite(value))


@pytest.mark.parametrize("duration", [math.nan, math.inf, -math.inf])
def test_numbers_that_are_none_are_refused(duration):
    """JSON has no such numbers: a job with one could not be listed."""
    with pytest.raises(RequestError, match="'duration'"):
        parse({"OP_ID": "OP_TEST_DELAY", "duration": duration})


@pytest.mark.parametrize("data", [None, [], "OP_TEST_DELAY", {}, {"OP_ID": 3}, {"OP_ID": ["x"]},
                                  {"OP_ID": "OP_NO_SUCH"}])
def test_what_is_no_opcode_is_refused(data):
    with pytest.raises(RequestError):
        parse(data)


@pytest.mark.parametrize(
    "cls", [cls for cls in OPCODES.values() if cls.secret_fields], ids=lambda cls: cls.op_id)
def test_secrets_keep_their_names_only(cls):
    secret = {name: {"root": "hunter2"} for name in cls.secret_fields}
    op = parse(least(cls) | secret)
    shown = json.dumps(redacted(op, op.to_dict()))
    assert "hunter2" not in shown
    assert REDACTED in shown
    assert "root" in shown
