"""``gnt-cluster upgrade`` on a cluster of real daemons, whose package is exchanged below them.

The version of an installation is what its metadata say: a folder before the others has those of
another one, and the same code.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from importlib.metadata import distribution
from pathlib import Path

import pytest
from virtual_cluster import SCRIPTS, VirtualCluster, wait_until

from ganeti_core.bootstrap.upgrade import Intent
from ganeti_core.cli import failure
from ganeti_core.daemons.vcluster.layout import Layout
from ganeti_core.luxi.client import LuxiClient
from ganeti_core.pid_file import is_held

pytestmark = pytest.mark.timeout(900)


def install(packages: Path, version: str) -> None:
    for old in packages.glob("*.dist-info"):
        for file in old.iterdir():
            file.unlink()
        old.rmdir()
    folder = packages / f"ganeti_core-{version}.dist-info"
    folder.mkdir(parents=True)
    real = distribution("ganeti-core")
    for name in ("METADATA", "entry_points.txt"):
        # Beside the sources, which come first for `python -m pytest`, metadata have another name.
        text = real.read_text(name) or real.read_text("PKG-INFO")
        assert text is not None
        (folder / name).write_text(re.sub(r"(?m)^Version: .*$", f"Version: {version}", text))


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder, before = tmp_path_factory.mktemp("packages"), os.environ.get("PYTHONPATH")
    install(folder, "1.9.0")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(folder), before]))
    yield folder
    if before is None:
        del os.environ["PYTHONPATH"]
    else:
        os.environ["PYTHONPATH"] = before


@pytest.fixture(scope="module")
def old(packages: Path, make_cluster: Callable[..., VirtualCluster]) -> VirtualCluster:
    made = make_cluster("--nodes", "2", "--hypervisor", "fake", "--with", "confd,rapi")
    made.gnt("gnt-instance", "add", "-t", "diskless", "-o", "noop", "--no-nics",
             "--no-ip-check", "--no-name-check", "-n", "node2", "web.example.com")
    return made


def check(cluster: VirtualCluster, *words: str) -> tuple[int, dict[str, list[str]], str]:
    ran = cluster.try_("gnt-cluster", "upgrade", "--check", "--separator=|", "--no-headers", *words)
    assert not ran.stderr, ran
    rows = {cells[0].partition(".")[0]: cells[1:] for line in ran.lines
            if len(cells := line.split("|")) == 5}
    return ran.status, rows, ran.lines[-1]


def pids(cluster: VirtualCluster) -> dict[str, str]:
    return {f"{node} {daemon}": cluster.paths(node).daemon_pid(daemon).read_text()
            for node in ("node1", "node2") for daemon in ("ganeti-noded", "ganeti-confd")}


def drained(cluster: VirtualCluster) -> bool:
    return "is set" in cluster.gnt("gnt-cluster", "queue", "info").stdout


def begin(cluster: VirtualCluster, to: str) -> None:
    with LuxiClient(cluster.paths().master_socket) as client:
        Intent(to, drained=False).save(client)


def test_all_is_well_where_all_run_what_they_have(old: VirtualCluster) -> None:
    status, rows, last = check(old)
    assert (status, last) == (0, "All nodes run 1.9.0."), rows
    assert rows == {f"node{number}": ["1.9.0", "1.9.0", "same", "nothing"] for number in (1, 2)}


def test_what_all_run_already_needs_nothing(old: VirtualCluster) -> None:
    masterd = old.paths().daemon_pid("ganeti-masterd")
    before, master = pids(old), masterd.read_text()
    ran = old.gnt("gnt-cluster", "upgrade", "--to", "1.9.0")
    assert ran.lines == ["All nodes run 1.9.0 already."]
    assert (pids(old), masterd.read_text()) == (before, master)
    assert not drained(old)


def test_what_is_not_installed_is_refused_and_nothing_done(old: VirtualCluster) -> None:
    before = pids(old)
    ran = old.try_("gnt-cluster", "upgrade", "--to", "1.10.0")
    assert ran.status == failure.EXIT_FAILURE
    assert "node2.example.com: has 1.9.0 installed, which is behind 1.10.0 (install the package " \
        "of 1.10.0 there)" in ran.stderr
    assert not drained(old)
    assert pids(old) == before
    status, rows, _ = check(old, "--to", "1.10.0")
    assert status == 1
    assert rows["node2"][3].startswith("has 1.9.0 installed")


def test_a_silent_node_hinders_an_upgrade(old: VirtualCluster) -> None:
    old.tool("stop", "node2")
    status, rows, last = check(old)
    assert status == 1
    assert rows["node2"][:2] == ["?", "?"]
    assert "mark the node offline" in rows["node2"][3]
    assert "not possible now" in last
    old.bring_back()
    wait_until(lambda: check(old)[0] == 0, "all nodes answer")


def test_daemons_run_what_was_installed_and_jobs_and_guests_go_on(
    old: VirtualCluster, packages: Path
) -> None:
    before = pids(old)
    defaults = old.paths("node2").root / "etc/default/ganeti"
    defaults.parent.mkdir(parents=True, exist_ok=True)
    with defaults.open("a") as file:
        file.write("GANETI_PATIENCE=3\n")
    install(packages, "1.10.0")
    status, rows, last = check(old)
    assert status == 0, rows
    assert rows["node2"] == ["1.9.0", "1.10.0", "same", "restart its daemons"]
    assert last == '"gnt-cluster upgrade --to 1.10.0" restarts the daemons of 2 nodes.'

    job = old.submit("gnt-debug", "delay", "--no-master", "-n", "node2", "60")
    ran = old.gnt("gnt-cluster", "upgrade", "--to", "1.10.0")

    steps = [line for line in ran.lines if line.startswith("Restarting")]
    assert steps == [f"Restarting the daemons of node{number}.example.com"
                     for number in (2, 1)] + ["Restarting ganeti-masterd",
                                                 "Restarting ganeti-rapi"]
    assert f"Waiting for 1 jobs: {job}" in ran.stdout
    assert old.gnt("gnt-job", "list", "--no-headers", "-o", "status", job).stdout == "success\n"
    wait_until(lambda: not before.items() & pids(old).items(), "all daemons are new ones")
    noded = old.paths("node2").daemon_pid("ganeti-noded").read_text().strip()
    assert b"GANETI_PATIENCE=3\0" in Path("/proc", noded, "environ").read_bytes()
    assert check(old)[::2] == (0, "All nodes run 1.10.0.")
    assert not drained(old)
    assert Intent.pending(old.paths()) is None
    assert old.instances("status") == [["running"]]
    old.verify()


def test_what_was_interrupted_is_named_and_goes_on(old: VirtualCluster, packages: Path) -> None:
    """As after a power failure of the master in the middle."""
    install(packages, "1.11.0")
    begin(old, "1.11.0")
    old.gnt("gnt-cluster", "queue", "drain")
    ran = old.try_("gnt-cluster", "upgrade", "--to", "1.11.0")
    assert "an upgrade to 1.11.0 is under way: gnt-cluster upgrade --resume" in ran.stderr
    old.gnt("gnt-cluster", "upgrade", "--resume")
    assert check(old)[::2] == (0, "All nodes run 1.11.0.")
    assert not drained(old)
    assert old.gnt("gnt-cluster", "upgrade", "--resume").stdout == "No upgrade is under way.\n"


@pytest.mark.torture
def test_what_cannot_be_ended_says_why_and_another_version_takes_its_place(
    old: VirtualCluster, packages: Path
) -> None:
    """The new version is not there any more: who resumes learns so at once, and goes back."""
    begin(old, "1.12.0")
    status, _, last = check(old)
    assert (status, last) == (1, "An upgrade to 1.12.0 is not possible now.")
    assert "--resume goes on with it" in old.try_("gnt-cluster", "upgrade", "--check").stdout
    ran = old.try_("gnt-cluster", "upgrade", "--resume")
    assert ran.status == failure.EXIT_FAILURE
    assert "has 1.11.0 installed, which is behind 1.12.0" in ran.stderr
    assert "queue stays drained until gnt-cluster upgrade --resume" in ran.stderr
    assert drained(old)
    old.gnt("gnt-cluster", "upgrade", "--to", "1.11.0")
    assert not drained(old)
    assert Intent.pending(old.paths()) is None


@pytest.mark.torture
def test_two_at_once_and_an_end_by_a_signal(old: VirtualCluster, packages: Path) -> None:
    install(packages, "1.13.0")
    old.submit("gnt-debug", "delay", "--no-master", "-n", "node2", "60")
    first = subprocess.Popen(
        [SCRIPTS / "gnt-cluster", "upgrade", "--to", "1.13.0"], text=True, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, env=Layout.load(old.root).node("node1").environment(),
        # It is ignored where a shell runs the tests in the background.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler))
    assert first.stdout is not None
    assert any(line.startswith("Waiting") for line in first.stdout)
    for words in ("--resume",), ("--to", "1.13.0"):
        ran = old.try_("gnt-cluster", "upgrade", *words)
        assert ran.status == failure.EXIT_FAILURE
        assert f"another gnt-cluster upgrade is at work: another process holds {old.paths().run}" \
            in ran.stderr
    first.send_signal(signal.SIGINT)
    _, said = first.communicate()
    assert "The queue stays drained until gnt-cluster upgrade --resume" in said
    assert drained(old)
    old.gnt("gnt-cluster", "upgrade", "--resume")
    assert not drained(old)


@pytest.mark.torture
def test_daemons_of_the_master_that_were_lost_meanwhile_run_in_the_end(
    old: VirtualCluster, packages: Path
) -> None:
    """The remote API was, as by who was killed while it was restarted, before this began."""
    install(packages, "1.13.1")
    begin(old, "1.13.1")
    rapi, masterd = (old.paths().daemon_pid(name) for name in ("ganeti-rapi", "ganeti-masterd"))
    old.tool("stop", "node1", "ganeti-rapi")
    ran = subprocess.Popen(
        [SCRIPTS / "gnt-cluster", "upgrade", "--resume"], text=True, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, env=Layout.load(old.root).node("node1").environment())
    assert ran.stdout is not None
    assert any(line.startswith("Restarting the daemons") for line in ran.stdout)
    os.kill(int(masterd.read_text()), signal.SIGKILL)
    said = ran.communicate()[0]
    assert ran.returncode == 0, said
    assert "Starting ganeti-masterd, which has ended meanwhile" in said
    assert not drained(old)
    assert is_held(rapi)


def test_a_queue_that_an_upgrade_of_another_master_has_drained_is_named(
    old: VirtualCluster
) -> None:
    old.gnt("gnt-cluster", "queue", "drain")
    ran = old.gnt("gnt-cluster", "upgrade", "--resume")
    assert ran.lines == ["No upgrade is under way.",
                         "The queue is drained: gnt-cluster queue undrain opens it again."]
    old.gnt("gnt-cluster", "queue", "undrain")


def test_a_word_that_is_no_version_is_named(old: VirtualCluster) -> None:
    for words in ("--to", "latest"), ("--check", "--to", "latest"):
        assert "'latest' is no version" in old.try_("gnt-cluster", "upgrade", *words).stderr


@pytest.mark.torture
def test_an_administrators_drain_flag_stays(old: VirtualCluster, packages: Path) -> None:
    """And a version of before can be gone back to while it can read what is there."""
    install(packages, "1.10.0")
    old.gnt("gnt-cluster", "queue", "drain")
    old.gnt("gnt-cluster", "upgrade", "--to", "1.10.0")
    assert drained(old)
    old.gnt("gnt-cluster", "queue", "undrain")


def test_a_new_master_goes_on_with_what_the_old_one_began(
    old: VirtualCluster, packages: Path
) -> None:
    """And says so while its daemon is down."""
    install(packages, "1.14.0")
    begin(old, "1.14.0")
    old.gnt("gnt-cluster", "queue", "drain")
    old.tool("stop", "node1", "masterd")
    status, rows, _ = check(old)
    assert (status, rows["node1"][3]) == (1, "its master daemon does not run: start ganeti-masterd")
    assert "An upgrade to 1.14.0 was begun" in old.try_("gnt-cluster", "upgrade", "--check").stdout
    failed_over = old.on("node2", "gnt-cluster", "master-failover")
    assert failed_over.status == 0, failed_over
    ran = old.on("node1", "gnt-cluster", "upgrade", "--resume")
    assert "on the master node only, which is node2.example.com" in ran.stderr
    old.gnt("gnt-cluster", "upgrade", "--resume")
    assert old.gnt("gnt-cluster", "getmaster").lines == ["node2.example.com"]
    assert check(old)[::2] == (0, "All nodes run 1.14.0.")
    assert not drained(old)
    assert old.gnt("gnt-cluster", "upgrade", "--resume").stdout == "No upgrade is under way.\n"


@pytest.mark.parametrize("words", [[], ["--check", "--resume"], ["--resume", "--to", "2"]])
def test_options_that_do_not_go_together_are_refused(
    old: VirtualCluster, words: list[str]
) -> None:
    ran = old.try_("gnt-cluster", "upgrade", *words)
    assert ran.status != 0
    assert "--resume" in ran.stderr
