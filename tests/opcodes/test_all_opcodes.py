"""Every opcode: its schema says what its parser does, and its dict form comes back as it was."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ganeti_core.errors import RequestError
from ganeti_core.opcodes.base import OpCode, parameters, schema
from ganeti_core.opcodes.registry import OPCODES, parse
from ganeti_core.opcodes.secrets import REDACTED, lost_secrets, redacted, secrets_in

everyone = pytest.mark.parametrize("cls", OPCODES.values(), ids=OPCODES)
scalars = st.none() | st.booleans() | st.integers(-30, 30) | st.floats() | st.text(max_size=3)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.text(max_size=3), inner, max_size=3), max_leaves=5)

GANETI: dict[str, dict[str, Any]] = json.loads(
    (Path(__file__).parents[1] / "data" / "opcodes" / "ganeti-3.0.json").read_text())
"""Every parameter of every opcode of Ganeti's library: required, or with the default it sends."""


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
def test_null_means_that_a_parameter_is_not_given(cls):
    plain = parse(least(cls))
    names = [name for name, parameter in parameters(cls).items() if not parameter.required]
    for name in names:
        assert parse(least(cls) | {name: None}) == plain, name
    assert parse(least(cls) | dict.fromkeys(names)) == plain


@pytest.mark.parametrize("op_id", sorted(GANETI))
def test_what_ganetis_library_sends_is_accepted(op_id):
    """Its objects carry every parameter; those that nobody set have its default, often null."""
    cls, theirs = OPCODES[op_id], GANETI[op_id]
    assert theirs.keys() <= parameters(cls).keys()
    required = {name for name, about in theirs.items() if "required" in about}
    assert required == {name for name, one in parameters(cls).items() if one.required}
    defaults = {name: about["default"] for name, about in theirs.items() if "default" in about}
    assert parse(least(cls) | defaults) == parse(least(cls))


@everyone
@settings(max_examples=15)
@given(data=st.data())
def test_the_schema_says_what_the_parser_does(cls, data):
    name = data.draw(st.sampled_from(sorted(parameters(cls))))
    value = data.draw(values)
    parameter = parameters(cls)[name]
    not_given = value is None and not parameter.required
    accepted = not_given or parameter.check(value) is None
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


def with_secrets(cls: type[OpCode], secret: str) -> dict[str, Any]:
    """The shortest dict of an opcode, with every secret parameter, also of opcodes it carries."""
    return (least(cls) | {name: {"root": secret} for name in cls.secret_fields}
            | {name: [with_secrets(OPCODES[inner], secret)] for name, inner in cls.carries})


SECRETIVE = [cls for cls in OPCODES.values() if cls.secret_fields or cls.carries]


@pytest.mark.parametrize("cls", SECRETIVE, ids=lambda cls: cls.op_id)
def test_secrets_keep_their_names_only(cls):
    op = parse(with_secrets(cls, "hunter2"))
    hidden = redacted(op, op.to_dict())
    shown = json.dumps(hidden)
    assert "hunter2" not in shown
    assert REDACTED in shown
    assert "root" in shown
    assert "hunter2" in json.dumps(op.to_dict()), "the opcode itself keeps them"
    assert lost_secrets(op) == []
    assert lost_secrets(parse(hidden)) == list(secrets_in(op)) != []


def anywhere(cls: type[OpCode], value: object) -> list[str]:
    """Own parameters of an opcode that take `value`."""
    own = parameters(cls).keys() - parameters(OpCode).keys()
    return [name for name in sorted(own) if parameters(cls)[name].check(value) is None]


@everyone
def test_secrets_of_opcodes_in_any_parameter_are_hidden(cls):
    inner = with_secrets(OPCODES["OP_INSTANCE_MULTI_ALLOC"], "hunter2")
    for value in (inner, [[inner]], {"deep": [{"down": inner}]}):
        for name in anywhere(cls, value):
            op = parse(least(cls) | {name: value})
            assert "hunter2" not in json.dumps(redacted(op, op.to_dict())), name
            assert len(lost_secrets(parse(redacted(op, op.to_dict())))) == 1


def test_what_a_carried_opcode_calls_itself_does_not_reveal_its_secrets():
    carried = {"OP_ID": "OP_INSTANCE_CREAT", "osparams_secret": {"root": "hunter2"}}
    op = parse({"OP_ID": "OP_INSTANCE_MULTI_ALLOC", "instances": [carried, "x", None]})
    assert "hunter2" not in json.dumps(redacted(op, op.to_dict()))


def test_an_opcode_without_secrets_is_written_as_it_is():
    op = parse({"OP_ID": "OP_INSTANCE_MULTI_ALLOC", "instances": [{"instance_name": "x"}]})
    assert redacted(op, op.to_dict()) == op.to_dict()
    assert secrets_in(op) == {}
