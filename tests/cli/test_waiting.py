"""Following jobs: log lines as they come, what a job waits for, how it ended."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from ganeti_core import errors
from ganeti_core.cli import waiting
from ganeti_core.luxi.client import ConnectionLost, LuxiTimeout, NoMasterError


class ScriptedMaster:
    """Answers each wait with the next step; a step None is a wait in which nothing happened."""

    def __init__(self, *steps) -> None:
        self.steps = list(steps)
        self.waits = []

    def explain_job(self, job_id):
        return ["It waits for job 4."]

    def wait_for_job_change(self, job_id, seen, *, wait):
        self.waits.append((seen.values, seen.serial, wait))
        if isinstance(step := self.steps.pop(0), Exception):
            raise step
        return seen.take(step)


def state(status: str, *, log=(), opstatus=None, opresult=(None,)):
    return [[status, opstatus or [status], list(opresult)], list(log)]


def entry(serial: int, text: str) -> list:
    return [serial, [1795220420 + serial, 5], "message", text]


def test_log_lines_are_printed_once_and_in_order(capsys) -> None:
    master = ScriptedMaster(
        state("running", log=[entry(1, "one"), entry(2, "two")]),
        None,
        state("success", log=[entry(3, "three")], opresult=[17]))
    assert waiting.follow(master, 5) == [17]
    assert capsys.readouterr().out == (
        "Sat Nov 21 00:20:21 2026 one\nSat Nov 21 00:20:22 2026 two\n"
        "Sat Nov 21 00:20:23 2026 three\n")
    assert [serial for _, serial, _ in master.waits] == [None, 2, 2]


def test_a_job_that_does_not_start_is_explained_once(capsys) -> None:
    master = ScriptedMaster(state("queued"), None, None, state("waiting"), None, None,
                            state("success"))
    waiting.follow(master, 5)
    assert capsys.readouterr().err == (
        "Job 5 is waiting in queue\n  It waits for job 4.\n"
        "Job 5 is trying to acquire all necessary locks\n  It waits for job 4.\n")


def test_an_answer_without_news_is_not_a_busy_loop(capsys) -> None:
    """Ganeti answers an unchanged state and an empty log where ours answers nothing."""
    unchanged = state("queued")
    master = ScriptedMaster(unchanged, unchanged, unchanged, state("success"))
    waiting.follow(master, 5)
    assert all(wait > 0 for _, _, wait in master.waits)
    assert capsys.readouterr().err.count("Job 5 is waiting in queue\n") == 1


def test_a_master_that_cannot_explain_is_no_failure(capsys) -> None:
    class Older(ScriptedMaster):
        def explain_job(self, job_id):
            raise errors.RequestError("unknown method")

    waiting.follow(Older(state("queued"), None, state("success")), 5)
    assert capsys.readouterr().err == "Job 5 is waiting in queue\n"


def test_a_master_that_is_started_again_is_waited_for(capsys, monkeypatch) -> None:
    monkeypatch.setattr(waiting, "PAUSE", 0.0)
    master = ScriptedMaster(
        state("running", log=[entry(1, "one")]), ConnectionLost("it ended"),
        NoMasterError("/socket"), state("success", log=[entry(2, "two")], opresult=[3]))
    assert waiting.follow(master, 5) == [3]
    said = capsys.readouterr()
    assert said.err == (
        "The connection to the master daemon is lost. Job 5 was accepted, and no job is lost; "
        "waiting for the master daemon ...\n")
    assert [line[25:] for line in said.out.splitlines()] == ["one", "two"]
    assert [serial for _, serial, _ in master.waits] == [None, 1, 1, 1]


def test_a_master_that_stays_away_is_given_up_with_the_jobs_number(capsys, monkeypatch) -> None:
    monkeypatch.setattr(waiting, "MASTER_BACK", 0.0)
    with pytest.raises(NoMasterError):
        waiting.follow(ScriptedMaster(*[NoMasterError("/socket")] * 3), 5)
    assert "See how job 5 ends with 'gnt-job watch 5'" in capsys.readouterr().err


@pytest.mark.parametrize(("last", "said"), [
    (NoMasterError("/socket"), "How job 5 for web ends is not known: "),
    (LuxiTimeout("WaitForJobChange"), "How job 5 for web ends is not known: "),
    (state("error", opresult=[["OpExecError", ["no"]]]), "Job 5 for web has failed: "),
])
def test_a_master_that_stays_away_is_no_failure_of_one_of_several_jobs(
    last, said, capsys, monkeypatch
) -> None:
    monkeypatch.setattr(waiting, "MASTER_BACK", 0.0)
    session = SimpleNamespace(client=ScriptedMaster(*[last] * 3), option=lambda _: None)
    jobs = waiting.JobSet(session)
    jobs.add_started([[True, 5]], "web")
    [outcome] = jobs.finish()
    assert not outcome.success
    assert said in capsys.readouterr().err


def test_a_failed_job_raises_its_own_error() -> None:
    failed = state("error", opresult=[["OpPrereqError", ["no", "wrong_state"]]])
    with pytest.raises(errors.OpPrereqError) as caught:
        waiting.follow(ScriptedMaster(failed), 5)
    assert caught.value.ecode == "wrong_state"


def test_a_failure_after_a_success_is_partial() -> None:
    failed = state("error", opstatus=["success", "error"],
                   opresult=[None, ["OpExecError", ["disk full"]]])
    with pytest.raises(errors.OpExecError, match=r"partial failure \(opcode 1\): disk full"):
        waiting.follow(ScriptedMaster(failed), 5)


@pytest.mark.parametrize(("final", "error"), [
    (state("canceled"), errors.JobCanceled),
    (state("error", opstatus=["error"], opresult=["strange"]), errors.OpExecError),
    (state("error", opstatus=[], opresult=[]), errors.OpExecError),
])
def test_other_ends(final, error) -> None:
    with pytest.raises(error):
        waiting.follow(ScriptedMaster(final), 5)


def test_quiet_waiting_prints_nothing(capsys) -> None:
    waiting.follow(ScriptedMaster(state("success", log=[entry(1, "one")])), 5, feedback=False)
    assert capsys.readouterr().out == ""
