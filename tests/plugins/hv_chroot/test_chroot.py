"""chroot keeps the contract of hypervisors, with real processes below a real disk."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import ganeti_os_definitions
import pytest
from virtual_cluster import VirtualCluster, wait_until

from ganeti_core.plugin_api import DiskSpec, HookContext, HypervisorError, InstanceSpec
from ganeti_core.plugin_api.testing.contexts import make_context
from ganeti_core.plugin_api.testing.hypervisor import HypervisorContract
from ganeti_core.plugin_api.usage import GuestUsage
from ganeti_plugins.hv_chroot import ChrootHypervisor
from ganeti_plugins.hv_chroot.jails import Jail, jail

pytestmark = pytest.mark.needs_root

DEFINITION = ganeti_os_definitions.FOLDER / "container"
BUSYBOX = "/bin/busybox"


@pytest.fixture(scope="session")
def chroot_image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A disk as the OS definition makes it."""
    folder = tmp_path_factory.mktemp("chroot")
    if not os.access(BUSYBOX, os.X_OK):
        pytest.skip(f"{BUSYBOX} is not installed (apt-get install busybox-static)")
    if problems := ChrootHypervisor().verify(make_context(folder)):
        pytest.skip("; ".join(problems))
    path = folder / "image"
    with path.open("wb") as file:
        file.truncate(16 << 20)
    subprocess.run([DEFINITION / "create"], cwd=DEFINITION, check=True, timeout=60, env={
        "PATH": os.environ["PATH"], "DISK_COUNT": "1", "DISK_0_PATH": str(path),
        "DISK_0_ACCESS": "rw", "INSTANCE_NAME": "inst1.example.com"})
    if (tried := subprocess.run(["mount", "-o", "loop", path, folder], check=False, timeout=60,
                                capture_output=True, text=True)).returncode:
        pytest.skip(f"nothing can be mounted here: {tried.stderr}")
    subprocess.run(["umount", folder], check=True, timeout=60)
    return path


def instance_on(image: Path, folder: Path, name: str = "inst1.example.com") -> InstanceSpec:
    path = folder / f"{name}.raw"
    shutil.copyfile(image, path)
    disk = DiskSpec("d15c0000-0000-4000-8000-000000000001", 0, "file", 16, path=str(path))
    return InstanceSpec(
        uuid="c0ffee00-0000-4000-8000-000000000001", name=name, hypervisor="chroot",
        beparams={"maxmem": 64, "minmem": 32, "vcpus": 1}, disks=(disk,))


def traces(where: Path) -> Iterable[str]:
    """What guests leave outside their folder: loop devices, mounts."""
    loops = subprocess.run(["losetup", "--list", "--noheadings", "--output", "BACK-FILE"],
                           check=True, capture_output=True, text=True, timeout=20).stdout
    mounts = Path("/proc/self/mountinfo").read_text()
    return [line for line in (*loops.splitlines(), *mounts.splitlines()) if f"{where}/" in line]


class TestChrootHypervisor(HypervisorContract):
    @pytest.fixture
    def driver(self, chroot_image: Path) -> ChrootHypervisor:
        return ChrootHypervisor()

    @pytest.fixture
    def instance(self, chroot_image: Path, tmp_path: Path) -> InstanceSpec:
        return instance_on(chroot_image, tmp_path)

    @pytest.fixture
    def other_instance(self, chroot_image: Path, tmp_path: Path) -> InstanceSpec:
        return replace(instance_on(chroot_image, tmp_path, "other.example.com"),
                       uuid="c0ffee00-0000-4000-8000-000000000002")

    @pytest.fixture
    def unbootable(self, chroot_image: Path, tmp_path: Path) -> InstanceSpec:
        return replace(instance_on(chroot_image, tmp_path, "unbootable.example.com"),
                       hvparams={"init_script": "/no/such/script"},
                       uuid="c0ffee00-0000-4000-8000-000000000003")

    @pytest.fixture
    def unusable_params(self) -> list[dict[str, Any]]:
        return [{"init_script": "start.sh"}, {"init_script": "/a/../b"}, {"no_such_parameter": 1}]

    @pytest.fixture
    def more_footprint(self, tmp_path: Path) -> Callable[[], Iterable[str]]:
        return lambda: traces(tmp_path)


@pytest.fixture
def chroot(chroot_image: Path) -> ChrootHypervisor:
    return ChrootHypervisor()


@pytest.fixture
def ctx(tmp_path: Path, chroot: ChrootHypervisor) -> Iterator[HookContext]:
    context = make_context(tmp_path / "node1")
    yield context
    for folder in context.state.iterdir():
        chroot.stop(context, InstanceSpec("", folder.name, "chroot"), True, 0.0)


@pytest.fixture
def guest(
    chroot: ChrootHypervisor, ctx: HookContext, chroot_image: Path, tmp_path: Path
) -> Jail:
    chroot.start(ctx, instance_on(chroot_image, tmp_path), False)
    return jail(ctx, "inst1.example.com")


def test_a_clean_stop_runs_the_script_and_unmounts_what_is_below(
    chroot: ChrootHypervisor, ctx: HookContext, guest: Jail, tmp_path: Path
) -> None:
    subprocess.run(["mount", "-t", "proc", "proc", guest.root / "proc"], check=True, timeout=20)
    chroot.stop(ctx, InstanceSpec("", guest.name, "chroot"), False, 30.0)
    assert "CHROOT STOPS" in guest.log.read_text()
    assert traces(tmp_path) == []
    assert list(ctx.state.iterdir()) == []


def test_files_stay_from_one_start_to_the_next(
    chroot: ChrootHypervisor, ctx: HookContext, guest: Jail
) -> None:
    wait_until(lambda: (guest.root / "root/count").exists(), "it counts")
    chroot.reboot(ctx, InstanceSpec("", guest.name, "chroot"))
    first, second = [line for line in guest.log.read_text().splitlines() if "READY" in line]
    assert first.endswith("before=nothing")
    assert not second.endswith("before=nothing")


def test_what_it_has_used_is_counted(
    chroot: ChrootHypervisor, ctx: HookContext, guest: Jail
) -> None:
    # A jail whose programs start just now has no memory of its own for a moment.
    wait_until(lambda: only(chroot.usage(ctx)).memory > 0, "it uses memory")
    before = only(chroot.usage(ctx))
    with (guest.root / "written").open("wb") as file:
        file.write(b"x" * 65536)
        os.fsync(file.fileno())
    after = only(chroot.usage(ctx))
    assert after.cpu_seconds >= before.cpu_seconds
    assert after.disks[0].written_bytes >= before.disks[0].written_bytes + 65536
    assert after.nics == ()


def only(found: list[GuestUsage]) -> GuestUsage:
    (one,) = found
    return one


def test_one_whose_processes_start_others_all_the_time_can_be_paused(guest: Jail) -> None:
    """Who starts a program by vfork waits, deaf to signals, until that has begun."""
    busy = subprocess.Popen([sys.executable, "-c", (
        f"import os; os.chroot({str(guest.root.resolve())!r}); os.chdir('/')\n"
        "while True: os.waitpid(os.posix_spawn('/bin/busybox', ['true'], {}), 0)")])
    try:
        wait_until(lambda: busy.pid in [one.pid for one in guest.processes()], "it is there")
        for _ in range(60):
            guest.pause()
            assert {one.state for one in guest.processes()} <= {"T", "Z"}
            guest.send(signal.SIGCONT)
    finally:
        busy.kill()
        busy.wait()


def test_one_that_has_ended_is_cleared_away_when_the_daemon_starts(
    chroot: ChrootHypervisor, ctx: HookContext, guest: Jail, tmp_path: Path
) -> None:
    assert chroot.recover(ctx) == ["found inst1.example.com again"]
    guest.send(9)
    wait_until(lambda: guest.processes() == [], "it has ended")
    assert chroot.running(ctx) == []
    assert chroot.recover(ctx) == ["cleared away what inst1.example.com left"]
    assert traces(tmp_path) == []


def test_the_words_of_a_script_that_fails_are_in_the_error(
    chroot: ChrootHypervisor, ctx: HookContext, chroot_image: Path, tmp_path: Path
) -> None:
    instance = instance_on(chroot_image, tmp_path)
    with pytest.raises(HypervisorError, match=r"start: applet not found"):
        chroot.start(ctx, replace(instance, hvparams={"init_script": "/bin/busybox"}), False)
    assert traces(tmp_path) == []


def test_its_life_in_a_cluster(
    chroot_image: Path, make_cluster: Callable[..., VirtualCluster]
) -> None:
    cluster = make_cluster("--nodes", "1", "--hypervisor", "chroot", "--disk-templates", "file")
    cluster.gnt("gnt-instance", "add", "-t", "file", "-s", "16M", "-o", "container", "-n", "node1",
                "-B", "memory=64M", "--no-nics", "--no-name-check", "--no-ip-check",
                "a.example.com")
    assert cluster.instances("status") == [["running"]]
    shown = cluster.gnt("gnt-instance", "console", "--show-cmd", "a.example.com").stdout.split()
    ran = subprocess.run([*shown, "/bin/cat", "/etc/hostname"], check=True, capture_output=True,
                         text=True, timeout=20)
    assert ran.stdout == "a.example.com\n"
    cluster.gnt("gnt-instance", "reboot", "-t", "soft", "a.example.com")
    cluster.gnt("gnt-instance", "shutdown", "a.example.com")
    assert traces(cluster.root) == []
    cluster.gnt("gnt-instance", "start", "a.example.com")
    assert traces(cluster.root) != []
    cluster.tool("stop", "--crash", "node1")
    assert traces(cluster.root) == []
    cluster.bring_back()
    cluster.gnt("gnt-instance", "remove", "-f", "a.example.com")
    cluster.verify()
