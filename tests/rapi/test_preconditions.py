"""Writes for one version of an object: `serial_no`, and `If-Match` with a tag that was read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from asked import FakeMaster, application, ask, credentials

from ganeti_core.rapi.application import Application

SERIAL = 7
RESULTS = {"QueryRecords": [{"name": "x", "serial_no": SERIAL, "status": "running"}],
           "QueryClusterInfo": {"name": "c", "serial_no": SERIAL}}
ONE = "/2/instances/web1"
WRITES = [
    ("PUT", f"{ONE}/modify", {"hvparams": {}}), ("DELETE", ONE, None),
    ("PUT", f"{ONE}/tags?tag=a", None), ("PUT", f"{ONE}/migrate", None),
    ("POST", f"{ONE}/reinstall", {"os": "noop"}), ("POST", "/2/nodes/n1/modify", {}),
    ("PUT", "/2/nodes/n1/role", "drained"), ("PUT", "/2/groups/g1/modify", {}),
    ("PUT", "/2/networks/net1/modify", {}), ("PUT", "/2/modify", {"mac_prefix": "aa:00:01"}),
    ("DELETE", "/2/tags?tag=a", None)]
writes = pytest.mark.parametrize(("method", "path", "body"), WRITES)


@pytest.fixture
def master() -> FakeMaster:
    return FakeMaster(dict(RESULTS))


@pytest.fixture
def app(tmp_path: Path, master: FakeMaster) -> Application:
    return application(tmp_path, master)


def sent(app: Application, method: str, path: str, body: Any, **headers: str) -> Any:
    raw = b"" if body is None else json.dumps(body).encode()
    return ask(app, method, path, raw, {"content-type": "application/json"} | credentials("rw") | {
        name.replace("_", "-"): value for name, value in headers.items()})


def with_serial(path: str, serial: int) -> str:
    return f"{path}{'&' if '?' in path else '?'}serial_no={serial}"


@writes
def test_the_version_that_was_seen_goes_into_the_job(
    app: Application, master: FakeMaster, method: str, path: str, body: Any
) -> None:
    tag = ask(app, "GET", "/2/info").headers["etag"]

    assert sent(app, method, path, body, if_match=tag).status == 200
    assert sent(app, method, path, body, if_match="*").status == 200
    assert sent(app, method, path, body, if_match=f'"1-ab", {tag}').status == 200
    assert sent(app, method, with_serial(path, SERIAL), body).status == 200
    assert [job[0]["serial_no"] for job in master.jobs] == [SERIAL] * 4
    # Later opcodes follow what the first one has made.
    assert not any("serial_no" in op for job in master.jobs for op in job[1:])


@writes
def test_another_version_is_refused_with_both(
    app: Application, master: FakeMaster, method: str, path: str, body: Any
) -> None:
    late = sent(app, method, with_serial(path, SERIAL - 2), body)
    tagged = sent(app, method, path, body, if_match=f'"{SERIAL - 2}-ab"')

    assert (late.status, tagged.status) == (409, 412)
    assert all(str(number) in answer.message for answer in (late, tagged)
               for number in (SERIAL, SERIAL - 2))
    assert master.jobs == []


@pytest.mark.parametrize("tag", ['W/"7-ab"', '"ab"', "7", '""', '"7-ab', "7-ab"])
def test_a_tag_of_another_sort_is_of_no_version(
    app: Application, master: FakeMaster, tag: str
) -> None:
    assert sent(app, "DELETE", ONE, None, if_match=tag).status == 412
    assert master.jobs == []


def test_what_changes_no_single_object_has_no_version(app: Application) -> None:
    new = {"name": "g2"}

    assert sent(app, "POST", "/2/groups", new, if_match="*").status == 400
    assert sent(app, "POST", "/2/groups", new | {"serial_no": 1}).status == 400
    assert sent(app, "DELETE", "/2/jobs/5", None, if_match="*").status == 400
    assert sent(app, "PUT", f"{ONE}/modify", {"serial_no": SERIAL}, if_match="*").status == 400
    assert sent(app, "DELETE", f"{ONE}?serial_no=x", None).status == 400


def test_what_is_gone_is_of_no_version(app: Application, master: FakeMaster) -> None:
    master.results["QueryRecords"] = []

    assert sent(app, "DELETE", ONE, None, if_match="*").status == 412
    assert sent(app, "DELETE", f"{ONE}?serial_no=7", None).status == 404


def test_a_submission_that_is_repeated_is_not_late(app: Application, master: FakeMaster) -> None:
    master.results["QueryJobs"] = []
    first = sent(app, "DELETE", f"{ONE}?serial_no=7", None, idempotency_key="k")
    master.results["QueryRecords"] = [{"serial_no": SERIAL + 1}]  # the job has run

    again = sent(app, "DELETE", f"{ONE}?serial_no=7", None, idempotency_key="k")

    assert (again.status, again.body) == (200, first.body)


def test_a_tag_has_the_version_and_all_that_is_shown(
    app: Application, master: FakeMaster
) -> None:
    before = ask(app, "GET", ONE).headers["etag"]
    master.results["QueryRecords"] = [{**RESULTS["QueryRecords"][0], "status": "down"}]
    after = ask(app, "GET", ONE).headers["etag"]

    assert before != after
    assert before.partition("-")[0] == after.partition("-")[0] == f'"{SERIAL}'
