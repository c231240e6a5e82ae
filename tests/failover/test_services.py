"""What service managers see of the daemons, and how daemons are started where there is one."""

from __future__ import annotations

import collections
import configparser
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from virtual_cluster import VirtualCluster, wait_until

from ganeti_core.bootstrap import local_daemons
from ganeti_core.daemons.on_master import EXIT_NOT_MASTER
from ganeti_core.daemons.supervisor import Supervisor
from ganeti_core.daemons.vcluster.layout import Layout
from ganeti_core.errors import OpExecError
from ganeti_core.paths import Paths

UNITS = Path(__file__).resolve().parents[2] / "packaging/systemd"
PROGRAMS = Path(sys.executable).parent


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[socket.socket]:
    """A service manager's socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as made:
        made.bind(str(tmp_path / "notify"))
        made.settimeout(100.0)
        yield made


def started(cluster: VirtualCluster, node: str, program: str, notify: Path) -> subprocess.Popen:
    """Start a daemon as a unit does: in the foreground, told where to report."""
    environment = Layout.load(cluster.root).node(node).environment()
    return subprocess.Popen(
        [PROGRAMS / program, "--foreground"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        env={**environment, "NOTIFY_SOCKET": str(notify), "WATCHDOG_USEC": "200000"}, text=True)


@pytest.mark.parametrize(("node", "program"), [
    ("node1", "ganeti-masterd"), ("node2", "ganeti-noded")])
def test_a_daemon_says_when_it_serves_that_it_lives_and_when_it_ends(
    three_nodes: VirtualCluster, listener: socket.socket, tmp_path: Path, node: str, program: str,
) -> None:
    three_nodes.tool("stop", node, program.removeprefix("ganeti-"))
    process = started(three_nodes, node, program, tmp_path / "notify")
    try:
        assert listener.recv(100) == b"READY=1"
        assert [listener.recv(100) for _ in range(3)] == [b"WATCHDOG=1"] * 3
        if program == "ganeti-masterd":
            assert three_nodes.gnt("gnt-cluster", "getmaster").stdout == "node1.example.com\n"
        process.send_signal(signal.SIGTERM)
        while (word := listener.recv(100)) == b"WATCHDOG=1":
            pass
        assert word == b"STOPPING=1"
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.communicate()
        three_nodes.tool("start")


def test_a_daemon_that_hangs_gives_no_sign_of_life(
    three_nodes: VirtualCluster, listener: socket.socket, tmp_path: Path
) -> None:
    three_nodes.tool("stop", "node1", "masterd")
    process = started(three_nodes, "node1", "ganeti-masterd", tmp_path / "notify")
    try:
        assert listener.recv(100) == b"READY=1"
        process.send_signal(signal.SIGSTOP)
        listener.settimeout(1.0)
        with pytest.raises(TimeoutError):
            collections.deque(iter(lambda: listener.recv(100), b""), maxlen=0)
    finally:
        process.send_signal(signal.SIGCONT)
        process.kill()
        process.communicate()
        three_nodes.tool("start")


def test_a_master_daemon_elsewhere_ends_so_that_it_is_not_tried_again(
    three_nodes: VirtualCluster, tmp_path: Path
) -> None:
    process = started(three_nodes, "node2", "ganeti-masterd", tmp_path / "nobody")
    _, said = process.communicate(timeout=60)
    assert process.returncode == EXIT_NOT_MASTER
    assert "this is not the master node" in said
    unit = configparser.ConfigParser(strict=False)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(UNITS / "ganeti-masterd.service")
    assert unit["Service"]["RestartPreventExitStatus"] == str(EXIT_NOT_MASTER)


def test_what_is_started_from_a_daemon_is_not_asked_for(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody"))
    monkeypatch.setenv("WATCHDOG_USEC", "3000000")
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    found = Supervisor.from_environment()
    assert found.interval == 1.5
    assert not {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"} & os.environ.keys()
    found.serves()  # nobody listens: no failure
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody"))
    monkeypatch.setenv("WATCHDOG_USEC", "3000000")
    monkeypatch.setenv("WATCHDOG_PID", "1")
    assert Supervisor.from_environment().interval is None


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_the_units_are_understood(tmp_path: Path) -> None:
    """With programs that exist here: the packages' ones need not be installed."""
    for unit in UNITS.iterdir():
        text = unit.read_text().replace("/usr/sbin/ganeti-", f"{PROGRAMS}/ganeti-")
        (tmp_path / unit.name).write_text(
            "\n".join(line for line in text.splitlines() if not line.startswith("Documentation")))
    done = subprocess.run(
        ["systemd-analyze", "verify", *sorted(map(str, tmp_path.iterdir()))],
        capture_output=True, text=True, env={**os.environ, "SYSTEMD_LOG_LEVEL": "warning"})
    own = [line for line in done.stderr.splitlines() if "ganeti" in line]
    assert own == []
    assert done.returncode == 0, done.stderr


@pytest.fixture
def systemctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in for systemd's command; returns the file with what it was asked."""
    asked = tmp_path / "asked"
    program = tmp_path / "systemctl"
    program.write_text(f"""#!/bin/sh
echo "$@ $(cat {tmp_path}/run/*.once 2>/dev/null)" >> {asked}
case "$*" in *refused*) echo "Job failed" >&2; exit 1;; *ganeti-noded*|*ganeti-masterd*) ;;
*) exit 4;; esac
""")
    program.chmod(0o755)
    monkeypatch.setattr(local_daemons, "SYSTEMD", tmp_path)
    monkeypatch.setattr(Paths, "run", property(lambda _paths: tmp_path / "run"))
    (tmp_path / "run").mkdir()
    plain = local_daemons.run_command

    def here(words, **options):
        return plain([program if words[0] == "systemctl" else words[0], *words[1:]], **options)

    monkeypatch.setattr(local_daemons, "run_command", here)
    return asked


def test_daemons_of_a_real_host_are_started_as_its_units(systemctl: Path) -> None:
    local_daemons.start(Paths(Path("/")), local_daemons.NODED)
    local_daemons.start(Paths(Path("/")), local_daemons.MASTERD, ["--no-voting", "--yes-do-it"])
    assert systemctl.read_text().splitlines() == [
        "cat ganeti-noded.service ", "start ganeti-noded.service ",
        "cat ganeti-masterd.service ",
        "start ganeti-masterd.service MASTERD_ONCE=--no-voting --yes-do-it"]
    assert not list((systemctl.parent / "run").iterdir())
    with pytest.raises(OpExecError, match="journalctl -u ganeti-noded"):
        raise_with(systemctl)


def raise_with(systemctl: Path) -> None:
    program = systemctl.parent / "systemctl"
    program.write_text('#!/bin/sh\n[ "$1" = cat ]\n')
    local_daemons.start(Paths(Path("/")), local_daemons.NODED)


@pytest.mark.parametrize("enabled", [True, False])
def test_the_remote_api_is_started_unless_its_unit_is_disabled(
    systemctl: Path, enabled: bool
) -> None:
    program = systemctl.parent / "systemctl"
    program.write_text(f'#!/bin/sh\necho "$@" >> {systemctl}\n'
                       f'[ "$1" != is-enabled ] || {str(enabled).lower()}\n')

    assert local_daemons.start_rapi(Paths(Path("/"))) == ""

    assert ("start ganeti-rapi.service" in systemctl.read_text()) is enabled


def test_daemons_of_virtual_clusters_are_never_units(
    systemctl: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_daemons, "_program", lambda _daemon: ["true"])
    local_daemons.start(Paths(tmp_path / "elsewhere"), local_daemons.NODED)
    assert not systemctl.exists()


def test_a_cluster_is_whole_after_all_that(three_nodes: VirtualCluster) -> None:
    wait_until(lambda: three_nodes.try_("gnt-cluster", "verify").status == 0, "a clean cluster")
