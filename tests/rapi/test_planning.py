"""What programs beside the daemon compute, capacity and balance, and where an instance would go."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from rapi_cluster import Rapi, with_users
from virtual_cluster import VirtualCluster, wait_until

from ganeti_core.rapi import client as grc
from ganeti_core.rapi.programs import chained, failure

NODES = ["node1.example.com", "node2.example.com"]


@pytest.fixture(scope="module")
def rapi(make_cluster: Callable[..., VirtualCluster]) -> Rapi:
    """Two nodes, and two instances on the first."""
    made = make_cluster("--nodes", "2", "--hypervisor", "fake", "--with", "rapi",
                        "--disk-templates", "diskless,sharedfile")
    for number in (1, 2):
        made.gnt("gnt-instance", "add", "-t", "sharedfile", "-s", "1M", "-o", "noop", "-B",
                 "memory=16M", "--no-nics", "--no-name-check", "--no-ip-check", "-n", "node1",
                 f"guest{number}.example.com")
    api = with_users(made)
    wait_until(lambda: api.ask("GET", "/2/balance").status == 200, "the users are known")
    return api


def test_where_an_instance_would_go_and_why(rapi: Rapi) -> None:
    job = rapi.job("POST", "/2/instances-placement", {
        "__version__": 1, "mode": "create", "name": "new.example.com", "os": "noop",
        "disk_template": "diskless", "disks": [], "nics": [{}], "iallocator": "hail",
        "name_check": False, "ip_check": False})

    assert job["status"] == "success", job["opresult"]
    said = " ".join(entry[3] for entry in job["oplog"][0])
    assert all(name in said for name in NODES)
    assert rapi.ask("GET", "/2/instances/new.example.com").status == 404


def test_how_many_more_fit(rapi: Rapi) -> None:
    found = rapi.get("/2/capacity?disk-template=diskless&standard-alloc=0,512,1")

    assert (found["CLUSTER_NODES"], found["INI_INST_CNT"], found["OK"]) == (2, 2, 1)
    assert found["SPEC_MEM"] == 512
    assert found["FIN_INST_CNT"] == 2 + found["ALLOC_INSTANCES"]
    shown = rapi.cluster.gnt("hspace", "-L", "--machine-readable").lines
    assert found.keys() == {line.partition("=")[0].removeprefix("HTS_") for line in shown}


def test_a_plan_is_shown_and_carried_out(rapi: Rapi) -> None:
    plan = rapi.get("/2/balance?group=default")

    assert [move["from"] for move in plan["moves"]] == [[NODES[0]]]
    assert plan["final_score"] < plan["initial_score"]
    key = {"Idempotency-Key": "tonight"}
    (numbers,) = rapi.ask("POST", "/2/balance?reason=evening", headers=key).json
    (job,) = [rapi.ended(number) for number in numbers]
    assert job["status"] == "success", job["opresult"]
    assert job["ops"][0]["reason"][0][:2] == ["gnt:user", "evening"]
    assert {pnode for (pnode,) in rapi.cluster.instances("pnode")} == set(NODES)
    assert rapi.get("/2/balance")["moves"] == []
    assert rapi.ask("POST", "/2/balance").json == []
    assert rapi.ask("POST", "/2/balance?reason=evening", headers=key).json == [numbers]
    assert rapi.ask("POST", "/2/balance?reason=late", headers=key).status == 409


def test_verification(rapi: Rapi) -> None:
    jobs = rapi.done("POST", "/2/verify", {"skip_checks": ["nplusone_mem"]})["jobs"]

    assert [rapi.ended(number)["status"] for _, number in jobs] == ["success", "success"]


@pytest.mark.parametrize(("path", "status", "said"), [
    ("/2/balance?group=nosuch", 400, "nosuch"), ("/2/balance?max-length=-1", 400, "max-length"),
    ("/2/capacity?standard-alloc=1", 400, "standard-alloc"),
    ("/2/capacity?disk-template=a%20b", 400, "disk-template")])
def test_what_is_wrong_is_refused(rapi: Rapi, path: str, status: int, said: str) -> None:
    answer = rapi.ask("GET", path)

    assert (answer.status, said in answer.message) == (status, True), answer.body


def test_who_only_reads_changes_nothing(rapi: Rapi) -> None:
    assert rapi.ask("GET", "/2/balance", user=None).status == 401
    assert rapi.ask("POST", "/2/balance", user="ro").status == 403


@pytest.mark.parametrize(("sizes", "depends"), [
    ([], []), ([1], [None]), ([2, 3, 1], [
        None, None, [-1, -2], [-2, -3], [-3, -4], [-1, -2, -3]])])
def test_a_set_of_jobs_waits_for_the_one_before(sizes: list[int], depends: list[Any]) -> None:
    job = [{"OP_ID": "OP_X"}, {"OP_ID": "OP_Y"}]

    jobs = chained([[job] * size for size in sizes], {"reason": []})

    assert [first.get("depends") for first, _ in jobs] == [
        backs and [[back, ["success"]] for back in backs] for backs in depends]
    assert all(second == {"OP_ID": "OP_Y", "reason": []} for _, second in jobs)


@pytest.mark.parametrize(("status", "said", "code", "message"), [
    (1, b"Warning: old\n\nError: Cannot find target group 'x'\n", 400, "Cannot find target"),
    (2, b"Command line error: unrecognized option\n", 400, "unrecognized option"),
    (1, b"Traceback (most recent call last):\n  File \"x.py\"\nOSError: 5\n", 500, "status 1"),
    (-9, b"", 500, "status -9")])
def test_who_is_to_blame_for_a_program_that_fails(
    status: int, said: bytes, code: int, message: str
) -> None:
    failed = failure("hspace", status, said)

    assert (failed.status, message in failed.document().decode()) == (code, True)
    assert b"x.py" not in failed.document()


def test_a_scope_has_no_part_in_the_whole_cluster(rapi: Rapi) -> None:
    made = rapi.cluster.gnt("gnt-rapi-token", "add", "--tag", "x", "night", "@admin")
    token = {"Authorization": f"Bearer {made.stdout.split()[-1]}"}

    def status(method: str, path: str, body: Any = None) -> int:
        return rapi.ask(method, path, body, None, token).status

    wait_until(lambda: status("GET", "/2/info") == 200, "the token is known")
    assert status("GET", "/2/capacity") == status("GET", "/2/balance") == 403
    assert status("POST", "/2/balance") == status("POST", "/2/verify", {}) == 403
    assert status("POST", "/2/instances-placement", {
        "__version__": 1, "mode": "create", "name": "new.example.com", "os": "noop",
        "disk_template": "diskless", "disks": [], "nics": [], "iallocator": "hail",
        "tags": ["x"]}) == 403


def test_our_client_asks_what_ganeti_has_not(rapi: Rapi) -> None:
    api = grc.GanetiRapiClient(rapi.address, username="rw", password="rwsecret")

    assert api.Request("GET", "/capacity", {"disk-template": "diskless"})["OK"] == 1
    assert api.Request("POST", "/verify", body={}) > 0
