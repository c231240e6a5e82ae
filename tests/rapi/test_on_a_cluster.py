"""The daemon on a cluster of real daemons: objects, jobs, errors, certificates."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from asked import Answer, recorded
from rapi_cluster import PORT, Rapi, unverified, with_users
from virtual_cluster import VirtualCluster, wait_until

from ganeti_core.daemons.vcluster.layout import Layout

INSTANCE = {
    "__version__": 1, "mode": "create", "disk_template": "diskless", "disks": [], "nics": [{}],
    "os": "noop", "pnode": "node1.example.com", "name_check": False, "ip_check": False,
    "hypervisor": "fake", "no_install": True}


@pytest.fixture(scope="module")
def rapi(make_cluster: Callable[..., VirtualCluster]) -> Rapi:
    """One node with two instances, one of which runs, a network and a second group."""
    api = with_users(make_cluster(
        "--nodes", "1", "--hypervisor", "fake", "--disk-templates", "diskless,file",
        "--with", "rapi"))
    # Users that were written after the daemon began count a moment later.
    wait_until(lambda: api.ask("GET", "/2/jobs/1/wait", {"fields": ["id"]}).status == 200,
               "the users are known")
    numbers = [
        api.ask("POST", "/2/instances", INSTANCE | {"name": "inst1.example.com"}).json,
        api.ask("POST", "/2/instances", INSTANCE | {
            "name": "inst2.example.com", "start": False}).json,
        api.ask("POST", "/2/groups", {"name": "group2"}).json,
        api.ask("POST", "/2/networks", {
            "network_name": "net1", "network": "198.51.100.0/24"}).json]
    assert [api.ended(number)["status"] for number in numbers] == ["success"] * 4
    return api


def found_out_by_asking() -> list[dict[str, Any]]:
    """Recorded requests that read, and whose objects there are here."""
    own = ("node2", "node3", "node4", "inst3", "inst4", "inst5", "group3", "query_job",
           "/2/jobs/329", "filters/1")
    return [case for case in recorded() if case["method"] in ("GET", "PUT")
            and "ops" not in case and case["user"] in ("rw", "ro")
            and not any(word in case["path"] for word in own)
            and (case["method"] == "GET" or "/2/query" in case["path"])]


RIGHTLY = {
    # Where Ganeti fails with 500, or serves what nobody has, there is an answer.
    "GET fields os": 200, "GET fields cluster": 200, "GET fields extstorage": 200,
    "404 unknown node role": 404,
    "404 unknown instance tags": 404, "404 unknown instance console": 404,
}


@pytest.mark.parametrize("case", found_out_by_asking(), ids=lambda case: case["name"][:60])
def test_what_ganeti_answers_is_answered(rapi: Rapi, case: dict[str, Any]) -> None:
    headers = case.get("headers", {})
    body = case["raw_body"].encode() if case.get("raw_body") else case.get("body")
    answer = rapi.ask(case["method"], case["path"], body, case["user"], headers)

    assert answer.status == RIGHTLY.get(case["name"], case["status"]), answer.body
    if answer.status != 200:
        assert answer.json["code"] == answer.status
        return
    if case["status"] != 200:
        return
    if "keys" in case:
        shown = answer.json
        keys = sorted(shown) if isinstance(shown, dict) else [sorted(shown[0])]
        missing = ([set(wanted) - set(found) for wanted, found in zip(
            case["keys"], keys, strict=True)] if isinstance(shown, list)
            else [set(case["keys"]) - set(keys)])
        assert missing == [set()] * len(missing)
    elif isinstance(case.get("json"), dict):
        assert case["json"].keys() <= answer.json.keys()
    else:
        assert isinstance(answer.json, type(case.get("json")))


def test_an_instance_lives_through_it(rapi: Rapi) -> None:
    name = "inst9.example.com"
    path = f"/2/instances/{name}"

    result = rapi.done("POST", "/2/instances", INSTANCE | {
        "instance_name": name, "disk_template": "file", "disks": [{"size": 16}]})
    assert result == ["node1.example.com"]
    assert rapi.get(path)["status"] == "running"
    rapi.done("PUT", f"{path}/shutdown?no_remember=0", {"timeout": 1})
    assert rapi.get(path)["admin_state"] == "down"
    rapi.done("PUT", f"{path}/modify", {"custom_beparams": {"maxmem": 256}})
    assert rapi.get(path)["beparams"]["memory"] == 256
    rapi.done("PUT", f"{path}/tags?tag=a&tag=b")
    assert rapi.get(f"{path}/tags") == ["a", "b"]
    rapi.done("DELETE", f"{path}/tags?tag=a")
    rapi.done("POST", f"{path}/reinstall", {"os": "noop", "start": True})
    assert rapi.get(path)["oper_state"] is True
    rapi.done("DELETE", path)
    assert rapi.ask("GET", path).status == 404


def test_a_dry_run_does_nothing(rapi: Rapi) -> None:
    rapi.done("POST", "/2/instances?dry-run=1", INSTANCE | {"name": "inst7.example.com"})

    assert rapi.ask("GET", "/2/instances/inst7.example.com").status == 404


def test_a_reason_is_in_the_trail(rapi: Rapi) -> None:
    job = rapi.job("PUT", "/2/tags?tag=reasoned&reason=because")

    (op,) = job["ops"]
    assert op["reason"][0][:2] == ["gnt:user", "because"]
    assert op["reason"][1][:2] == ["gnt:library:rlib2:tags", ""]


@pytest.mark.parametrize("path", [
    "/2/info", "/2/instances/inst1.example.com", "/2/nodes/node1.example.com", "/2/groups/group2",
    "/2/networks/net1"])
def test_a_change_is_made_to_the_version_that_was_seen(rapi: Rapi, path: str) -> None:
    seen = rapi.ask("GET", path)
    serial, tag = seen.json["serial_no"], {"If-Match": seen.headers["etag"]}
    tags = f"{path.removesuffix('/info')}/tags"

    job = rapi.ended(rapi.ask("PUT", f"{tags}?tag=first", headers=tag).json)
    late = [rapi.ask("PUT", f"{tags}?tag=second", headers=tag),
            rapi.ask("PUT", f"{tags}?tag=second&serial_no={serial}")]

    assert job["status"] == "success", job
    assert [answer.status for answer in late] == [412, 409]
    for answer in late:
        assert f"serial number {serial + 1}, and {serial} was expected" in answer.message
    assert "second" not in rapi.get(tags)


def test_several_instances_at_once(rapi: Rapi) -> None:
    wanted = [{key: value for key, value in INSTANCE.items() if key != "__version__"}
              | {"name": f"multi{number}.example.com"} for number in (1, 2)]

    result = rapi.done("POST", "/2/instances-multi-alloc", {"instances": wanted})
    for _, number in result["jobs"]:
        assert rapi.ended(number)["status"] == "success"
    for number in (1, 2):
        rapi.done("DELETE", f"/2/instances/multi{number}.example.com")


def test_operating_systems_are_listed_by_name_or_with_all_that_is_known(rapi: Rapi) -> None:
    names = rapi.get("/2/os")
    found = {one["name"]: one for one in rapi.get("/2/os?bulk=1")}
    assert set(names) == {f"{name}+{variant}" for name, one in found.items()
                          for variant in one["variants"]} | {
                              name for name, one in found.items() if not one["variants"]}
    assert found["noop"].keys() == {"name", "valid", "variants", "parameters", "api_versions",
                                    "blacklisted", "hidden", "trusted"}
    assert found["noop"]["valid"]


def test_removing_an_export_that_is_not_there_fails_nothing(rapi: Rapi) -> None:
    job = rapi.job("DELETE", "/2/instances/inst1.example.com/export")
    assert job["ops"][0]["OP_ID"] == "OP_BACKUP_REMOVE"
    assert job["ops"][0]["instance_name"] == "inst1.example.com"
    assert job["status"] == "success"


def test_rules_of_the_queue(rapi: Rapi) -> None:
    uuid = rapi.ask("POST", "/2/filters", {
        "priority": 5, "predicates": [["jobid", [">", "id", 100000]]], "action": "CONTINUE",
        "reason": [["test", "made by a test", 0]]}).json

    assert rapi.get("/2/filters") == [{"uuid": uuid, "uri": f"/2/filters/{uuid}"}]
    (rule,) = rapi.get("/2/filters?bulk=1")
    assert rule == rapi.get(f"/2/filters/{uuid}")
    assert rule["priority"] == 5
    rapi.ask("PUT", f"/2/filters/{uuid}", {"priority": 7, "action": "CONTINUE"})
    assert rapi.get(f"/2/filters/{uuid}")["priority"] == 7
    assert rapi.ask("DELETE", f"/2/filters/{uuid}").status == 200
    assert rapi.ask("DELETE", f"/2/filters/{uuid}").status == 404


def test_waiting_for_a_job(rapi: Rapi) -> None:
    number = rapi.ask("PUT", "/2/tags?tag=waited").json

    change = rapi.ask("GET", f"/2/jobs/{number}/wait", {
        "fields": ["status"], "previous_job_info": None, "previous_log_serial": None}).json

    assert set(change) == {"job_info", "log_entries"}
    assert rapi.ask("GET", "/2/jobs/999999/wait", {"fields": ["status"]}).status == 404


def test_one_connection_serves_many_requests(rapi: Rapi) -> None:
    with rapi.connection() as link:
        link.connect()
        used = link.sock
        for _ in range(3):
            link.request("GET", "/2/instances?bulk=1")
            response = link.getresponse()
            assert response.status == 200
            assert len(response.read()) == int(response.headers["content-length"])
        assert link.sock is used


def test_without_a_name_only_what_is_public(rapi: Rapi) -> None:
    assert rapi.ask("GET", "/2/info", user=None).status == 200
    assert rapi.ask("GET", "/2/query/instance?fields=name", user=None).status == 401
    assert rapi.ask("PUT", "/2/tags?tag=x", user=None).status == 401
    assert rapi.ask("PUT", "/2/tags?tag=x", user="ro").status == 403


def test_a_token_reaches_as_far_as_its_scope(rapi: Rapi) -> None:
    one = "/2/instances/inst2.example.com"
    rapi.done("PUT", f"{one}/tags?tag=shop")
    text = rapi.cluster.gnt("gnt-rapi-token", "add", "ci", "@admin", "--tag", "shop").stdout.strip()
    bearer = {"Authorization": f"Bearer {text}"}

    def asked(method: str, path: str, body: Any = None) -> Answer:
        return rapi.ask(method, path, body, None, bearer)

    wait_until(lambda: asked("GET", "/2/info").status == 200, "the token is known")
    known = asked("GET", "/2/events").json["last"]
    assert [row["id"] for row in asked("GET", "/2/instances").json] == ["inst2.example.com"]
    assert [row["name"] for row in asked("GET", "/2/instances?bulk=1").json] == [
        "inst2.example.com"]
    rows = asked("PUT", "/2/query/instance", {"fields": ["name"]}).json["data"]
    assert rows == [[[0, "inst2.example.com"]]]
    assert asked("GET", one).json["name"] == "inst2.example.com"
    assert asked("GET", "/2/instances/inst1.example.com").status == 404
    assert asked("PUT", "/2/instances/inst1.example.com/startup").status == 403
    assert asked("GET", "/2/os").json == rapi.get("/2/os")

    other = rapi.job("PUT", "/2/tags?tag=others")["id"]
    number = asked("DELETE", one).json
    wait_until(lambda: asked("GET", f"/2/jobs/{number}").json["status"] == "success",
               "its own job has ended")
    assert asked("GET", f"/2/jobs/{other}").json["status"] is None
    assert other not in [job["id"] for job in asked("GET", "/2/jobs").json]
    shown = {data["id"] for _, name, data in asked("GET", f"/2/events?after={known}").json["events"]
             if name == "job"}
    assert number in shown
    assert other not in shown
    rapi.cluster.gnt("gnt-rapi-token", "remove", "ci")
    wait_until(lambda: asked("GET", "/2/info").status == 401, "the token is refused")


def certificate(rapi: Rapi) -> bytes:
    with socket.create_connection((rapi.address, PORT), timeout=30) as plain, \
            unverified().wrap_socket(plain) as secure:
        found = secure.getpeercert(binary_form=True)
        assert found is not None
        return found


def test_a_new_certificate_is_used_and_connections_stay(rapi: Rapi) -> None:
    before = certificate(rapi)
    pid = int(rapi.cluster.paths().daemon_pid("ganeti-rapi").read_text())
    with rapi.connection() as kept:
        kept.request("GET", "/version")
        kept.getresponse().read()
        rapi.cluster.gnt("gnt-cluster", "renew-crypto", "-f", "--new-rapi-certificate")
        os.kill(pid, signal.SIGHUP)

        wait_until(lambda: certificate(rapi) != before, "the new certificate is shown")
        kept.request("GET", "/version")
        assert kept.getresponse().read() == b"2\n"


def test_version_12_of_tls_is_spoken(rapi: Rapi) -> None:
    context = unverified()
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
    with socket.create_connection((rapi.address, PORT), timeout=30) as plain, \
            context.wrap_socket(plain) as secure:
        assert secure.version() == "TLSv1.2"


def test_a_master_that_is_away_is_told(rapi: Rapi) -> None:
    rapi.cluster.tool("stop", "node1", "masterd")
    try:
        answer = rapi.ask("GET", "/2/info")
        assert answer.status == 502
        assert "master daemon" in answer.message
        assert rapi.ask("GET", "/version").status == 200
    finally:
        rapi.cluster.bring_back()
    assert rapi.ask("GET", "/2/info").status == 200


def test_events_come_as_they_happen(rapi: Rapi) -> None:
    known = rapi.get("/2/events")["last"]
    with rapi.connection() as link:
        link.request("GET", f"/2/events?after={known}", headers={
            "Accept": "text/event-stream", "Authorization": "Basic cnc6cndzZWNyZXQ="})
        response = link.getresponse()
        assert response.headers["content-type"] == "text/event-stream"
        assert response.readline() == b"retry: 1000\n"

        number = rapi.ask("PUT", "/2/tags?tag=evented").json

        seen: dict[str, list[Any]] = {"job": [], "config": []}
        while not any(event["id"] == number and event["status"] == "success"
                      for event in seen["job"]):
            line = response.readline()
            if line.startswith(b"event: "):
                data = json.loads(response.readline().removeprefix(b"data: "))
                seen[line.split()[1].decode()].append(data)
    assert any("cluster" in event["changed"] for event in seen["config"])
    since = rapi.get(f"/2/events?after={known}")
    assert not since["lost"]
    assert [data for _, name, data in since["events"] if name == "job"][:1] == seen["job"][:1]


def test_the_examples_of_the_guide_work(rapi: Rapi, tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("needs curl (apt-get install curl)")
    text = (Path(__file__).parents[2] / "docs/rapi.md").read_text()
    script = "\n".join(re.findall(r"```sh\n(.*?)```", text, re.DOTALL))
    (tmp_path / ".curlrc").write_text(f'resolve = "cluster.example.com:5080:{rapi.address}"\n')
    environment = Layout.load(rapi.cluster.root).master.environment() | {
        "CURL_HOME": str(tmp_path)}
    # The tests' own user stays: the file is written by the examples.
    script = script.replace("/var/lib/ganeti", str(rapi.cluster.paths().data)).replace(
        "sleep 1", "sleep 0.1").replace("api=https", "sleep 1.2\napi=https")

    ran = subprocess.run(["bash", "-e", "-c", script], cwd=tmp_path, text=True, timeout=120,
                         capture_output=True, env=os.environ | environment)

    assert ran.returncode == 0, (ran.stdout, ran.stderr)
    assert '"status": "success"' in ran.stdout
    assert '[[[0,"inst1.example.com"]' in ran.stdout.replace(" ", "")
