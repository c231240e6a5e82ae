"""``gnt-backup export --zero-free-space``: a helper guest works, then the instance's is back."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from virtual_cluster import VirtualCluster, wait_until

from ganeti_core.pid_file import is_held
from ganeti_core.plugin_api.testing.faults import write_faults

NAME = "zeroed.example.com"
EXPORT = ("gnt-backup", "export", "-n", "node2", "--zero-free-space", "--long-sleep",
          "--shutdown-timeout=0")


@pytest.fixture
def zeroed(cluster: VirtualCluster, tmp_path: Path) -> Iterator[VirtualCluster]:
    """A running instance on node1, and an image; afterwards nothing of a helper is left."""
    image = tmp_path / "zero.img"
    image.write_bytes(os.urandom(5000))
    cluster.gnt("gnt-cluster", "modify", f"--zeroing-image={image}")
    cluster.gnt("gnt-instance", "add", "-t", "file", "-s", "4m", "-o", "used+small", "-n", "node1",
                "--no-ip-check", "--no-name-check", NAME)
    yield cluster
    write_faults(faults(cluster), {})
    settle(cluster, 0)
    cluster.gnt("gnt-instance", "remove", "-f", "--shutdown-timeout=0", NAME)
    cluster.gnt("gnt-backup", "remove", NAME)
    with cluster.luxi() as client:
        assert client.debts() == []
    assert left(cluster) == []


def faults(cluster: VirtualCluster) -> Path:
    return cluster.root / "node1/etc/ganeti/fake-faults.json"


def settle(cluster: VirtualCluster, seconds: float) -> None:
    """Let helper guests take so long."""
    file = cluster.root / "node1/etc/ganeti/fake-node.json"
    file.write_text(json.dumps({"fake_helper_seconds": seconds}))


def left(cluster: VirtualCluster) -> list[str]:
    return [path.name for path in cluster.root.glob("node*/srv/ganeti/helper/*")]


def guest(cluster: VirtualCluster) -> dict[str, object]:
    file = cluster.root / f"node1/var/run/ganeti/plugins/hypervisors/fake/{NAME}.guest"
    try:
        return json.loads(file.read_text())
    except FileNotFoundError:
        return {}


def is_helper(cluster: VirtualCluster) -> bool:
    return bool(guest(cluster).get("ends"))


def is_back(cluster: VirtualCluster) -> bool:
    return guest(cluster).get("state") == "running" and not is_helper(cluster)


def logged(cluster: VirtualCluster, job: str, words: str) -> bool:
    with cluster.luxi() as client:
        return words in str(client.query_jobs([int(job)], ["oplog"]))


def exports(cluster: VirtualCluster) -> list[list[str]]:
    return [row for row in cluster.table("gnt-backup", "list") if row[1] == NAME]


def refused(cluster: VirtualCluster, *words: str, said: str) -> None:
    ran = cluster.try_("gnt-backup", "export", "-n", "node2", *words, NAME)
    assert ran.status == 1, ran
    assert said in ran.stderr, ran


@pytest.mark.parametrize("runs", [True, False])
def test_the_helper_works_before_the_disks_are_sent(zeroed: VirtualCluster, runs: bool) -> None:
    if not runs:
        zeroed.gnt("gnt-instance", "shutdown", "--timeout=0", NAME)
    told = zeroed.gnt(*EXPORT, NAME).stdout
    words = ["copying the image", "starting the helper guest", "the helper guest has finished",
             "Exporting disk/0"]
    assert [told.index(word) for word in words] == sorted(told.index(word) for word in words)
    assert exports(zeroed) == [["node2.example.com", NAME]]
    assert zeroed.instances("status") == [["running" if runs else "ADMIN_down"]]
    assert is_back(zeroed) is runs


def test_what_cannot_be_is_refused_before_anything_changes(zeroed: VirtualCluster) -> None:
    refused(zeroed, "--zeroing-timeout-fixed=5", said="only be used together with the "
            "--zero-free-space option")
    refused(zeroed, "--zero-free-space", "--noshutdown", said="Unless the instance is shut down")
    refused(zeroed, "--zero-free-space", "--long-sleep", "--zeroing-timeout-per-mib=-1",
            said="zeroing_timeout_per_mib is -1")
    refused(zeroed, "--zero-free-space", said="--long-sleep")
    for image, said in (("/nowhere/x.img", "Node node1.example.com: The image /nowhere/x.img is "
                         "not a file of this node"), ("", "A zeroing image must be set")):
        zeroed.gnt("gnt-cluster", "modify", f"--zeroing-image={image}")
        refused(zeroed, "--zero-free-space", "--long-sleep", said=said)
    ran = zeroed.try_("gnt-cluster", "modify", "--zeroing-image=x.img")
    assert "Zeroing image must be an absolute path or a URL" in ran.stderr, ran
    assert is_back(zeroed)


@pytest.mark.skipif(not shutil.which("partx"), reason="what chroot needs is not installed")
def test_a_hypervisor_that_boots_no_image_is_refused_by_name(zeroed: VirtualCluster) -> None:
    zeroed.gnt("gnt-cluster", "modify", "--enabled-hypervisors=fake,chroot")
    zeroed.gnt("gnt-instance", "add", "-t", "file", "-s", "4m", "-H", "chroot", "-n", "node1", "-o",
               "noop", "--no-install", "--no-start", "--no-nics", "--no-ip-check",
               "--no-name-check", "jail.example.com")
    ran = zeroed.try_(*EXPORT, "jail.example.com")
    assert ("Hypervisor chroot of instance jail.example.com cannot boot an image with the "
            "instance's disks (those that can are: fake") in ran.stderr
    zeroed.gnt("gnt-instance", "remove", "-f", "jail.example.com")
    zeroed.gnt("gnt-cluster", "modify", "--enabled-hypervisors=fake")


@pytest.mark.parametrize(("fault", "said"), [
    ("no image", "is not a file of this node"),
    ("no start", "cannot start"),
    ("never ends", "has not shut down within 0 seconds"),
    ("broken", "is crashed"),
    ("gone", "is gone without having shut down"),
])
def test_a_helper_that_fails_changes_nothing(
    zeroed: VirtualCluster, fault: str, said: str
) -> None:
    limits = ["--zeroing-timeout-fixed=0", "--zeroing-timeout-per-mib=0"]
    settle(zeroed, 600)
    if fault == "no image":
        zeroed.gnt("gnt-cluster", "modify", "--zeroing-image=/nowhere/x.img")
    if fault == "no start":
        write_faults(faults(zeroed), {"start": {
            "mode": "fail", "times": 1, "message": "it cannot start"}})
    if fault in ("broken", "gone"):
        limits = []
    job = zeroed.submit(*EXPORT, *limits, NAME)
    if fault in ("broken", "gone"):
        wait_until(lambda: is_helper(zeroed), "the helper runs")
        (file,) = zeroed.root.glob(f"node1/**/hypervisors/fake/{NAME}.guest")
        if fault == "gone":
            file.unlink()
        else:
            draft = file.with_suffix(".draft")
            draft.write_text(json.dumps({**guest(zeroed), "state": "crashed"}))
            draft.replace(file)
    ended = zeroed.try_("gnt-job", "watch", job)
    assert said in str(ended), ended
    assert is_back(zeroed)
    assert zeroed.instances("status") == [["running"]]
    assert exports(zeroed) == []
    assert left(zeroed) == []


@pytest.mark.parametrize("strike", ["cancel", "master", "node daemon", "later"])
def test_the_guest_comes_back_whatever_happens(zeroed: VirtualCluster, strike: str) -> None:
    settle(zeroed, 5 if strike in ("node daemon", "later") else 600)
    if strike == "later":
        zeroed.gnt("gnt-instance", "modify", "-O", "fails=export", NAME)
    job = zeroed.submit(*EXPORT, NAME)
    if strike != "later":
        # Not before the answer to its start has arrived.
        wait_until(lambda: logged(zeroed, job, "waiting for the helper guest"), "the helper runs")
    if strike == "cancel":
        zeroed.try_("gnt-job", "cancel", job)
    elif strike != "later":
        daemon = "ganeti-masterd" if strike == "master" else "ganeti-noded"
        held = zeroed.root / f"node1/var/run/ganeti/{daemon}.pid"
        os.kill(int(held.read_text().split()[0]), 9)
        # One that is still ending counts as one that runs.
        wait_until(lambda: not is_held(held), f"{daemon} is gone")
        zeroed.bring_back()
    ended = zeroed.try_("gnt-job", "watch", job)
    wait_until(lambda: is_back(zeroed), "the instance's own guest is back")
    assert left(zeroed) == []
    assert bool(exports(zeroed)) is (strike == "node daemon")
    assert ("cannot be read" in str(ended)) is (strike == "later")
