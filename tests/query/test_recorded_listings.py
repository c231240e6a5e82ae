"""Every field of every resource answers what Ganeti answered for the same cluster."""

from __future__ import annotations

import pytest
from recorded_cluster import FakeJobs, answer, columns, exchange

from ganeti_core.config.snapshot import Snapshot
from ganeti_core.errors import GanetiError
from ganeti_core.query.engine import QueryEngine

FIELDS = {"instance": "016", "node": "017", "group": "018", "network": "019", "export": "021",
          "job": "022", "lock": "024", "filter": "026"}
ROWS = {"instance": "029", "node": "030", "group": "031", "network": "032", "export": "033",
        "lock": "035", "filter": "036"}


@pytest.mark.parametrize("what", FIELDS)
def test_fields_have_the_recorded_names_titles_kinds_and_descriptions(
    engine: QueryEngine, what: str
) -> None:
    ours = engine.fields(what)["fields"]
    theirs = answer(FIELDS[what])["fields"]
    own = [field for field in ours if field["name"] in ("hv/own_number", "hv/own_text")]
    assert [field for field in ours if field not in own] == theirs


def test_some_fields_come_in_the_order_asked_for_and_unknown_ones_say_so(
    engine: QueryEngine,
) -> None:
    assert engine.fields("node", ["name", "mfree", "nosuch"]) == answer("028")


def _unordered(name: str, cells: list) -> list:
    """Ganeti lists a group's nodes in no order that means anything."""
    return [[status, sorted(value)] for status, value in cells] if name == "node_list" else cells


@pytest.mark.parametrize("what", ROWS)
def test_rows_have_the_recorded_values(
    engine: QueryEngine, snapshot: Snapshot, what: str
) -> None:
    theirs = columns(ROWS[what])
    answered = engine.query(snapshot, what, list(theirs))
    ours = {name: [row[at] for row in answered["data"]] for at, name in enumerate(theirs)}
    for name, cells in theirs.items():
        assert _unordered(name, ours[name]) == _unordered(name, cells), name


FILTERS = [f"{number:03}" for number in (*range(37, 60), 60, 61, 62, 63) if number not in (42,)]


@pytest.mark.parametrize("number", ["042", *FILTERS])
def test_filters_select_or_fail_as_recorded(
    engine: QueryEngine, snapshot: Snapshot, number: str
) -> None:
    found = exchange(number)
    theirs = found["answer"]["result"]
    if found["answer"]["success"]:
        assert engine.query(snapshot, *found["args"]) == theirs
        return
    with pytest.raises(GanetiError) as caught:
        engine.query(snapshot, *found["args"])
    wire = caught.value.to_wire()
    if isinstance(theirs, str):  # the door adds what it could not read
        assert theirs.endswith(f", error: {wire}")
    else:
        assert wire == theirs


def test_jobs_are_listed_by_id_with_summaries_as_recorded(
    engine: QueryEngine, snapshot: Snapshot, jobs: FakeJobs
) -> None:
    theirs = columns("034")
    recorded = {row[0][1]: row for row in zip(*theirs.values(), strict=True)}
    rows = engine.query(snapshot, "job", list(theirs))["data"]
    ids = [row[0][1] for row in rows]
    assert ids == sorted(job["id"] for job in jobs.documents)
    common = [row for row in rows if row[0][1] in recorded]
    assert len(common) > 10
    assert [tuple(row) for row in common] == [recorded[row[0][1]] for row in common]


def test_a_job_is_shown_as_recorded(engine: QueryEngine, snapshot: Snapshot) -> None:
    assert engine.query(snapshot, *exchange("066")["args"]) == answer("066")
