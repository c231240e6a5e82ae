"""Where the cluster wants them, jobs have files as Ganeti writes them; nothing waits for these."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from one_master import NO_OP, OneMaster, delay, one_master

from ganeti_core.model import Cluster
from ganeti_core.node.job_folder import note_file, remove_job_folder
from ganeti_core.opcodes.secrets import REDACTED

JOB = {"id", "ops", "start_timestamp", "end_timestamp", "received_timestamp", "livelock",
       "process_id"}
OPCODE = {"input", "status", "result", "log", "start_timestamp", "exec_timestamp",
          "end_timestamp", "priority"}


@pytest.fixture
def writing(master: OneMaster) -> Iterator[OneMaster]:
    master.configure(job_queue_files=True)
    yield master
    master.configure(job_queue_files=False, queue_drained=False)
    master.until(lambda: not folder(master).exists(), "the files are gone")


def folder(master: OneMaster) -> Path:
    return master.paths.data / "queue"


def content(file: Path) -> dict[str, Any] | None:
    try:
        return dict(json.loads(file.read_text()))
    except FileNotFoundError:
        return None


def states(master: OneMaster, job: int) -> list[str]:
    found = content(folder(master) / f"job-{job}")
    return [op["status"] for op in found["ops"]] if found else []


def test_by_default_there_are_none(master: OneMaster) -> None:
    assert not Cluster.__dataclass_fields__["job_queue_files"].default
    master.wait(master.submit(NO_OP))
    assert not folder(master).exists()
    assert not note_file(master.paths).exists()


def test_a_file_follows_its_job_from_its_acceptance_to_the_archive(writing: OneMaster) -> None:
    before = writing.submit(NO_OP)
    job = writing.submit(delay(), NO_OP)
    file = folder(writing) / f"job-{job}"
    writing.until(lambda: states(writing, job) == ["running", "queued"], "it is seen running")
    found = content(file)
    assert found is not None
    assert found.keys() == JOB
    assert found["ops"][0].keys() == OPCODE
    assert found["ops"][0]["input"]["OP_ID"] == "OP_TEST_DELAY"
    assert found["ops"][1]["start_timestamp"] is None
    assert found["end_timestamp"] is None
    assert file.stat().st_mode & 0o777 == 0o640
    writing.client.call("CancelJob", job, False)
    writing.until(lambda: states(writing, job) == ["canceled", "canceled"], "it is seen canceled")
    writing.until(lambda: states(writing, before) == ["success"], "the job before it, too")
    assert (folder(writing) / "serial").read_text() == f"{job}\n"
    writing.client.call("ArchiveJob", job)
    archived = folder(writing) / "archive" / str(job // 10000) / f"job-{job}"
    writing.until(archived.exists, "it is in the archive")
    writing.until(lambda: not file.exists(), "and only there")
    kept = content(archived)
    assert kept is not None
    assert kept["end_timestamp"] is not None
    writing.client.call("AutoArchiveJobs", -1, 10)
    writing.until(lambda: states(writing, before) == [], "all others are archived")


def test_a_drained_queue_has_its_mark(writing: OneMaster) -> None:
    mark = folder(writing) / "drain"
    writing.until((folder(writing) / "serial").exists, "there are files")
    assert not mark.exists()
    writing.client.set_drain_flag(True)
    writing.until(mark.exists, "the queue is marked")
    writing.client.set_drain_flag(False)
    writing.until(lambda: not mark.exists(), "it is not any more")


def test_files_hold_no_secrets(writing: OneMaster) -> None:
    job = writing.submit({
        "OP_ID": "OP_INSTANCE_CREATE", "instance_name": "x.example.com", "mode": "create",
        "disk_template": "diskless", "disks": [], "nics": [], "os_type": "noop",
        "osparams_secret": {"password": "hunter2"}, "name_check": False, "ip_check": False})
    writing.wait(job)
    writing.until(lambda: states(writing, job) == ["error"], "it is seen failing")
    text = (folder(writing) / f"job-{job}").read_text()
    assert "hunter2" not in text
    assert REDACTED in text


def test_a_master_that_starts_brings_them_up_to_date(tmp_path: Path) -> None:
    with one_master(tmp_path) as master:
        theirs = folder(master)
        theirs.mkdir()
        (theirs / "job-77").write_text("of Ganeti")
        done = master.submit(NO_OP)
        master.wait(done)
        master.configure(job_queue_files=True)
        master.until(lambda: states(master, done) == ["success"], "older jobs have files")
        assert (tmp_path / "var/lib/ganeti/queue.ganeti-1/job-77").read_text() == "of Ganeti"
        master.stop()
        (theirs / "job-999").write_text('{"ops": []}')
        (theirs / f"job-{done}").write_text('{"ops": []}')
        master.start()
        master.until(lambda: not (theirs / "job-999").exists(), "unknown ones are removed")
        master.until(lambda: states(master, done) == ["success"], "others are written again")
        remove_job_folder(master.paths)
        assert not theirs.exists()
        assert (tmp_path / "var/lib/ganeti/queue.ganeti-1").exists()


def test_they_come_back_when_the_folder_can_be_written_again(
    writing: OneMaster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ganeti_core.jobs.files.RETRY_SECONDS", 0.05)
    writing.until((folder(writing) / "serial").exists, "there are files")
    away = folder(writing).with_name("away")
    folder(writing).rename(away)
    folder(writing).write_text("in the way")
    job = writing.submit(NO_OP)
    assert writing.wait(job) == "success"
    folder(writing).unlink()
    away.rename(folder(writing))
    writing.until(lambda: states(writing, job) == ["success"], "what was missed is written")
