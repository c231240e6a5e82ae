"""The master's disk is full, or fails: what was accepted is kept, and each message says what to do.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from virtual_cluster import VirtualCluster, run, virtual_cluster, wait_until

from ganeti_core.errors import GanetiError
from ganeti_core.luxi.client import LuxiClient
from ganeti_core.pid_file import running_pid

MASTERD = "ganeti-masterd"
HERE = Path(__file__).parent
FINAL = ("success", "error", "canceled")
NO_OP = {"OP_ID": "OP_TEST_DELAY", "duration": 1e-6, "on_master": True}
CREATE = {"OP_ID": "OP_INSTANCE_CREATE", "instance_name": "inst1.example.com", "mode": "create",
          "disk_template": "file", "disks": [{"size": 1}], "nics": [{}], "os_type": "noop",
          "pnode": "node2.example.com", "hypervisor": "fake", "beparams": {"memory": 16},
          "name_check": False, "ip_check": False}
REMOVE = {"OP_ID": "OP_INSTANCE_REMOVE", "instance_name": "inst1.example.com",
          "shutdown_timeout": 0}
LONG = NO_OP | {"reason": [["test", "x" * 20_000, 1]]}


def delay(seconds: float) -> dict[str, Any]:
    return NO_OP | {"duration": seconds}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VirtualCluster]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(HERE / "bad_disk"), prepend=os.pathsep)
        with virtual_cluster(tmp_path_factory.mktemp("disk") / "c", "--nodes", "3") as made:
            yield made


def master(cluster: VirtualCluster) -> int | None:
    return running_pid(cluster.paths().daemon_pid(MASTERD))


def status(cluster: VirtualCluster, job: int) -> str | None:
    with cluster.luxi() as client:
        (row,) = client.query_jobs([job], ["status"])
    return row[0] if row else None


def ends(cluster: VirtualCluster, job: int) -> str:
    return wait_until(
        lambda: found if (found := status(cluster, job)) in FINAL else None, f"job {job} ends")


def submit(cluster: VirtualCluster, *ops: dict[str, Any]) -> int:
    with cluster.luxi() as client:
        return client.submit_job(list(ops))


def until_refused(cluster: VirtualCluster, op: dict[str, Any]) -> Iterator[int]:
    """Submit again and again; gives the accepted jobs."""
    with LuxiClient(cluster.paths().master_socket) as client:
        for _ in range(1000):
            yield client.submit_job([op])


def log_of(cluster: VirtualCluster) -> str:
    return (cluster.paths().log / "master-daemon.log").read_text()


# A disk that fails


@pytest.fixture
def sound(cluster: VirtualCluster) -> VirtualCluster:
    tried = subprocess.run(
        [sys.executable, "-c", "import bad_disk; bad_disk.refuse_to_sync()"],
        env=os.environ | {"PYTHONPATH": str(HERE / "bad_disk")}, capture_output=True, check=False)
    if tried.returncode:
        pytest.skip("this kernel has no filters of system calls (seccomp)")
    cluster.bring_back()
    return cluster


def fail_disk(cluster: VirtualCluster) -> int:
    pid = master(cluster)
    assert pid is not None
    os.kill(pid, signal.SIGUSR2)
    return pid


def test_a_failing_disk_ends_the_master_and_nothing_accepted_is_lost(sound: VirtualCluster) -> None:
    accepted = [submit(sound, NO_OP) for _ in range(3)]
    assert [ends(sound, job) for job in accepted] == ["success"] * 3
    fail_disk(sound)
    with pytest.raises(GanetiError, match="check the disk"):
        # The filter is there a moment after the signal.
        accepted.extend(until_refused(sound, NO_OP))
    wait_until(lambda: master(sound) is None, "the master ends by itself")
    assert "could not be written" in log_of(sound)
    sound.bring_back()
    assert [ends(sound, job) for job in accepted[:3]] == ["success"] * 3
    # One that ran in that moment was interrupted, and says so.
    assert {ends(sound, job) for job in accepted} <= {"success", "error"}
    assert ends(sound, submit(sound, NO_OP)) == "success"
    sound.verify()


def test_a_job_whose_disk_fails_under_it_is_undone(sound: VirtualCluster) -> None:
    job = submit(sound, delay(0.5), CREATE)
    wait_until(lambda: status(sound, job) == "running", "the job runs")
    fail_disk(sound)
    wait_until(lambda: master(sound) is None, "the master ends by itself")
    sound.bring_back()
    assert ends(sound, job) in ("success", "error")
    sound.verify()
    if sound.instances():
        assert ends(sound, submit(sound, REMOVE)) == "success"
    assert list((sound.root / "node2/srv/ganeti/file-storage").rglob("disk*")) == []


# A disk that is full


@contextmanager
def small_disk(cluster: VirtualCluster) -> Iterator[Path]:
    """Let the master's data live on a file system of 2 MiB; answers its mount point."""
    data = cluster.paths().data
    aside = data.with_name("aside")
    cluster.tool("stop", "node1")
    data.rename(aside)
    shutil.copytree(aside, data, symlinks=True)
    owner = data.stat()
    inside = data.with_name("inside")
    data.rename(inside)
    data.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "small", str(data)], check=True)
    try:
        shutil.copytree(inside, data, dirs_exist_ok=True)
        os.chown(data, owner.st_uid, owner.st_gid)
        data.chmod(owner.st_mode & 0o7777)
        cluster.bring_back()
        yield data
    finally:
        cluster.tool("stop", "node1")
        shutil.rmtree(inside)
        shutil.copytree(data, inside)
        subprocess.run(["umount", str(data)], check=True)
        data.rmdir()
        inside.rename(data)
        shutil.rmtree(aside)
        cluster.bring_back()


def fill(disk: Path) -> Path:
    """Leave no byte free."""
    ballast = disk / "ballast"
    with ballast.open("ab", buffering=0) as file:
        for size in (65536, 4096, 512, 1):
            with suppress(OSError):
                while True:
                    file.write(b"x" * size)
    return ballast


@pytest.mark.needs_root
def test_a_full_disk_refuses_what_is_new_and_keeps_what_it_accepted(
    cluster: VirtualCluster,
) -> None:
    with small_disk(cluster) as disk:
        job = submit(cluster, delay(0.5), CREATE)
        ballast = fill(disk)
        accepted: list[int] = []
        with pytest.raises(GanetiError, match="free some space"):
            # What is left of its log takes some more.
            accepted.extend(until_refused(cluster, LONG))
        pid = master(cluster)
        with cluster.luxi() as client:
            assert client.query_cluster_info()["master"] == "node1.example.com"
        refused = cluster.try_("gnt-debug", "delay", "0.001")
        # A small one may still find room in the log.
        assert refused.status == 0 or "free some space" in refused.stderr, refused
        ballast.unlink()
        assert [ends(cluster, one) for one in (job, *accepted)] == ["success"] * (
            1 + len(accepted))
        assert master(cluster) == pid, "nothing had to be restarted"
        assert cluster.instances() == [["inst1.example.com"]]
        cluster.verify()
        assert ends(cluster, submit(cluster, REMOVE)) == "success"
    cluster.verify()


@pytest.mark.needs_root
def test_a_master_that_starts_on_a_full_disk_says_so(cluster: VirtualCluster) -> None:
    with small_disk(cluster) as disk:
        job = submit(cluster, delay(0.01))
        assert ends(cluster, job) == "success"
        cluster.tool("stop", "node1", "masterd")
        ballast = fill(disk)
        ran = cluster.on("node1", "ganeti-masterd")
        assert ran.status == 1
        assert "free some space" in ran.stderr, ran
        assert "Traceback" not in ran.stderr
        ballast.unlink()
        cluster.bring_back()
        assert ends(cluster, job) == "success"
        assert run("mountpoint", str(disk)).status == 0
