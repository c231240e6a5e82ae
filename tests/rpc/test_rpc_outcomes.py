"""A changing call acts once per id, and its outcome can be asked for."""

from __future__ import annotations

import stat
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from ganeti_core.errors import HypervisorError
from ganeti_core.rpc.outcomes import KEPT, KEPT_SECONDS, LARGEST, Outcomes
from ganeti_core.rpc.wire import failure, success


@pytest.fixture
def outcomes(tmp_path):
    return Outcomes.in_folder(tmp_path / "calls")


def test_second_delivery_answers_the_first_outcome(outcomes):
    acts = []

    def act():
        acts.append(1)
        return success(len(acts))

    assert outcomes.run_once("id", 1.0, act) == outcomes.run_once("id", 1.0, act) == {"ok": 1}
    assert acts == [1]


def test_delivery_during_the_call_waits_for_its_outcome(outcomes):
    go = threading.Event()

    def act():
        go.wait(60)
        return success("done once")

    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(outcomes.run_once, "id", 10.0, act)
        while outcomes.tell("id")["state"] != "running":
            pass
        second = threads.submit(outcomes.run_once, "id", 10.0, lambda: success("twice!"))
        go.set()
        assert first.result() == second.result() == {"ok": "done once"}


def test_delivery_that_waits_too_long_learns_that_it_still_runs(outcomes):
    go = threading.Event()
    with ThreadPoolExecutor(1) as threads:
        threads.submit(outcomes.run_once, "id", 10.0, lambda: go.wait(60) and success(None))
        while outcomes.tell("id")["state"] != "running":
            pass
        answer = outcomes.run_once("id", 0.01, lambda: success("twice!"))
        go.set()

    assert "still running" in answer["error"][1][0]


def test_outcomes_are_told(outcomes):
    outcomes.run_once("good", 1.0, lambda: success(5))
    outcomes.run_once("bad", 1.0, lambda: failure(HypervisorError("no memory")))

    assert outcomes.tell("good") == {"state": "done", "result": 5}
    assert outcomes.tell("bad")["state"] == "failed"
    assert outcomes.tell("bad")["error"]["error"] == ["HypervisorError", ["no memory"]]
    assert outcomes.tell("never heard of") == {"state": "unknown"}


def test_outcomes_survive_a_restart(tmp_path, outcomes):
    outcomes.run_once("id", 1.0, lambda: success([1, 2]))

    again = Outcomes.in_folder(tmp_path / "calls")

    assert again.tell("id") == {"state": "done", "result": [1, 2]}
    assert again.run_once("id", 1.0, lambda: success("twice!")) == {"ok": [1, 2]}


def test_torn_line_costs_one_outcome_only(tmp_path, outcomes):
    outcomes.run_once("first", 1.0, lambda: success(1))
    outcomes.run_once("second", 1.0, lambda: success(2))
    outcomes.file.write_text(outcomes.file.read_text()[:-7])

    again = Outcomes.in_folder(tmp_path / "calls")

    assert again.tell("first")["state"] == "done"
    assert again.tell("second")["state"] == "unknown"


def test_file_and_memory_stay_bounded(outcomes):
    for number in range(3 * KEPT):
        outcomes.run_once(str(number), 1.0, lambda: success(None))

    assert outcomes.tell("0")["state"] == "unknown"
    assert outcomes.tell(str(3 * KEPT - 1))["state"] == "done"
    assert len(outcomes.file.read_text().splitlines()) <= 2 * KEPT


def test_outcomes_older_than_a_day_are_forgotten(tmp_path):
    now = [1000.0]
    outcomes = Outcomes.in_folder(tmp_path)
    outcomes.clock = lambda: now[0]
    outcomes.run_once("old", 1.0, lambda: success(None))
    now[0] += KEPT_SECONDS + 1
    outcomes.run_once("new", 1.0, lambda: success(None))

    assert outcomes.tell("old")["state"] == "unknown"
    assert outcomes.tell("new")["state"] == "done"


def test_large_result_is_kept_in_memory_only(tmp_path, outcomes):
    outcomes.run_once("large", 1.0, lambda: success("x" * LARGEST))

    assert outcomes.tell("large")["state"] == "done"
    assert Outcomes.in_folder(tmp_path / "calls").tell("large")["state"] == "unknown"


def test_file_is_private(outcomes):
    outcomes.run_once("id", 1.0, lambda: success(None))

    assert stat.S_IMODE(outcomes.file.stat().st_mode) == 0o600


def test_full_disk_does_not_turn_success_into_failure(outcomes):
    outcomes.file.parent.rename(outcomes.file.parent.with_name("gone"))

    assert outcomes.run_once("id", 1.0, lambda: success(1)) == {"ok": 1}
    assert outcomes.tell("id")["state"] == "done"
