"""Tables of listings: units, times, alignment, and values that would break a terminal."""

from __future__ import annotations

import pytest

from ganeti_core.cli.document import print_document, with_defaults
from ganeti_core.cli.table import Style, format_size, query_table


@pytest.mark.parametrize(("mebibytes", "unit", "text"), [
    (0, "h", "0M"), (1023, "h", "1023M"), (1024, "h", "1.0G"), (258019, "h", "252.0G"),
    (1048576, "h", "1.0T"), (1536, "m", "1536"), (1536, "g", "1.5"), (1536, "t", "0.0"),
])
def test_sizes(mebibytes: int, unit: str, text: str) -> None:
    assert format_size(mebibytes, unit) == text


def table(kind: str, *cells, style: Style | None = None) -> list[str]:
    fields = [{"name": "a", "title": "A", "kind": "text"},
              {"name": "b", "title": "Title", "kind": kind}]
    return query_table({"fields": fields, "data": [[[0, "x"], cell] for cell in cells]},
                       style or Style(), {})


def test_the_last_column_is_not_filled_up_unless_it_is_aligned_to_the_right() -> None:
    assert table("text", [0, "v"]) == ["A Title", "x v"]
    assert table("number", [0, 7], [2, None]) == ["A Title", "x     7", "x     ?"]


def test_what_is_missing_says_why() -> None:
    cells = [[1, None], [2, None], [3, None], [4, None]]
    assert [line.split()[1] for line in table("text", *cells)[1:]] == ["??", "?", "-", "*"]
    assert [line.split()[1] for line in table("text", *cells, style=Style(verbose=True))[1:]] == [
        "(unknown)", "(nodata)", "(unavail)", "(offline)"]


def test_sizes_between_separators_are_for_programs() -> None:
    assert table("unit", [0, 2048], style=Style(separator="|", headers=False)) == ["x|2048"]
    assert table("unit", [0, 2048], style=Style(separator="|", units="h")) == ["A|Title",
                                                                              "x|2.0G"]


def test_values_cannot_steer_the_terminal() -> None:
    assert table("text", [0, "a\x1b[2Jb\nc é"])[1] == r"x a\x1b[2Jb\nc é"


def test_an_empty_table_has_its_titles() -> None:
    assert table("text") == ["A Title"]
    assert table("text", style=Style(headers=False)) == []


def test_documents_nest(capsys) -> None:
    print_document([[("Name", "x"), ("Empty", {}), ("None", None),
                     ("List", ["a", ["b", "c"], [("k", "v"), ("l", "w")], {}]),
                     ("Text", "one\ntwo"), ("Map", {"z": 1, "a": {"q": True}})]])
    assert capsys.readouterr().out.splitlines() == [
        "- Name: x", "  Empty: ", "  None: None", "  List: ", "    - a", "    - - b", "      - c",
        "    - k: v", "      l: w", "    - ", "  Text: one", "    two", "  Map: ", "    a: ",
        "      q: True", "    z: 1"]


def test_inherited_parameters_are_marked() -> None:
    assert with_defaults({"a": 1, "n": {"x": 2}}, {"a": 1, "b": 3, "n": {"x": 2, "y": 4},
                                                   "e": {}}) == {
        "a": 1, "b": "default (3)", "n": {"x": 2, "y": "default (4)"}, "e": "default ({})"}
