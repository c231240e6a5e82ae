"""Requests made from the document, right and wrong ones, to a real daemon: none is its own failure,
shows how it works inside, or what others keep secret."""

from __future__ import annotations

import base64
import http.client
import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from urllib.parse import urlencode

import pytest
import schemathesis
from asked import PASSWORDS
from hypothesis import HealthCheck, given, seed, settings
from hypothesis.errors import Unsatisfiable
from rapi_cluster import Rapi, with_users
from schemathesis import Case, GenerationMode
from virtual_cluster import VirtualCluster, wait_until

from ganeti_core.rapi.openapi import encoded_document

SECRET = "marker-5d1f-of-a-secret"
SLOW = ("/2/events", "/2/jobs/{job}/wait")
"""They wait for something to happen, for as long as anybody likes."""
PROGRAMS = ("/2/balance", "/2/capacity", "/2/verify", "/2/os", "/2/redistribute-config")
"""What they begin takes processors."""
STATUSES = {200, 400, 401, 403, 404, 405, 409, 412, 413, 415, 426, 501, 502, 503}


def operations(left_out: tuple[str, ...]) -> list[Any]:
    document = json.loads(encoded_document())
    document["paths"] = {path: found for path, found in document["paths"].items()
                         if path not in left_out}
    return [found.ok() for found in schemathesis.openapi.from_dict(document).get_all_operations()]


@pytest.fixture(scope="module")
def rapi(make_cluster: Callable[..., VirtualCluster]) -> Rapi:
    """One node, and an instance with a secret."""
    api = with_users(make_cluster("--nodes", "1", "--hypervisor", "fake", "--disk-templates",
                                  "diskless", "--with", "rapi"))
    wait_until(lambda: api.ask("GET", "/2/query/node?fields=name").status == 200,
               "the users are known")
    api.done("POST", "/2/instances", {
        "__version__": 1, "mode": "create", "disk_template": "diskless", "disks": [], "nics": [],
        "os": "noop", "pnode": "node1.example.com", "name_check": False, "ip_check": False,
        "hypervisor": "fake", "no_install": True, "name": "inst1.example.com",
        "osparams_private": {"token": SECRET}, "osparams_secret": {"key": SECRET}})
    return api


def sent(link: http.client.HTTPConnection, case: Case) -> tuple[int, bytes]:
    """Send a request; what it would have a job do is only tried."""
    query = dict(case.query or {}) | ({"dry-run": 1} if case.method != "GET" else {})
    headers = {"Authorization": "Basic " + base64.b64encode(
        f"rw:{PASSWORDS['rw']}".encode()).decode(), "Content-Type": "application/json"}
    body = json.dumps(case.body).encode() if isinstance(
        case.body, dict | list | str | int | float | bool | None) else b""
    path = str(case.formatted_path).replace(" ", "%20")
    link.request(case.method, f"{path}?{urlencode(query, doseq=True)}", body, headers)
    response = link.getresponse()
    return response.status, response.read()


def check(rapi: Rapi, operation: Any, mode: GenerationMode, examples: int) -> None:
    with rapi.connection() as link:
        @seed(1)
        @settings(max_examples=examples, deadline=None, database=None,
                  suppress_health_check=list(HealthCheck))
        @given(operation.as_strategy(mode))
        def one(case: Case) -> None:
            status, body = sent(link, case)
            shown = operation.label, status, body[:500]
            assert status in STATUSES, shown
            assert b"Traceback" not in body, shown
            assert SECRET.encode() not in body, shown
            assert PASSWORDS["ro"].encode() not in body, shown
            json.loads(body)

        # Where a method takes nothing, nothing of it can be wrong.
        with suppress(*([Unsatisfiable] if mode is GenerationMode.NEGATIVE else [])):
            one()


def test_private_parameters_are_shown_to_nobody(rapi: Rapi) -> None:
    (number,) = [job["id"] for job in rapi.get("/2/jobs?bulk=1")
                 if job["summary"] == ["INSTANCE_CREATE(inst1.example.com)"]]
    shown = [rapi.ask("GET", "/2/jobs?bulk=1", user=None),
             rapi.ask("GET", f"/2/jobs/{number}", user=None),
             rapi.ask("PUT", "/2/query/job", {"fields": ["ops"]}),
             rapi.ask("GET", f"/2/jobs/{number}/wait", {"fields": ["ops"]})]

    for answer in shown:
        assert b"osparams_private" in answer.body
        assert SECRET.encode() not in answer.body


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
def test_no_request_is_a_failure_of_the_daemon(rapi: Rapi, mode: GenerationMode) -> None:
    for operation in operations((*SLOW, *PROGRAMS)):
        check(rapi, operation, mode, 2)
    assert rapi.get("/2/instances/inst1.example.com")["name"] == "inst1.example.com"


@pytest.mark.torture
@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
def test_no_request_of_many_is(rapi: Rapi, mode: GenerationMode) -> None:
    for operation in operations(SLOW):
        check(rapi, operation, mode, 100)
