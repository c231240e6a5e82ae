"""Tags decide which repairs are made."""

from __future__ import annotations

import pytest

from ganeti_plugins.iallocator_hail.search.repair import (
    PREFIX,
    Record,
    current,
    diagnose,
    pending_tag,
    read_policy,
    read_records,
    result_tag,
)


def test_the_nearest_level_decides() -> None:
    allowed = read_policy([[], [PREFIX + "failover"], [PREFIX + "reinstall"]])
    assert allowed.permits("failover", 0)
    assert not allowed.permits("reinstall", 0)


def test_of_several_types_the_mildest_counts() -> None:
    allowed = read_policy([[PREFIX + "reinstall", PREFIX + "fix-storage"]])
    assert allowed.strongest == "fix-storage"


def test_suspension_wins_over_enabling() -> None:
    tags = [PREFIX + "reinstall", PREFIX + "suspend"]
    assert not read_policy([tags]).permits("fix-storage", 10.0**12)


def test_tags_are_read_back() -> None:
    tag = pending_tag("failover", "u", 17, [3, 4])
    (record,) = read_records([tag, PREFIX + "pending:bad", "other"])
    assert record == Record("failover", "u", 17, (3, 4), "", tag)
    (done,) = read_records([result_tag(record, "success")])
    assert done.result == "success"


def test_failure_sticks_and_pending_comes_before_success() -> None:
    def made(uuid: str, time: int, result: str) -> Record:
        return Record("failover", uuid, time, (), result, "")

    success, pending, failure = made("a", 1, "success"), made("b", 2, ""), made("c", 3, "failure")
    assert current([]) is None
    assert current([success, pending]) == pending
    assert current([success, pending, failure]) == failure


@pytest.mark.parametrize(
    ("template", "offline", "wanted"),
    [
        ("drbd", (True, True), "reinstall"),
        ("drbd", (True, False), "failover"),
        ("drbd", (False, True), "fix-storage"),
        ("drbd", (False, False), None),
        ("plain", (True, False), "reinstall"),
        ("ext", (True, False), None),
    ],
)
def test_diagnosis(template: str, offline: tuple[bool, bool], wanted: str | None) -> None:
    assert diagnose(template, *offline) == wanted
