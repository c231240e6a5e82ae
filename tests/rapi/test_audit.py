"""Who did what is written down, in lines that are only added."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest
from asked import JOB, Answer, FakeMaster, application, ask, credentials

from ganeti_core.rapi.audit import MOST_DENIALS, AuditLog, jobs_of


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def asked(folder: Path, method: str, path: str, user: str | None = "rw") -> Answer:
    app = application(folder, FakeMaster({"QueryTags": []}), audit=AuditLog(folder / "audit.log"))
    return ask(app, method, path, headers=credentials(user))


@pytest.mark.parametrize(("body", "jobs"), [
    (b"7\n", 7), (b"[[7, 8], [9]]\n", [[7, 8], [9]]), (b'[true, "Job 7 canceled"]', None),
    (b'{"fields": [], "data": []}', None), (b"null", None), (b"", None)])
def test_the_jobs_of_a_response_are_noted(body: bytes, jobs: object) -> None:
    assert jobs_of(body) == jobs


def test_a_change_is_noted_with_its_job(tmp_path: Path) -> None:
    asked(tmp_path, "PUT", "/2/instances/web1/startup?reason=because")

    (line,) = lines(tmp_path / "audit.log")
    assert line | {"time": 0} == {
        "time": 0, "user": "rw", "host": "127.0.0.1", "method": "PUT",
        "path": "/2/instances/web1/startup?reason=because", "operation": "instances_name_startup",
        "status": 200, "job": JOB, "reason": ""}
    assert stat.S_IMODE((tmp_path / "audit.log").stat().st_mode) == 0o600


def test_what_only_reads_is_not_noted(tmp_path: Path) -> None:
    asked(tmp_path, "GET", "/2/tags")

    assert not (tmp_path / "audit.log").exists()


def test_a_denial_is_noted_with_its_reason(tmp_path: Path) -> None:
    answer = asked(tmp_path, "PUT", "/2/instances/web1/startup", "ro")

    (line,) = lines(tmp_path / "audit.log")
    assert (line["user"], line["status"], line["job"]) == ("ro", 403, None)
    assert "instances.startup" in line["reason"]
    assert "instances.startup" not in answer.message


def test_wrong_passwords_are_noted_and_not_shown(tmp_path: Path) -> None:
    asked(tmp_path, "PUT", "/2/tags?tag=x", "Basic cnc6Z3Vlc3NlZA==")

    text = (tmp_path / "audit.log").read_text()
    assert json.loads(text)["status"] == 401
    assert "guessed" not in text
    assert "Z3Vlc3NlZA" not in text


def test_denials_do_not_fill_the_disk(tmp_path: Path) -> None:
    now = [60.0]
    audit = AuditLog(tmp_path / "audit.log", clock=lambda: now[0])

    for _ in range(MOST_DENIALS + 5):
        audit.record({"status": 401}, bounded=True)
    audit.record({"status": 200})
    now[0] += 60
    audit.record({"status": 401}, bounded=True)

    found = lines(tmp_path / "audit.log")
    assert len(found) == MOST_DENIALS + 2
    assert found[-1]["left_out_before"] == 5
    audit.close()


def test_a_file_that_was_rotated_is_made_again(tmp_path: Path) -> None:
    audit = AuditLog(tmp_path / "audit.log")
    audit.record({"status": 1})
    (tmp_path / "audit.log").rename(tmp_path / "audit.log.1")
    audit.record({"status": 2})
    audit.close()

    assert lines(tmp_path / "audit.log")[0]["status"] == 2


def test_a_log_that_cannot_be_written_stops_nobody(tmp_path: Path) -> None:
    AuditLog(tmp_path / "nosuch/audit.log").record({"status": 1})

    assert not (tmp_path / "nosuch").exists()
