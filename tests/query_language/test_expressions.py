"""The list form: what is read, what is refused, and that writing it back loses nothing."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ganeti_core.errors import ParameterError, RequestError
from ganeti_core.query_language import (
    EVERYTHING,
    NO_VALUE,
    Access,
    All,
    AnyOf,
    Compare,
    Comparison,
    Contains,
    Expression,
    Match,
    Not,
    Truth,
    compile_filter,
    fields_of,
    is_light,
    parse_filter,
    render,
    requested_names,
    split,
)

fields = st.text(min_size=1, max_size=8)
values = st.one_of(st.text(max_size=8), st.integers())
leaves = st.one_of(
    st.builds(Truth, fields),
    st.builds(Compare, fields, st.sampled_from(["==", "<", "<=", ">", ">="]), values),
    st.builds(Match, fields, st.from_regex(r"[a-z]{0,4}(\[a-z\]|\.)?[*+?]?", fullmatch=True).filter(
        lambda text: not text.startswith(("*", "+", "?")))),
    st.builds(Contains, fields, values),
)
expressions: st.SearchStrategy[Expression] = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(All, st.lists(inner, max_size=3).map(tuple)),
        st.builds(AnyOf, st.lists(inner, max_size=3).map(tuple)),
        st.builds(Not, inner)),
    max_leaves=12)
json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5),
              st.sampled_from(["&", "|", "!", "?", "=", "=~", "=[]", "<", "(a+)+", "["])),
    lambda inner: st.one_of(st.lists(inner, max_size=4),
                            st.dictionaries(st.text(max_size=3), inner, max_size=2)),
    max_leaves=20)


@given(expressions)
def test_an_expression_written_and_read_again_is_the_same(expression: Expression) -> None:
    assert parse_filter(render(expression)) == expression


@given(json_values)
def test_whatever_a_client_sends_is_a_filter_or_refused_typed(data: Any) -> None:
    try:
        parse_filter(data)
    except RequestError as exc:
        assert str(exc)  # noqa: PT017  # both outcomes are right


@given(json_values, json_values)
def test_a_filter_meets_any_value_without_surprise(data: Any, value: Any) -> None:
    try:
        test = compile_filter(parse_filter(data), lambda _: Access(lambda row: row))
        assert test(value) in (True, False)
    except (RequestError, ParameterError):
        pass


@given(expressions, st.data())
def test_the_two_halves_of_a_filter_mean_the_same_as_the_whole(
    expression: Expression, data: st.DataObject
) -> None:
    names = sorted(set(fields_of(expression)))
    late = {name for name in names if data.draw(st.booleans())}
    row = {name: data.draw(st.one_of(values, st.just(NO_VALUE))) for name in names}

    def access(name: str) -> Access[Any]:
        return Access(lambda found: found[name])

    first, second = split(expression, late.__contains__)
    assert not late & set(fields_of(first))
    try:
        whole = compile_filter(expression, access)(row)
    except ParameterError:
        return
    try:
        halves = compile_filter(first, access)(row) and compile_filter(second, access)(row)
    except ParameterError:  # a half is asked of terms that the whole never came to
        return
    assert halves == whole


def test_nothing_selects_everything() -> None:
    assert parse_filter(None) == EVERYTHING
    assert compile_filter(parse_filter(["&"]), _no_field)("row")
    assert not compile_filter(parse_filter(["|"]), _no_field)("row")


def _no_field(name: str) -> Access[Any]:
    raise ParameterError(f"Can't find field named '{name}'")


@pytest.mark.parametrize(("data", "text"), [
    ([], "Cannot deserialise filter: expected array [string, args], got []"),
    ("abc", 'Cannot deserialise filter: expected array [string, args], got "abc"'),
    (["%%", "name", 1], "Unknown filter operand '%%'"),
    (["=*", "name", "inst*"], "Unknown filter operand '=*'"),
    (["=", "oper_state", True],
     "Cannot deserialise filter value, expecting string or integer, got true"),
    (["=", "a", 1.5], "Cannot deserialise numeric filter value, expecting integral but got a "
     "fractional value: 1.5"),
    (["=", "a"], 'Cannot deserialise field/value pair, expected [fieldname, value] but got ["a"]'),
    (["?"], "Cannot deserialise field, expected [fieldname] but got []"),
    (["!", ["?", "a"], 1], 'Cannot deserialise field, expected [filter] but got [["?", "a"], 1]'),
    (["=~", "name", "("], '(1,"missing )")'),
])
def test_refusals_are_worded_as_the_peer_words_them(data: Any, text: str) -> None:
    with pytest.raises(RequestError) as caught:
        parse_filter(data)
    assert str(caught.value) == text


def test_deep_and_huge_filters_are_refused() -> None:
    deep: list[Any] = ["?", "a"]
    for _ in range(200):
        deep = ["!", deep]
    with pytest.raises(RequestError, match="too large"):
        parse_filter(deep)
    with pytest.raises(RequestError, match="too large"):
        parse_filter(["|", *([["?", "a"]] * 60_000)])
    with pytest.raises(RequestError, match="too large"):
        parse_filter(["|", *(["=~", "a", f"x{number}"] for number in range(300))])


def test_a_filter_that_takes_time_is_known_before_it_is_read() -> None:
    few = [["=", "name", f"x{number}"] for number in range(50)]
    assert is_light(None)
    assert is_light(["&", ["|", *few], ["?", "a"]])
    assert not is_light(["|", *few * 10])
    assert not is_light(["&", ["!", ["=~", "name", "x"]]])
    assert is_light({"no": "filter"})
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    assert not is_light(deep)


def test_only_a_filter_that_just_names_objects_is_seen_as_one() -> None:
    one = ["=", "name", "a"]
    assert requested_names(parse_filter(one), "name") == ["a"]
    assert requested_names(parse_filter(["|", one, ["==", "name", "b"]]), "name") == ["a", "b"]
    for other in (["|"], ["&", one], ["!", one], ["|", one, ["=", "os", "x"]], ["!=", "name", "a"]):
        assert requested_names(parse_filter(other), "name") is None


@pytest.mark.parametrize(("data", "value", "passes"), [
    (["=", "f", "inst1"], "inst1.example.com", True),
    (["=", "f", "inst1.example"], "inst1.example.com", True),
    (["=", "f", "INST1.Example"], "inst1.example.com", True),
    (["=", "f", "inst"], "inst1.example.com", False),
    (["|", ["=", "f", "inst1"], ["=", "f", "x"]], "inst1.example.com", True),
    (["|", ["=", "f", "Inst1"], ["=", "f", "x"]], "inst1.example.com", True),
    (["|", ["=", "f", "inst1.exam"], ["=", "f", "x"]], "inst1.example.com", False),
    (["!=", "f", "inst1"], "inst1.example.com", False),
    (["<", "f", "inst1"], "inst1.example.com", False),
])
def test_host_names_are_found_by_their_first_labels(
    data: list[Any], value: str, passes: bool
) -> None:
    test = compile_filter(
        parse_filter(data), lambda _: Access(lambda row: row, Comparison.HOST_NAME))
    assert test(value) is passes


def test_time_stamps_compare_by_their_seconds() -> None:
    access = Access[Any](lambda row: row, Comparison.TIMESTAMP)
    assert compile_filter(parse_filter([">", "f", 99]), lambda _: access)([100, 5])
    assert not compile_filter(parse_filter([">", "f", 100]), lambda _: access)([100, 5])


def test_a_row_without_the_value_passes() -> None:
    """What Ganeti does: an instance that is down is listed by ``oper_ram > 100``."""
    access = Access[Any](lambda _: NO_VALUE)
    assert compile_filter(parse_filter([">", "oper_ram", 100]), lambda _: access)("row")
    assert not compile_filter(parse_filter(["!", [">", "f", 1]]), lambda _: access)("row")


@pytest.mark.parametrize(("data", "value", "text"), [
    (["=", "f", "2"], 1, "Invalid types in comparison, trying to compare 1 with "
     "'QuotedString \"2\"'"),
    (["=", "f", -2], "a", "Invalid types in comparison, trying to compare \"a\" with "
     "'NumericValue (-2)'"),
    (["?", "f"], 1, "Unexpected value '1' in boolean context"),
    (["=~", "f", "x"], 1, "Invalid field value used in regexp matching, expecting string but got "
     "'1'"),
    (["=", "f", 1], True, "Invalid types in comparison, trying to compare true with "
     "'NumericValue 1'"),
])
def test_values_of_another_type_are_refused(data: list[Any], value: Any, text: str) -> None:
    test = compile_filter(parse_filter(data), lambda _: Access(lambda row: row))
    with pytest.raises(ParameterError) as caught:
        test(value)
    assert str(caught.value) == text
