"""The text form: precedence, quoting, every operator, and errors that point at the place."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ganeti_core.errors import OpPrereqError, RequestError
from ganeti_core.query_language import (
    FilterSyntaxError,
    glob_pattern,
    looks_like_filter,
    make_filter,
    make_simple_filter,
    parse_filter,
    parse_filter_text,
)

A, B, C = ["?", "a"], ["?", "b"], ["?", "c"]


@pytest.mark.parametrize(("text", "expected"), [
    ("a", A),
    ("  ( a )  ", A),
    ("not a", ["!", A]),
    ("not not a", ["!", ["!", A]]),
    ("a and b and c", ["&", A, B, C]),
    ("a or b and c", ["|", A, ["&", B, C]]),
    ("(a or b) and not c", ["&", ["|", A, B], ["!", C]]),
    ("be/vcpus == 3", ["==", "be/vcpus", 3]),
    ("be/vcpus = -3", ["==", "be/vcpus", -3]),
    ("pinst_cnt != 0", ["!=", "pinst_cnt", 0]),
    ("oper_ram>100", [">", "oper_ram", 100]),
    ("a <= 1 and b >= 2 and c < 3", ["&", ["<=", "a", 1], [">=", "b", 2], ["<", "c", 3]]),
    ('"web" in tags', ["=[]", "tags", "web"]),
    ("5 not in list", ["!", ["=[]", "list", 5]]),
    ("name =~ m/^web/i", ["=~", "name", "(?i)^web"]),
    ("name =~ /a\\/b/", ["=~", "name", "a/b"]),
    ("name !~ m#x|y#si", ["!", ["=~", "name", "(?is)x|y"]]),
    ("name =~ |x\\.y| and a", ["&", ["=~", "name", "x\\.y"], A]),
    (r"""name == "it's \"x\" \d" """, ["==", "name", r"""it's "x" \d"""]),
    (r"name == 'a\\b'", ["==", "name", r"a\b"]),
    ("notes", ["?", "notes"]),
    ("android and orders", ["&", ["?", "android"], ["?", "orders"]]),
])
def test_text_becomes_the_list_form(text: str, expected: list[Any]) -> None:
    assert parse_filter_text(text) == expected
    parse_filter(expected)


@pytest.mark.parametrize(("glob", "matches", "others"), [
    ("web*.example.com", ["web1.example.com", "web.example.com"],
     ["web.1.example.com", "db.example.com"]),
    ("*1*", ["inst1.example.com", "1"], ["inst2.example1.com"]),
    ("node?", ["node1", "node1.example.com"], ["node10", "node"]),
    ("a.b", ["a.b", "a.b.c"], ["axb"]),
    ("***x", ["aax"], ["y"]),
])
def test_globs_stay_within_a_label(glob: str, matches: list[str], others: list[str]) -> None:
    pattern = re.compile(glob_pattern(glob))
    assert all(pattern.search(name) for name in matches)
    assert not any(pattern.search(name) for name in others)
    assert parse_filter_text(f'name =* "{glob}"') == ["=~", "name", glob_pattern(glob)]
    assert parse_filter_text(f'name !* "{glob}"') == ["!", ["=~", "name", glob_pattern(glob)]]


@pytest.mark.parametrize(("text", "position", "problem"), [
    ("(", 1, "Expected a condition, found end of text"),
    ("a b", 2, "Expected end of text, found 'b'"),
    ("name ==", 7, "Expected a quoted string or a whole number, found end of text"),
    ("a and", 5, "Expected a condition, found end of text"),
    ("(a", 2, "Expected ')', found end of text"),
    ('name == "x', 8, "Unexpected character '\"'"),
    ("name =~ m/(/", 7, "Invalid regular expression"),
    ("name =~ /x/q", 11, "Unknown regular expression flags: 'q'"),
    ("name =~ 5", 8, "Expected a regular expression such as m/^web/, found '5'"),
    ("name =* 5", 8, "Expected a quoted string, found '5'"),
    ("5 in 5", 5, "Expected a field, found '5'"),
    ("5 == a", 2, "Expected 'in' or 'not in', found '=='"),
    ("a == 1 $", 7, "Unexpected character '$'"),
    ("", 0, "Expected a condition, found end of text"),
])
def test_errors_point_at_the_place(text: str, position: int, problem: str) -> None:
    with pytest.raises(FilterSyntaxError) as caught:
        parse_filter_text(text)
    assert caught.value.position == position
    assert problem in str(caught.value.args[0])
    assert caught.value.args[1].splitlines()[1] == " " * position + "^"


def test_nesting_and_length_are_limited() -> None:
    with pytest.raises(FilterSyntaxError, match="Nested too deeply"):
        parse_filter_text("(" * 5000 + "a" + ")" * 5000)
    with pytest.raises(FilterSyntaxError, match="longer than"):
        parse_filter_text("a or " * 50_000 + "a")
    nested = "not (" * 8 + "a" + ")" * 8
    parse_filter(parse_filter_text(nested))


@given(st.text(alphabet=st.sampled_from("ab \"'\\/()=!~<>*m#^|in01or notd&"), max_size=40))
def test_any_text_is_a_filter_or_a_typed_error(text: str) -> None:
    try:
        found = parse_filter_text(text)
    except FilterSyntaxError as exc:
        assert 0 <= exc.position <= len(text)  # noqa: PT017  # both outcomes are right
        return
    with contextlib.suppress(RequestError):  # patterns that only the master refuses
        parse_filter(found)


names = st.from_regex(r"[a-z][a-z0-9_/.]{0,6}", fullmatch=True).filter(
    lambda name: name not in ("and", "or", "not", "in", "m"))


def _written(data: list[Any]) -> str:
    operator, *operands = data
    if operator in ("&", "|"):
        word = " and " if operator == "&" else " or "
        return f"({word.join(map(_written, operands))})"
    if operator == "!":
        return f"not {_written(operands[0])}"
    if operator == "?":
        return str(operands[0])
    field, value = operands
    text = value if isinstance(value, int) else '"{}"'.format(
        value.replace("\\", "\\\\").replace('"', '\\"'))
    return f"{text} in {field}" if operator == "=[]" else f"{field} {operator} {text}"


leaves = st.one_of(
    st.builds(lambda name: ["?", name], names),
    st.builds(lambda op, name, value: [op, name, value],
              st.sampled_from(["==", "!=", "<", "<=", ">", ">=", "=[]"]), names,
              st.one_of(st.integers(-10**9, 10**9), st.text(max_size=6))))
filters = st.recursive(leaves, lambda inner: st.one_of(
    st.builds(lambda op, terms: [op, *terms], st.sampled_from("&|"),
              st.lists(inner, min_size=2, max_size=3)),
    st.builds(lambda term: ["!", term], inner)), max_leaves=8)


@given(filters)
def test_a_filter_written_as_text_is_read_back(data: list[Any]) -> None:
    assert parse_filter_text(_written(data)) == data


def test_arguments_of_commands_become_filters() -> None:
    assert make_filter([]) is None
    assert make_filter(["a", "b*"]) == [
        "|", ["==", "name", "a"], ["=~", "name", glob_pattern("b*")]]
    assert make_filter(["a == 1"]) == ["==", "a", 1]
    assert make_filter(["a"], force=True) == A
    assert make_filter(["3", "4"], name_field="id", numeric=True) == [
        "|", ["==", "id", 3], ["==", "id", 4]]
    with pytest.raises(OpPrereqError, match="Exactly one argument"):
        make_filter(["a", "b"], force=True)
    with pytest.raises(OpPrereqError, match="Invalid job ID passed"):
        make_filter(["x"], name_field="id", numeric=True)


def test_names_are_told_from_filters() -> None:
    assert make_simple_filter("name", []) is None
    assert make_simple_filter("name", ["a"]) == ["|", ["==", "name", "a"]]
    assert not looks_like_filter("inst1.example.com")
    assert not looks_like_filter("*.site")
    assert all(map(looks_like_filter, ("a b", "a=1", "(a)", "a<1", "a\\b")))


def test_commands_need_not_load_what_matches() -> None:
    code = """
import sys
from ganeti_core.query_language import make_filter, make_simple_filter
make_filter(["name =~ m/x/ and a"])
loaded = {name for name in sys.modules if name.startswith("ganeti_core.query_language.")}
assert loaded == {"ganeti_core.query_language." + name for name in ("names", "text", "patterns")}
"""
    subprocess.run([sys.executable, "-c", code], check=True)
