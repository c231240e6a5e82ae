"""The monitoring daemon on a host of its own: started by root, it serves as somebody else.

The host is a mount namespace with users and folders of its own; its root is ``/``.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from own_host import OwnHost, needs_namespaces, rights

from ganeti_core.daemons.account import Account
from ganeti_core.daemons.mond import NAME, USER
from ganeti_core.errors import ConfigurationError
from ganeti_core.node.published import Published, publish
from ganeti_core.paths import Paths
from ganeti_core.plugin_api.data import Metric
from ganeti_core.rpc.identity import NodeIdentity

ADDRESS = "127.77.18.15"
PORT = 815
"""One that only root can open."""
UID, GID = 7715, 7716
PAGES = ("/", "/1/list/collectors", "/1/report/all", "/1/report/default/load", "/metrics",
         "/metrics/cluster")

@dataclass
class Host(OwnHost):
    """The host with the daemon of these tests."""

    def mond(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self.start(NAME, "--bind", ADDRESS, "--port", str(PORT), *words)

    @property
    def pid(self) -> int | None:
        return self.pid_of(NAME)

    def end(self) -> None:
        self.stop(NAME)


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with Host.made(tmp_path_factory.mktemp("host"), {USER: (UID, ("gnt-daemons",))},
                   {"gnt-daemons": GID}) as made:
        furnish(made.paths)
        yield made


def furnish(paths: Paths) -> None:
    """Make it a node, as root's daemons do."""
    before = os.umask(0o077)
    try:
        paths.make_directories()
        NodeIdentity("uuid-1", "node1", ADDRESS, 1811).save(paths)
        for name, value in (("cluster_name", "cluster.example.com"), ("master_node", "node1")):
            (paths.ssconf / f"ssconf_{name}").write_text(f"{value}\n")
            (paths.ssconf / f"ssconf_{name}").chmod(0o444)
        report(paths, 1)
    finally:
        os.umask(before)


def report(paths: Paths, load: float) -> None:
    """Let the node daemon publish a report."""
    metrics = (Metric("ganeti_load", "gauge", "Load", ()),
               Metric("ganeti_cluster_load", "gauge", "Load", (), cluster_wide=True))
    publish(paths.reports, Published(
        "load", "", 0, 5.0, {"name": "load", "timestamp": time.time_ns(), "data": {"load": load}},
        "", metrics, {metric.name: [[load]] for metric in metrics}))


def get(path: str) -> str:
    with urllib.request.urlopen(f"http://{ADDRESS}:{PORT}{path}", timeout=60) as found:
        return str(found.read().decode())


@pytest.fixture
def serving(host: Host) -> Iterator[Host]:
    started = host.mond()
    assert started.returncode == 0, started.stderr
    yield host
    host.end()


class TestOnItsOwnHost:
    pytestmark = needs_namespaces

    def test_it_answers_everything_without_any_right_of_root(self, serving: Host) -> None:
        assert serving.pid is not None
        found = rights(serving.pid)
        assert found["Uid"].split() == [str(UID)] * 4
        assert found["Gid"].split() == [str(GID)] * 4
        assert found["Groups"].split() == [str(GID)]
        assert {found[f"Cap{one}"].strip("0") for one in ("Prm", "Eff", "Inh", "Amb")} == {""}
        answers = {path: get(path) for path in PAGES}
        assert json.loads(answers["/1/list/collectors"]) == [["load", "default", 0]]
        assert json.loads(answers["/1/report/all"])[0]["data"] == {"load": 1}
        assert "\nganeti_load 1\n" in answers["/metrics"]
        assert '\nganeti_cluster_load{cluster="cluster.example.com"} 1\n' in (
            answers["/metrics/cluster"])

    def test_it_sees_what_root_writes_later(self, serving: Host) -> None:
        before = os.umask(0o077)
        try:
            report(serving.paths, 2)
        finally:
            os.umask(before)
        assert "\nganeti_load 2\n" in get("/metrics")
        report(serving.paths, 1)
        (serving.paths.ssconf / "ssconf_master_node").write_text("node2\n")
        assert get("/metrics/cluster") == "# node1 is not the master: ask node2\n"
        (serving.paths.ssconf / "ssconf_master_node").write_text("node1\n")

    def test_its_log_is_its_own_and_goes_on_where_it_is_rotated(self, serving: Host) -> None:
        file = serving.paths.log / "monitoring-daemon.log"
        old = file.with_suffix(".1")
        file.rename(old)
        file.touch(0o600)
        os.chown(file, UID, GID)
        serving.end()
        assert f"goes on as user {USER} ({UID})" in old.read_text()
        assert file.read_text().endswith(" INFO ended\n")
        assert (file.stat().st_uid, file.stat().st_mode & 0o777) == (UID, 0o600)

    def test_a_log_that_it_cannot_open_anew_goes_on_in_the_old_file(self, serving: Host) -> None:
        file = serving.paths.log / "monitoring-daemon.log"
        old = file.with_suffix(".2")
        file.rename(old)
        serving.end()
        *_, said, last = old.read_text().splitlines()
        assert "monitoring-daemon.log cannot be opened anew: Permission denied" in said
        assert last.endswith(" INFO ended")

    def test_it_starts_again_and_again(self, host: Host) -> None:
        for _ in range(2):
            assert host.mond().returncode == 0
            assert get("/") == "[1]"
            host.end()
            assert host.paths.daemon_pid(NAME).read_text() == ""

    def test_root_may_wish_it_to_stay_root(self, host: Host) -> None:
        try:
            assert host.mond("--user", "root").returncode == 0
            assert host.pid is not None
            assert rights(host.pid)["Uid"].split() == ["0"] * 4
        finally:
            host.end()

    def test_a_user_that_does_not_exist_is_named(self, host: Host) -> None:
        ran = host.mond("--foreground", "--user", "nosuch")
        assert ran.returncode == 1
        assert "this host has no user nosuch (useradd" in ran.stderr

    def test_folders_of_another_group_are_left_and_named(self, host: Host) -> None:
        data = Path("/var/lib/ganeti")
        host.run("chgrp", str(GID + 1), str(data))
        try:
            ran = host.mond("--foreground")
            assert ran.returncode == 1
            assert f"user {USER} cannot read {data}: let group gnt-daemons do so" in ran.stderr
            assert host.run("stat", "-c", "%g", str(data)).stdout == f"{GID + 1}\n"
        finally:
            host.run("chgrp", "0", str(data))


def test_below_another_root_a_daemon_stays_who_started_it(tmp_path: Path) -> None:
    assert Account.wanted(None, "nosuch", Paths(tmp_path)) is None
    with pytest.raises(ConfigurationError, match="has no user nosuch"):
        Account.wanted("nosuch", USER, Paths(tmp_path))


@pytest.mark.needs_root
def test_only_root_becomes_another_user(tmp_path: Path) -> None:
    os.seteuid(UID)
    try:
        assert Account.wanted(None, USER, Paths(Path("/"))) is None
        with pytest.raises(ConfigurationError, match="--user root: only root can become another"):
            Account.wanted("root", USER, Paths(tmp_path))
    finally:
        os.seteuid(0)
