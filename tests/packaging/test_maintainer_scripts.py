"""The package's scripts, run as dpkg runs them, with a systemctl that keeps what it is told."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ganeti_core.paths import Paths

DEBIAN = Path(__file__).resolve().parents[2] / "packaging/debian"
SYSTEMCTL = """#!/bin/sh
cd "$STATE"
verb=$1; shift
echo "$verb $*" >>calls
for unit in "$@"; do
    case $verb in
    enable) touch "enabled-$unit" ;;
    disable) rm -f "enabled-$unit" ;;
    is-enabled) [ "$unit" = --quiet ] || [ -e "enabled-$unit" ] || exit 1 ;;
    start) touch "active-$unit" ;;
    stop) rm -f "active-$unit" ;;
    esac
done
"""


DAEMON = """
import sys, time
from pathlib import Path
from ganeti_core.pid_file import PidFile
held = PidFile.lock(Path(sys.argv[1]))
print("holds", flush=True)
time.sleep(600)
"""


class Host:
    """Folders in the place of those that the scripts name."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.state = root / "state"
        for folder in ("state", "bin", "data", "init"):
            (root / folder).mkdir()
        for name, text in (("systemctl", SYSTEMCTL), ("systemd-sysusers", "#!/bin/sh\n"),
                           ("systemd-tmpfiles", "#!/bin/sh\n")):
            (root / "bin" / name).write_text(text)
            (root / "bin" / name).chmod(0o755)

    def run(self, script: str, *arguments: str) -> None:
        text = (DEBIAN / script).read_text()
        text = text.replace("/var/lib/ganeti", str(self.root / "data")).replace(
            "/run/systemd/system", str(self.root / "init")).replace(
            "/usr/lib/ganeti-core/bin/python", sys.executable).replace(
            "stop_node /", f"stop_node {self.root}")
        environment = os.environ | {
            "PATH": f"{self.root}/bin:{os.environ['PATH']}", "STATE": str(self.state)}
        subprocess.run(["/bin/sh", "-s", *arguments], input=text, text=True, check=True,
                       env=environment)

    def units(self, what: str) -> set[str]:
        return {file.name.removeprefix(f"{what}-") for file in self.state.glob(f"{what}-*")}


@pytest.fixture
def host(tmp_path: Path) -> Host:
    found = Host(tmp_path)
    found.run("postinst", "configure")
    assert {"ganeti.target", "ganeti-noded.service"} <= found.units("enabled")
    assert found.units("active") == {"ganeti.target"}
    return found


def test_removed_and_installed_again_it_runs_again(host: Host) -> None:
    """dpkg tells the version that was removed, as in an upgrade."""
    (host.state / "enabled-ganeti-rapi.service").unlink()
    before = host.units("enabled")
    host.run("prerm", "remove")
    host.run("postrm", "remove")
    assert host.units("enabled") == host.units("active") == set()
    host.run("postinst", "configure", "0.1.0-1")
    assert host.units("enabled") == before, "with the administrator's choice"
    assert host.units("active") == {"ganeti.target"}
    assert not list((host.root / "data").iterdir())


def test_a_removal_that_is_given_up_leaves_it_running(host: Host) -> None:
    before = host.units("enabled")
    host.run("prerm", "remove")
    host.run("postinst", "abort-remove")
    assert (host.units("enabled"), host.units("active")) == (before, {"ganeti.target"})


def test_an_upgrade_restarts_what_runs_and_enables_nothing(host: Host) -> None:
    (host.state / "enabled-ganeti-mond.service").unlink()
    before = host.units("enabled")
    (host.state / "calls").unlink()
    host.run("prerm", "upgrade", "0.2.0-1")
    host.run("postinst", "configure", "0.1.0-1")
    assert host.units("enabled") == before
    calls = [line.split()[0] for line in (host.state / "calls").read_text().splitlines()]
    assert calls == ["daemon-reload", "try-restart"]


def test_after_a_purge_it_is_new(host: Host) -> None:
    (host.state / "enabled-ganeti-rapi.service").unlink()
    host.run("prerm", "remove")
    host.run("postrm", "remove")
    host.run("postrm", "purge")
    host.run("postinst", "configure")
    assert "ganeti-rapi.service" in host.units("enabled")


def test_without_an_init_system_the_daemons_end_before_the_removal(host: Host) -> None:
    (host.root / "init").rmdir()
    file = Paths(host.root).daemon_pid("ganeti-noded")
    file.parent.mkdir(parents=True)
    with subprocess.Popen([sys.executable, "-c", DAEMON, str(file)],
                          stdout=subprocess.PIPE) as daemon:
        assert daemon.stdout is not None
        assert daemon.stdout.readline() == b"holds\n"
        host.run("prerm", "remove")
        assert daemon.wait() == -signal.SIGTERM
