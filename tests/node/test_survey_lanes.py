"""How many plugins a survey asks at one time."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from ganeti_core.node.services import survey

PATIENCE = 60.0


def test_one_that_is_slow_delays_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(survey, "is_crowded", lambda: False)
    monkeypatch.setattr(survey, "PROMPT_SECONDS", 0.01)
    asked: list[int] = []
    later = threading.Event()

    def walk(lane: survey.Lane) -> None:
        asked.extend(lane)
        if lane == [0]:
            assert later.wait(PATIENCE)
        else:
            later.set()

    survey.walk_all([[0], [1]], walk)
    assert asked == [0, 1]


def test_they_do_not_crowd_out_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of eight at a time each took eight times as long, and all were given up as hanging."""
    monkeypatch.setattr(survey, "is_crowded", lambda: True)
    monkeypatch.setattr(survey, "PROMPT_SECONDS", 0.001)
    monkeypatch.setattr(survey, "CROWDED_SECONDS", PATIENCE)
    guard = threading.Lock()
    pause = threading.Event()

    def walk(lane: survey.Lane) -> None:
        assert guard.acquire(blocking=False), "two are asked at one time"
        pause.wait(0.02)
        guard.release()

    survey.walk_all([[at] for at in range(5)], walk)


def test_one_that_hangs_on_a_crowded_host_delays_others_a_while_only(
    monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(survey, "is_crowded", lambda: True)
    monkeypatch.setattr(survey, "CROWDED_SECONDS", 0.2)
    later = threading.Event()

    def walk(lane: survey.Lane) -> None:
        if lane == [0]:
            assert later.wait(PATIENCE)
        else:
            later.set()

    survey.walk_all([[0], [1]], walk)
    assert later.is_set()


@pytest.mark.parametrize(("running", "crowded"), [(1, False), (10_000, True)])
def test_a_host_is_crowded_where_more_want_to_run_than_can(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, running: int, crowded: bool
) -> None:
    (tmp_path / "stat").write_text(f"cpu  1 2 3\nprocs_running {running}\nprocs_blocked 0\n")
    monkeypatch.setattr(survey, "STAT", tmp_path / "stat")
    assert survey.is_crowded() is crowded


def test_this_host_tells_how_many_run() -> None:
    assert "procs_running" in survey.STAT.read_text()
