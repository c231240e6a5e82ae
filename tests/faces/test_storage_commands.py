"""``gnt-storage`` and ``repair-disk-sizes`` on a cluster of real daemons."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from virtual_cluster import VirtualCluster, wait_until

SCRIPTS = ("create", "remove", "grow", "attach", "detach", "setinfo", "verify")
FOLDER = "srv/ganeti/extstorage/shelf"


def install(cluster: VirtualCluster, node: str) -> Path:
    folder = cluster.paths(node).root / FOLDER
    folder.mkdir(parents=True)
    for script in SCRIPTS:
        (folder / script).write_text("#!/bin/sh\n")
        (folder / script).chmod(0o755)
    (folder / "parameters.list").write_text("speed How fast the provider is, unused\n")
    return folder


@pytest.fixture
def shelf(cluster: VirtualCluster) -> Iterator[dict[str, Path]]:
    """A provider on all nodes, by node."""
    folders = {node: install(cluster, node) for node in ("node1", "node2", "node3", "node4")}
    yield folders
    for folder in folders.values():
        shutil.rmtree(folder, ignore_errors=True)


def shown(cluster: VirtualCluster, *words: str) -> list[str]:
    return cluster.gnt("gnt-storage", *words).lines


def comes(cluster: VirtualCluster, words: tuple[str, ...], lines: list[str]) -> None:
    """Wait until a command shows `lines`: what a node said is taken again for a second."""
    wait_until(lambda: cluster.try_("gnt-storage", *words).lines == lines, "\n".join(lines),
               pause=0.3)


def test_no_provider_is_a_failure(cluster: VirtualCluster) -> None:
    for command, what in (("diagnose", "list of ExtStorage providers"),
                          ("info", "ExtStorage providers list")):
        ran = cluster.try_("gnt-storage", command)
        assert (ran.status, ran.stdout, ran.stderr) == (1, "", f"Can't get the {what}\n")


def test_a_provider_on_all_nodes(cluster: VirtualCluster, shelf: dict[str, Path]) -> None:
    comes(cluster, ("diagnose",), [
        "Provider: shelf", "---",
        *(f"  Node: {node}.example.com, status: valid (path: {shelf[node]}) [parameters: speed]"
          for node in shelf),
        "  --", "  For nodegroup: default --> valid", ""])
    described = ["shelf:", "  - Valid for nodegroups:", "      default",
                 "  - Supported parameters:", "      speed: How fast the provider is, unused", ""]
    assert shown(cluster, "info") == described
    assert shown(cluster, "info", "nosuch", "shelf") == [*described, "nosuch: Not Found", ""]


def test_what_is_wrong_on_single_nodes_is_named(
    cluster: VirtualCluster, shelf: dict[str, Path]
) -> None:
    (shelf["node1"] / "parameters.list").unlink()
    (shelf["node2"] / "grow").unlink()
    shutil.rmtree(shelf["node3"])
    comes(cluster, ("diagnose",), [
        "Provider: shelf", "---",
        f"  Node: node1.example.com, status: valid (path: {shelf['node1']}) [no parameters]",
        f"  Node: node4.example.com, status: valid (path: {shelf['node4']}) [parameters: speed]",
        "  Node: node2.example.com, status: invalid - it lacks the scripts grow (as files that can"
        f" be run) (path: {shelf['node2']}) [no parameters]",
        "  Node: node3.example.com, status: ExtStorage provider not found",
        "  --", "  For nodegroup: default --> invalid", ""])
    assert shown(cluster, "info", "shelf") == [
        "shelf:", "  - Invalid for all nodegroups", ""]


def test_recorded_sizes_of_disks_are_corrected(cluster: VirtualCluster) -> None:
    cluster.gnt("gnt-instance", "add", "-t", "file", "-s", "16M", "-n", "node2", "--no-start",
                "--no-install", "--no-name-check", "--no-ip-check", "--no-nics",
                "sized.example.com")
    try:
        assert cluster.gnt("gnt-cluster", "repair-disk-sizes").stdout == ""
        (file,) = (cluster.paths("node2").root / "srv/ganeti/file-storage").glob(
            "sized.example.com/*")
        os.truncate(file, 24 * 2**20)
        ran = cluster.gnt("gnt-cluster", "repair-disk-sizes", "sized")
        assert ran.stdout.endswith(
            " - INFO: Disk 0 of instance sized.example.com has mismatched size, correcting:"
            " recorded 16, actual 24\n")
        assert cluster.instances("disk.size/0") == [["24"]]
    finally:
        cluster.gnt("gnt-instance", "remove", "-f", "sized.example.com")
