"""The interface as a document, and whatever is sent to it: never a failure of the daemon's own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from asked import FakeMaster, application, ask, credentials, recorded
from hypothesis import given, settings
from hypothesis import strategies as st

from ganeti_core.errors import ECODE_NOENT, ConfigurationError, GanetiError, OpPrereqError
from ganeti_core.luxi.client import ConnectionLost, LuxiTimeout, NoMasterError
from ganeti_core.rapi.application import Application
from ganeti_core.rapi.openapi import encoded_document
from ganeti_core.rapi.table import resources

DOCUMENT = json.loads(encoded_document())
MASTER = {
    "QueryClusterInfo": {"name": "c", "serial_no": 1, "diskparams": {"diskless": {}},
                         "storage_types": ["x"]},
    "QueryTags": ["a"],
    "QueryRecords": [{"name": "x", "id": 1, "uuid": "u", "serial_no": 1}], "QueryJobs": [None],
    "QueryNodes": [["M"]], "QueryInstances": [[{"kind": "vnc"}, True]], "Query": {},
    "QueryFields": {},
    "WaitForJobChange": [["success", [[["noop", []]]]], []], "CancelJob": [True, ""],
    "ReplaceFilter": "u", "DeleteFilter": None,
    "WaitForEvents": {"events": [], "last": "r-0", "lost": False}}


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Application:
    return application(tmp_path_factory.mktemp("app"), FakeMaster(MASTER))


def test_it_can_be_fetched(app: Application) -> None:
    answer = ask(app, "GET", "/2/openapi.json")

    assert answer.json == DOCUMENT
    assert DOCUMENT["openapi"] == "3.1.0"


def test_every_method_is_described() -> None:
    ids = [method["operationId"] for path in DOCUMENT["paths"].values()
           for name, method in path.items() if name != "parameters"]

    assert len(ids) == len(set(ids)) == sum(len(one.methods) for one in resources())


def test_references_lead_somewhere_and_schemas_are_valid() -> None:
    for path in DOCUMENT["paths"].values():
        for name, method in path.items():
            if name == "parameters":
                continue
            body = method.get("requestBody")
            if body is not None:
                jsonschema.Draft202012Validator.check_schema(
                    body["content"]["application/json"]["schema"])
            assert method["responses"]["default"]["content"]["application/json"]["schema"] == {
                "$ref": "#/components/schemas/Error"}


def described(case: dict[str, Any]) -> Any:
    """The schema of a recorded request's body."""
    for path, methods in DOCUMENT["paths"].items():
        words, own = path.split("/"), case["path"].partition("?")[0].split("/")
        if len(words) == len(own) and all(
                word == mine or word.startswith("{") for word, mine in zip(
                    words, own, strict=True)):
            body = methods[case["method"].lower()].get("requestBody")
            return body and body["content"]["application/json"]["schema"]
    raise AssertionError(case["path"])


@pytest.mark.parametrize(
    "case", [case for case in recorded() if case["status"] == 200 and case.get("body")],
    ids=lambda case: case["name"])
def test_what_ganeti_accepts_fits_its_description(case: dict[str, Any]) -> None:
    jsonschema.validate(case["body"], described(case))


@pytest.mark.torture
def test_it_is_an_openapi_document() -> None:
    from openapi_spec_validator import validate

    validate(DOCUMENT)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["fields", "name", "os", "disks", "nodes", "instances", "hvparams", "tags",
                         "__version__", "priority", "predicates", "depends", "x", "mode"]),
        inner, max_size=4), max_leaves=8)
QUERY = st.lists(st.sampled_from([
    "bulk=1", "bulk=x", "force=1", "dry-run=1", "dry-run=", "tag=%ff", "tag=a", "fields=name",
    "mode=live", "live=1", "disks=1,x", "static=9" * 5, "reason=%00", "name=x", "=", "&;",
    "output_fields=name", "storage_type=x", "type=hard"]), max_size=3)


@settings(max_examples=300, derandomize=True)
@given(st.sampled_from(resources()), st.sampled_from(["GET", "PUT", "POST", "DELETE", "PATCH"]),
       JSON, QUERY, st.sampled_from(["web1", "5", "a.b-c_d", "0" * 18]))
def test_nothing_that_is_sent_is_a_failure_of_the_daemon(
    app: Application, resource: Any, method: str, body: Any, query: list[str], name: str
) -> None:
    path = resource.path
    for word in ("node", "instance", "group", "network", "filter", "resource"):
        path = path.replace(f"{{{word}}}", name)
    path = path.replace("{job}", "7").replace("{disk}", "0") + "?" + "&".join(query)

    answer = ask(app, method, path, json.dumps(body).encode(),
                 {"content-type": "application/json"} | credentials("rw"))

    # What programs compute they ask the master itself.
    away = (502,) if resource.path in ("/2/capacity", "/2/balance") else ()
    assert answer.status in (200, 400, 401, 403, 404, 409, 415, 426, 501, *away), answer.body
    json.loads(answer.body)


@pytest.mark.parametrize(("error", "status"), [
    (NoMasterError("/x"), 502), (LuxiTimeout("slow"), 504), (ConnectionLost("gone"), 502),
    (OpPrereqError("no such", ECODE_NOENT), 404), (ConfigurationError("broken"), 500),
    (GanetiError("strange"), 500)])
def test_what_the_master_says_has_its_status(
    tmp_path: Path, error: GanetiError, status: int
) -> None:
    answer = ask(application(tmp_path, FakeMaster({"QueryTags": error})), "GET", "/2/tags")

    assert answer.status == status


def test_a_bug_is_told_without_its_traceback(tmp_path: Path) -> None:
    answer = ask(application(tmp_path, FakeMaster()), "GET", "/2/tags")

    assert answer.status == 500
    assert "QueryTags" not in answer.message


def test_an_unchanged_answer_is_not_sent_again(app: Application) -> None:
    first = ask(app, "GET", "/2/tags")
    tag = first.headers["etag"]

    again = ask(app, "GET", "/2/tags", headers={"If-None-Match": f'"x", W/{tag}'})
    other = ask(app, "GET", "/2/tags", headers={"If-None-Match": '"x"'})

    assert (again.status, again.body, again.headers["etag"]) == (304, b"", tag)
    assert (other.status, other.body) == (200, first.body)


def test_what_is_not_available_is_refused_by_name(app: Application) -> None:
    named = ask(app, "PUT", "/2/networks/net1/rename", b"", credentials("rw"))
    parameter = ask(app, "PUT", "/2/instances/inst1/export", json.dumps({
        "mode": "local", "destination": "node2", "destination_x509_ca": "x"}).encode(), {
            "content-type": "application/json"} | credentials("rw"))

    assert named.status == parameter.status == 501
    assert "network" in named.message
    assert "destination_x509_ca" in parameter.message
