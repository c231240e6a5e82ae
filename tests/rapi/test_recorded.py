"""What Ganeti answers to a request, this does, too: what needs no cluster to be found out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from asked import DATA, JOB, FakeMaster, application, ask_as, recorded

from ganeti_core.opcodes.registry import parse
from ganeti_core.rapi.table import resources

BETTER: dict[str, int] = {
    # Ganeti fails with status 500 where the client was wrong.
    "GET job wait missing body": 400,
}
MADE_BY_MASTER = frozenset({"instance_uuid", "instance_uuids", "node_uuid", "node_uuids", "reason",
                            "nodes_uuids", "use_locking", "instances"})
"""The last is compared by itself where it holds other opcodes."""
HONOURED: dict[str, dict[str, Any]] = {
    # Ganeti forgets both where a flag stands in the query.
    "node migrate dry": {"dry_run": True, "mode": "live"},
}
CLUSTER = {"diskparams": {"diskless": {}, "file": {}},
           "storage_types": ["file", "lvm-pv", "lvm-vg"]}


def submitting() -> list[dict[str, Any]]:
    return [case for case in recorded() if "ops" in case]


def refused() -> list[dict[str, Any]]:
    """What is refused, or found out, before the master is asked."""
    return [case for case in recorded() if case["status"] != 200 and case["status"] not in (
        500, 502, 503) and not case["name"].startswith("404 unknown")
        and case["name"] != "x GET instance by uuid?"] + [
        case for case in recorded() if case["name"] in BETTER]


@pytest.mark.parametrize("case", submitting(), ids=lambda case: case["name"])
def test_the_same_job_is_submitted(tmp_path: Path, case: dict[str, Any]) -> None:
    master = FakeMaster({"QueryClusterInfo": CLUSTER})

    answer = ask_as(application(tmp_path, master, strict=True), case)

    assert (answer.status, answer.body) == (200, b"%d\n" % JOB), answer.body
    (ops,) = master.jobs
    assert [op["OP_ID"] for op in ops] == [op["OP_ID"] for op in case["ops"]]
    for op, known in zip(ops, case["ops"], strict=True):
        whole = json.loads(json.dumps(parse(op).to_dict()))
        wanted = known | HONOURED.get(case["name"], {})
        different = {
            name: (value, wanted[name]) for name, value in whole.items()
            if value is not None and name in wanted and name not in MADE_BY_MASTER
            and value != wanted[name]}
        assert not different


@pytest.mark.parametrize("case", submitting(), ids=lambda case: case["name"])
def test_the_reason_trail_names_the_resource(tmp_path: Path, case: dict[str, Any]) -> None:
    master = FakeMaster({"QueryClusterInfo": CLUSTER})

    ask_as(application(tmp_path, master, strict=True), case)

    first = case["ops"][0]["reason"][0][0]
    if first.startswith("gnt:library"):
        assert master.jobs[0][0]["reason"][0][:2] == [first, ""]


@pytest.mark.parametrize("case", refused(), ids=lambda case: case["name"])
def test_the_same_is_refused(tmp_path: Path, case: dict[str, Any]) -> None:
    master = FakeMaster({"QueryClusterInfo": CLUSTER})

    answer = ask_as(application(tmp_path, master, strict=True), case)

    assert answer.status == BETTER.get(case["name"], case["status"])
    assert not master.jobs
    assert answer.headers["content-type"] == "application/json"
    assert answer.json["code"] == answer.status
    if case["name"] not in BETTER and case["method"] != "HEAD":
        assert answer.message.startswith(case["message"])
    if answer.status == 401:
        assert answer.headers["www-authenticate"] == 'Basic realm="Ganeti Remote API"'


def test_every_recorded_resource_is_there_with_its_methods() -> None:
    known = json.loads((DATA / "resources.json").read_text())
    ours = {resource.path: resource for resource in resources()}

    assert known.keys() <= ours.keys()
    for path, wanted in known.items():
        assert wanted["methods"].keys() <= ours[path].methods.keys(), path
        assert wanted["operation"] == ours[path].operation, path
        for name, opcode in wanted["methods"].items():
            run = ours[path].methods[name].run
            if hasattr(run, "opcode"):
                assert run.opcode == opcode
