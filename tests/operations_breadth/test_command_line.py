"""Commands on a running cluster: what is asked for is done, or refused by name."""

from __future__ import annotations

import json

import pytest
from jobs import instance
from virtual_cluster import VirtualCluster, wait_until


def test_a_dry_run_of_verify_runs_nothing(cluster: VirtualCluster) -> None:
    ran = cluster.gnt("gnt-cluster", "verify", "--dry-run")
    assert ran.stdout.endswith("\nThis was a dry run: no jobs were submitted.\n")


@pytest.mark.parametrize("code", ["ECLUSTERDANGLINGNODES", "ECLUSTERCERT", "ECLUSTERCLIENTCERT",
                                  "ENODETIME", "EINSTANCEDOWN", "EINSTANCEMISSINGDISK"])
def test_errors_can_be_simulated(
    cluster: VirtualCluster, simulated: str, code: str
) -> None:
    assert f"ERROR:{code}:" in simulated


@pytest.fixture(scope="module")
def simulated(cluster: VirtualCluster) -> str:
    with instance(cluster, "sim.example.com"):
        ran = cluster.try_("gnt-cluster", "verify", "--debug-simulate-errors", "--error-codes")
    assert ran.status == 1
    return ran.stdout


def test_the_search_paths_are_shown(cluster: VirtualCluster) -> None:
    shown = cluster.gnt("gnt-cluster", "info").stdout
    assert "  OS search path: /srv/ganeti/os, /usr/local/lib/ganeti/os" in shown
    assert "  ExtStorage Providers search path: /srv/ganeti/extstorage, " in shown


def test_a_limit_of_policy_is_named_once(cluster: VirtualCluster) -> None:
    ran = cluster.try_("gnt-instance", "add", "-t", "diskless", "-o", "noop", "--no-install",
                       "--no-nics", "--no-name-check", "--no-ip-check", "-n", "node1",
                       "-B", "memory=99999999", "big.example.com")
    assert ran.status == 1
    assert ran.stderr.count("memory-size value") == 1


def test_nothing_is_left_unchecked_by_autoarchive(cluster: VirtualCluster) -> None:
    assert cluster.gnt("gnt-job", "autoarchive", "1000d").stdout == (
        "Archived 0 jobs, 0 unchecked left\n")


def test_config_data_follows_on_every_candidate(cluster: VirtualCluster) -> None:
    def shown(node: str) -> str:
        file = cluster.paths(node).config_data
        return json.loads(file.read_text())["cluster"]["install_image"] if file.exists() else ""

    try:
        cluster.gnt("gnt-cluster", "modify", "--install-image=/exported.img")
        wait_until(lambda: {shown(f"node{number}") for number in (1, 2, 3)} == {"/exported.img"},
                   "config.data on three candidates")
    finally:
        cluster.gnt("gnt-cluster", "modify", "--install-image=")


def test_files_of_disks_follow_a_renamed_instance(cluster: VirtualCluster) -> None:
    storage = cluster.paths("node1").root / "srv/ganeti/file-storage"
    with instance(cluster, "before.example.com", disks=[{"size": 16}, {"size": 32}]):
        first = sorted(file.name for file in (storage / "before.example.com").iterdir())
        assert len(first) == 2
        cluster.gnt("gnt-instance", "rename", "-f", "--no-name-check", "--no-ip-check",
                    "before.example.com", "after.example.com")
        try:
            assert not (storage / "before.example.com").exists()
            assert sorted(one.name for one in (storage / "after.example.com").iterdir()) == first
            cluster.gnt("gnt-instance", "activate-disks", "after.example.com")
            cluster.gnt("gnt-instance", "deactivate-disks", "after.example.com")
            # A file in the way: nothing is changed.
            (storage / "third.example.com").mkdir()
            (storage / "third.example.com" / first[1]).write_text("in the way")
            refused = cluster.try_("gnt-instance", "rename", "-f", "--no-name-check",
                                   "--no-ip-check", "after.example.com", "third.example.com")
            assert refused.status == 1
            assert "there is such a disk already" in refused.stderr
            assert sorted(one.name for one in (storage / "after.example.com").iterdir()) == first
            assert [one.name for one in (storage / "third.example.com").iterdir()] == [first[1]]
        finally:
            cluster.gnt("gnt-instance", "rename", "-f", "--no-name-check", "--no-ip-check",
                        "after.example.com", "before.example.com")
    assert not (storage / "after.example.com").exists()
    (storage / "third.example.com" / first[1]).unlink()
    (storage / "third.example.com").rmdir()
    cluster.verify()
