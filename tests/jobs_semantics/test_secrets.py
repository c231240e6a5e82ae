"""Secret OS parameters reach the OS scripts, and no file, log, listing or replica."""

from __future__ import annotations

import hashlib
import json
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from virtual_cluster import VirtualCluster, wait_until

from ganeti_core.config.journal import Journal
from ganeti_core.config.store import Put, Store
from ganeti_core.opcodes.registry import OPCODES

SECRET = "marker-7f3a9c51-of-a-secret"
PRIVATE = "marker-of-a-private-one"
REDACTED = "<redacted>"
FINAL = ("success", "error", "canceled")
SCRIPT = """#!/bin/sh
printf %s "$OSP_TOKEN" | sha256sum > "$OSP_ROOM/seen-$INSTANCE_NAME"
while [ -e "$OSP_ROOM/hold" ]; do sleep 0.05; done
"""


@dataclass(frozen=True)
class Site:
    """A cluster with an OS definition whose create script waits while a file is there."""

    cluster: VirtualCluster
    room: Path

    def creation(self, name: str) -> dict[str, Any]:
        return {"OP_ID": "OP_INSTANCE_CREATE", "instance_name": name, "mode": "create", "disks": [],
              "nics": [], "disk_template": "diskless", "os_type": "curious", "pnode": "node1",
              "name_check": False, "ip_check": False, "start": False, "reason": [],
              "osparams": {"room": str(self.room)}, "osparams_private": {"private": PRIVATE},
              "osparams_secret": {"token": SECRET}}

    def submit(self, name: str) -> int:
        with self.cluster.luxi() as client:
            return client.submit_job([self.creation(name)])

    def job(self, number: int) -> tuple[str, list]:
        with self.cluster.luxi() as client:
            return tuple(client.query_jobs([number], ["status", "opresult"])[0])

    def wait(self, number: int) -> tuple[str, list]:
        return wait_until(lambda: (row := self.job(number))[0] in FINAL and row,
                          f"job {number} ends")

    @contextmanager
    def held(self) -> Iterator[None]:
        hold = self.room / "hold"
        hold.touch()
        try:
            yield
        finally:
            hold.unlink(missing_ok=True)

    def seen(self, name: str) -> None:
        """Wait until the script got the very secret."""
        digest = hashlib.sha256(SECRET.encode()).hexdigest()
        file = self.room / f"seen-{name}"
        wait_until(lambda: file.exists() and file.read_text().startswith(digest), f"{name}'s OS")

    def assert_kept(self, number: int) -> None:
        """The secret is in no file of the cluster and in no answer about the job."""
        self.assert_nowhere(number)
        with self.cluster.luxi() as client:
            [[ops]] = client.query_jobs([number], ["ops"])
        assert ops[0]["osparams_secret"] == {"token": REDACTED}
        assert ops[0]["osparams_private"] == {"private": PRIVATE}

    def assert_nowhere(self, *numbers: int) -> None:
        """The secret is in no file of any node, and in nothing that is said about the jobs."""
        assert files_with(self.cluster.root, SECRET) == []
        assert command_lines_with(SECRET) == []
        with self.cluster.luxi() as client:
            for what in ("job", "instance"):
                names = [f["name"] for f in client.call("QueryFields", what, None)["fields"]]
                assert SECRET not in json.dumps(client.query(what, names, None))
            assert SECRET not in json.dumps(client.query_jobs(list(numbers), [
                "ops", "opresult", "oplog", "summary"]))
        told = self.cluster.gnt("gnt-job", "info", *map(str, numbers)).stdout
        assert SECRET not in told


def files_with(root: Path, text: str) -> list[str]:
    found = []
    for path in root.rglob("*"):
        try:
            if stat.S_ISREG(path.lstat().st_mode) and text.encode() in path.read_bytes():
                found.append(str(path))
        except OSError:
            continue  # it went meanwhile
    return found


def command_lines_with(text: str) -> list[str]:
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if text.encode() in entry.read_bytes():
                found.append(str(entry))
        except OSError:
            continue
    return found


def write_definition(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "ganeti_api_version").write_text("20\n")
    (folder / "parameters.list").write_text(
        "token A secret\nroom A folder\nprivate Something private\n")
    for name in ("create", "import", "export", "rename", "verify"):
        (folder / name).write_text(SCRIPT if name == "create" else "#!/bin/sh\nexit 0\n")
        (folder / name).chmod(0o755)


@pytest.fixture(scope="module")
def site(make_cluster: Callable[..., VirtualCluster],
         tmp_path_factory: pytest.TempPathFactory) -> Site:
    outside = tmp_path_factory.mktemp("outside")
    cluster = make_cluster("--nodes", "2", "--hypervisor", "fake")
    for node in ("node1", "node2"):
        write_definition(cluster.root / node / "definitions" / "curious")
    cluster.tool("stop")
    journal = Journal(cluster.paths().database)
    store = Store(journal)
    store.commit([Put(replace(store.snapshot.cluster, os_search_path=("/definitions",)))])
    journal.close()
    cluster.bring_back()
    return Site(cluster, outside)


def test_a_secret_is_nowhere_while_and_after_the_instance_is_made(site):
    with site.held():
        job = site.submit("one.example.com")
        site.seen("one.example.com")
        site.assert_kept(job)
    assert site.wait(job)[0] == "success"
    site.assert_kept(job)
    site.cluster.wait_for_copies("node2")
    assert files_with(site.cluster.root / "node2", PRIVATE), "the replica has the job"
    with site.cluster.luxi() as client:
        assert client.call("ArchiveJob", job) is True
    assert files_with(site.cluster.root, SECRET) == []


def test_a_secret_is_nowhere_after_a_crash_in_the_middle(site):
    with site.held():
        job = site.submit("two.example.com")
        site.seen("two.example.com")
        site.cluster.tool("stop", "node1", "ganeti-masterd", "--kill")
        assert files_with(site.cluster.root, SECRET) == []
    site.cluster.bring_back()
    assert site.wait(job)[0] == "error"
    site.assert_kept(job)
    assert ["two.example.com"] not in site.cluster.instances("name")


def test_a_queued_job_fails_clearly_when_its_secret_was_not_kept(site):
    with site.cluster.luxi() as client:
        rule = client.replace_filter(None, 0, [], "PAUSE", [])
    job = site.submit("three.example.com")
    site.assert_kept(job)
    site.cluster.tool("stop")
    assert files_with(site.cluster.root, SECRET) == []
    site.cluster.bring_back()
    with site.cluster.luxi() as client:
        client.delete_filter(rule)
    status, [result] = site.wait(job)
    assert status == "error"
    assert "'osparams_secret' was not kept" in result[1][0]
    site.assert_kept(job)


def secretive(site: Site) -> dict[str, dict[str, Any]]:
    """One dict for every opcode that holds secrets or carries opcodes that do."""
    given: dict[str, dict[str, Any]] = {
        "OP_INSTANCE_CREATE": {"os_type": "curious"} | site.creation("four.example.com"),
        "OP_INSTANCE_REINSTALL": {"instance_name": "none.example.com"},
        "OP_INSTANCE_MULTI_ALLOC": {"instances": [site.creation("five.example.com")]},
        "OP_TEST_OS_PARAMS": {},
        "OP_TEST_DUMMY": {"submit_jobs": [[site.creation("six.example.com")]]}}
    own = {op_id for op_id, cls in OPCODES.items() if cls.secret_fields or cls.carries}
    assert own <= given.keys(), "say here how the new one is given its secrets"
    for op_id, op in given.items():
        op |= {"OP_ID": op_id} | {name: {"token": SECRET} for name in OPCODES[op_id].secret_fields}
        assert SECRET in json.dumps(op)
    return given


def test_no_opcode_leaves_its_secrets_anywhere(site):
    with site.cluster.luxi() as client:
        rule = client.replace_filter(None, 0, [], "PAUSE", [])
        jobs = [client.submit_job([op]) for op in secretive(site).values()]
        site.cluster.wait_for_copies("node2")
        site.assert_nowhere(*jobs)
        client.delete_filter(rule)
    ended = {job: site.wait(job) for job in jobs}
    # Refused are the reinstallation of what is not there, and jobs without a place for instances.
    assert [status for status, _ in ended.values()] == [
        "success", "error", "success", "success", "success"], ended
    for job in (jobs[2], jobs[4]):
        [[_, created]] = ended[job][1][0]["jobs"]
        assert site.wait(created)[0] == "success"
    for name in ("four.example.com", "five.example.com"):
        site.seen(name)
    site.cluster.wait_for_copies("node2")
    site.assert_nowhere(*jobs, created)
    with site.cluster.luxi() as client:
        [[ops]] = client.query_jobs([jobs[2]], ["ops"])
        assert ops[0]["instances"][0]["osparams_secret"] == {"token": REDACTED}
        assert ops[0]["instances"][0]["osparams_private"] == {"private": PRIVATE}
        for job in (*jobs, created):
            assert client.archive_job(job)
    assert files_with(site.cluster.root, SECRET) == []


def test_a_carried_secret_that_was_not_kept_is_named(site):
    with site.cluster.luxi() as client:
        rule = client.replace_filter(None, 0, [], "PAUSE", [])
        job = client.submit_job([{"OP_ID": "OP_INSTANCE_MULTI_ALLOC",
                                  "instances": [site.creation("six.example.com")]}])
    site.cluster.tool("stop", "node1", "masterd")
    site.cluster.bring_back()
    with site.cluster.luxi() as client:
        client.delete_filter(rule)
    status, [result] = site.wait(job)
    assert status == "error"
    assert "'instances/0/osparams_secret' was not kept" in result[1][0]
