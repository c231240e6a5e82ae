"""Malformed input gives an error that tells, never a traceback."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from clusters import Shape, build, new_instance, request, text
from hypothesis import given, settings
from hypothesis import strategies as st

from ganeti_plugins.iallocator_hail.engine import answer
from ganeti_plugins.iallocator_hail.errors import LoadError, PlacementError
from ganeti_plugins.iallocator_hail.explain import explain
from ganeti_plugins.iallocator_hail.formats.haskell import fixed, read_float, read_int, show_float
from ganeti_plugins.iallocator_hail.formats.ialloc import parse_description
from ganeti_plugins.iallocator_hail.formats.json_reader import parse_json
from ganeti_plugins.iallocator_hail.formats.simulate import simulate
from ganeti_plugins.iallocator_hail.formats.text import parse_text
from ganeti_plugins.iallocator_hail.formats.text_dump import dump_text
from ganeti_plugins.iallocator_hail.formats.units import parse_unit
from ganeti_plugins.iallocator_hail.model.build import build as build_model

SMALL = Shape(nodes=4, instances=8, templates=("drbd", "plain", "ext"))
TEXT = text(SMALL, 1)
DOCUMENT = request(
    build(SMALL, 1), {"type": "allocate", **new_instance("new", "drbd", 1024, 10240)}
)


def problem_of(action: Callable[[], object]) -> str | None:
    """What is wrong in words, None if nothing is; any other exception is a failure."""
    try:
        action()
    except PlacementError as exc:
        return str(exc)
    return None


def test_text_format_survives_a_round_trip() -> None:
    assert dump_text(parse_text(TEXT)) == TEXT


@given(st.text(alphabet="|,;\n-YNM?0123456789.eainode_group ", max_size=300))
def test_any_text_is_a_cluster_or_a_load_error(noise: str) -> None:
    assert problem_of(lambda: build_model(parse_text(noise))) != ""


@settings(max_examples=150)
@given(st.data())
def test_damaged_text_is_a_cluster_or_a_load_error(data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(TEXT)))
    end = data.draw(st.integers(start, min(len(TEXT), start + 12)))
    noise = data.draw(st.text(alphabet="|,;\n-YNx?019.", max_size=6))
    assert problem_of(lambda: build_model(parse_text(TEXT[:start] + noise + TEXT[end:]))) != ""


def _paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    if isinstance(value, dict):
        for key, item in value.items():
            found += _paths(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            found += _paths(item, (*path, index))
    return found


PATHS = _paths(DOCUMENT)
JUNK = st.sampled_from([None, True, -1, 0, 10**30, 1.5, "", "x", [], {}, [None], {"x": 1}])


@settings(max_examples=200)
@given(st.sampled_from(PATHS), JUNK, st.booleans())
def test_damaged_request_has_an_answer_or_a_load_error(
    path: tuple[Any, ...], junk: Any, remove: bool
) -> None:
    document = copy.deepcopy(DOCUMENT)
    parent: Any = document
    for key in path[:-1]:
        parent = parent[key]
    if remove:
        del parent[path[-1]]
    else:
        parent[path[-1]] = junk
    assert problem_of(lambda: answer(document)["success"]) != ""


@given(st.text(max_size=60))
def test_any_json_text_is_parsed_or_a_load_error(noise: str) -> None:
    assert problem_of(lambda: parse_json(noise)) != ""


@given(st.text(alphabet="pau,0123456789gGtT.xTrueFalse", max_size=40))
def test_any_simulation_is_a_cluster_or_a_load_error(noise: str) -> None:
    if any(part.isdigit() and len(part) > 4 for part in noise.split(",")[1:2]):
        return
    assert problem_of(lambda: build_model(simulate([noise]))) != ""


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_shown_numbers_read_back(value: float) -> None:
    assert read_float("x", show_float(value)) == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("12x", "n: leftover characters when parsing '12x': 'x'"),
        ("abc", "n: cannot parse string 'abc'"),
        ("1.5", "n: cannot parse string '1.5'"),
        ("", "n: cannot parse string ''"),
        ("7 ", "n: leftover characters when parsing '7 ': ' '"),
        ("(7", "n: cannot parse string '(7'"),
        ("+7", "n: cannot parse string '+7'"),
    ],
)
def test_bad_numbers_are_told_in_the_peers_words(text: str, message: str) -> None:
    with pytest.raises(LoadError) as caught:
        read_int("n", text)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("text", "value"), [(" 7", 7), ("( 7 )", 7), ("- 7", -7), ("0x1F", 31), ("0o17", 15)]
)
def test_numbers_may_have_the_peers_forms(text: str, value: int) -> None:
    assert read_int("n", text) == value
    assert read_float("n", text) == value


@pytest.mark.parametrize(
    ("value", "digits", "shown"),
    [(0.125, 2, "0.12"), (0.375, 2, "0.38"), (0.6635, 3, "0.664"), (float("inf"), 2, "Infinity")],
)
def test_halves_round_to_even_by_shortest_decimals(value: float, digits: int, shown: str) -> None:
    assert fixed(value, digits) == shown


@pytest.mark.parametrize(
    ("text", "size"), [("5", 5), ("5g", 5120), ("1t", 1 << 20), ("1T", 953674), ("1GB", 953)]
)
def test_units(text: str, size: int) -> None:
    assert parse_unit("x", text) == size


UNUSUAL: tuple[tuple[str, object], ...] = (
    ("admin_state", "down"), ("admin_state", None), ("admin_state", "lost"),
    ("forthcoming", True), ("forthcoming", False), ("forthcoming", 0),
    ("nics", [{"network": "net"}, {"network": None}, {}]), ("nics", {}), ("nics", [{"network": 1}]),
    ("disks", [{"size": 5, "spindles": 2}, {"size": 6}]), ("disks", [{}]), ("disks", {}),
    ("disks", [{"size": True}]), ("disks", [{"size": 1, "spindles": "2"}]), ("disks", []),
    ("tags", ["a", "b"]), ("tags", "ab"), ("tags", [1]), ("vcpus", "2"), ("vcpus", None),
    ("nodes", []), ("nodes", ["nowhere"]), ("nodes", "node"),
    ("spindle_use", 3), ("spindle_use", {}),
    ("disk_template", "none"), ("disk_template", []), ("disk_template", "file"),
)


@pytest.mark.parametrize(("key", "value"), UNUSUAL)
def test_instances_read_at_once_are_as_read_with_care(key: str, value: object) -> None:
    found = []
    for memory in (1024, 1024.0):
        document = copy.deepcopy(DOCUMENT)
        # A number with a fraction is read with care, member by member.
        next(iter(document["instances"].values())).update({"memory": memory, key: value})
        try:
            found.append(repr(parse_description(document).instances))
        except LoadError as exc:
            found.append(str(exc).replace("1024.0", "1024"))
    assert found[0] == found[1]



def test_explanation_tells_of_every_pair() -> None:
    told = explain(json.loads(json.dumps(DOCUMENT)))
    places = told["instances"][0]["groups"][0]["places"]
    assert len(places) == 4 * 3
    assert all(("score" in place) != ("failure" in place) for place in places)
