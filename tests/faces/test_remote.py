"""``gnt-cluster command`` and ``copyfile``: by ssh, which a virtual cluster has, too."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from virtual_cluster import VirtualCluster

from ganeti_core.cli.cluster.remote import receiver

LINE = "-" * 48


@pytest.fixture
def offline(cluster: VirtualCluster) -> Iterator[str]:
    cluster.gnt("gnt-node", "modify", "--offline=yes", "--auto-promote", "node4")
    yield "node4.example.com"
    cluster.gnt("gnt-node", "modify", "--offline=no", "node4")


def test_a_command_runs_on_all_nodes_the_master_last(cluster: VirtualCluster) -> None:
    ran = cluster.gnt("gnt-cluster", "command", "echo $GANETI_HOSTNAME; echo odd >&2; exit 3")
    assert ran.stdout == "".join(
        f"{LINE}\nnode: {node}\n{node}\nodd\n\nreturn code = 3\n"
        for node in (f"node{at}.example.com" for at in (2, 3, 4, 1)))


def test_some_nodes_and_short_forms(cluster: VirtualCluster, offline: str) -> None:
    ran = cluster.gnt("gnt-cluster", "command", "-M", "-n", "node4", "-n", "node2", "echo", "a")
    assert (ran.lines, ran.stderr) == (
        [LINE, "node2.example.com: a", "return code = 0"],
        f"Note: skipping offline node(s): {offline}\n")
    ran = cluster.gnt("gnt-cluster", "command", "--failure-only", "-g", "default",
                      '[ "$GANETI_HOSTNAME" != node3.example.com ]')
    assert ran.lines == [LINE, "node: node3.example.com", "", "return code = 1"]


@pytest.mark.parametrize(("words", "why"), [
    (["command", "-n", "node9", "true"], "Node name node9 not found"),
    (["command", "-g", "nosuch", "true"], "Group name nosuch not found"),
    (["copyfile", "/nosuch"], "No such filename '/nosuch'"),
    (["copyfile", "/usr"], "'/usr' is not a regular file"),
    (["copyfile", "/bin/sh"], "All nodes of this virtual cluster share /bin/sh: only files below"),
])
def test_what_is_refused(cluster: VirtualCluster, words: list[str], why: str) -> None:
    ran = cluster.try_("gnt-cluster", *words)
    assert ran.status == 1
    assert why in ran.stderr


def test_a_file_is_copied_with_its_mode_and_time(cluster: VirtualCluster) -> None:
    def there(node: str) -> Path:
        return cluster.paths(node).root / "etc/ganeti/it's new"

    there("node1").write_bytes(b"\0one\n" * 1000)
    there("node1").chmod(0o750)
    os.utime(there("node1"), (1_700_000_000, 1_700_000_000))
    assert cluster.gnt("gnt-cluster", "copyfile", "-n", "node2", str(there("node1"))).stdout == ""
    assert not there("node3").exists()
    there("node2").write_text("older")
    cluster.gnt("gnt-cluster", "copyfile", "--use-replication-network", "-n", "node1", "-n",
                "node2", "-n", "node3", str(there("node1")))
    for node in ("node2", "node3"):
        found = there(node).stat()
        assert there(node).read_bytes() == there("node1").read_bytes()
        assert (found.st_mode & 0o777, found.st_mtime) == (0o750, 1_700_000_000)
        assert [path.name for path in there(node).parent.glob("it*")] == ["it's new"]


def test_what_has_not_arrived_whole_replaces_nothing(tmp_path: Path) -> None:
    (tmp_path / "sent").write_bytes(b"whole")
    (tmp_path / "there").write_text("older")
    command = receiver("there", (tmp_path / "sent").stat())
    for arrived, status, content in ((b"who", 1, "older"), (b"whole", 0, "whole")):
        ran = subprocess.run(["/bin/sh", "-c", command], input=arrived, timeout=30,
                             env=os.environ | {"GANETI_ROOT": str(tmp_path)}, check=False)
        assert (ran.returncode, (tmp_path / "there").read_text()) == (status, content)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["sent", "there"]


def test_where_it_cannot_be_written_is_named_and_fails(cluster: VirtualCluster) -> None:
    file = cluster.paths().root / "etc/only-here/file"
    file.parent.mkdir()
    file.touch()
    ran = cluster.try_("gnt-cluster", "copyfile", "-n", "node2", str(file))
    assert ran.status == 1
    assert ran.stderr.startswith(
        f"Copy of file {file} to node node2.example.com:22 failed (mktemp: "), ran
