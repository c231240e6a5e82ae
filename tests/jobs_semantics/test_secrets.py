"""Secret OS parameters reach the OS scripts, and no file, log, listing or replica."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from virtual_cluster import VirtualCluster, wait_until

from ganeti_core.config.journal import Journal
from ganeti_core.config.store import Put, Store

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

    def submit(self, name: str) -> int:
        op = {"OP_ID": "OP_INSTANCE_CREATE", "instance_name": name, "mode": "create", "disks": [],
              "nics": [], "disk_template": "diskless", "os_type": "curious", "pnode": "node1",
              "name_check": False, "ip_check": False, "start": False, "reason": [],
              "osparams": {"room": str(self.room)}, "osparams_private": {"private": PRIVATE},
              "osparams_secret": {"token": SECRET}}
        with self.cluster.luxi() as client:
            return client.submit_job([op])

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
        assert files_with(self.cluster.root, SECRET) == []
        assert command_lines_with(SECRET) == []
        with self.cluster.luxi() as client:
            [[ops]] = client.query_jobs([number], ["ops"])
            assert ops[0]["osparams_secret"] == {"token": REDACTED}
            assert ops[0]["osparams_private"] == {"private": PRIVATE}
            for what in ("job", "instance"):
                names = [f["name"] for f in client.call("QueryFields", what, None)["fields"]]
                assert SECRET not in json.dumps(client.query(what, names, None))
        assert SECRET not in self.cluster.gnt("gnt-job", "info", str(number)).stdout


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
    write_definition(outside / "os" / "curious")
    cluster = make_cluster("--nodes", "2", "--hypervisor", "fake")
    cluster.tool("stop")
    journal = Journal(cluster.paths().database)
    store = Store(journal)
    store.commit([Put(replace(store.snapshot.cluster, os_search_path=(str(outside / "os"),)))])
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
    assert files_with(site.cluster.root / "node2", PRIVATE), "the replica has the job"
    with site.cluster.luxi() as client:
        assert client.call("ArchiveJob", job) is True
    assert files_with(site.cluster.root, SECRET) == []


def test_a_secret_is_nowhere_after_a_crash_in_the_middle(site):
    with site.held():
        job = site.submit("two.example.com")
        site.seen("two.example.com")
        os.kill(site.cluster.status()["node1"]["daemons"]["ganeti-masterd"]["pid"],
                signal.SIGKILL)
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
