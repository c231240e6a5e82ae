"""The hosts file: a host has one entry, and nothing else in it changes."""

from __future__ import annotations

import pytest
from virtual_cluster import VirtualCluster

from ganeti_core.node.services.hosts_file import with_host

FILE = """127.0.0.1 localhost
# the machines
192.0.2.1\tnode1.example.com node1 store # in the cellar
"""


@pytest.mark.parametrize(("name", "address", "lines"), [
    ("node1.example.com", "192.0.2.1", FILE.splitlines()),
    ("node2.example.com", "192.0.2.2", [*FILE.splitlines(), "192.0.2.2\tnode2.example.com node2"]),
    ("node1.example.com", "192.0.2.9", [
        *FILE.splitlines()[:2], "192.0.2.1\tstore # in the cellar",
        "192.0.2.9\tnode1.example.com node1"]),
    ("node1.example.com", "", [*FILE.splitlines()[:2], "192.0.2.1\tstore # in the cellar"]),
    ("node2.example.com", "", FILE.splitlines()),
    ("bare", "192.0.2.3", [*FILE.splitlines(), "192.0.2.3\tbare"]),
])
def test_a_host_has_one_entry_or_none(name: str, address: str, lines: list[str]) -> None:
    once = with_host(FILE, name, address)
    assert once.splitlines() == lines
    assert with_host(once, name, address) == once


def test_an_empty_file_gets_an_entry() -> None:
    assert with_host("", "node1.example.com", "192.0.2.1") == (
        "192.0.2.1\tnode1.example.com node1\n")


def test_nodes_that_come_and_go_are_named(make_cluster) -> None:
    cluster: VirtualCluster = make_cluster("--nodes", "2", "--hypervisor", "fake")
    hosts = cluster.paths("node1").hosts
    before = hosts.read_text()
    cluster.gnt("gnt-cluster", "modify", "--modify-etc-hosts=yes")
    cluster.gnt("gnt-node", "remove", "node2")
    assert "node2.example.com" in before
    assert "node2.example.com" not in hosts.read_text()
    assert "node1.example.com" in hosts.read_text()
    others = cluster.paths("node2").hosts.read_text()
    assert others == before, "only the master's file is changed"

    (address,) = [line.split()[0] for line in before.splitlines() if "node2" in line]
    with hosts.open("a") as file:  # found by whoever resolves names, and no entry of a node
        file.write(f"{address} NODE2.EXAMPLE.COM\n")
    cluster.gnt("gnt-node", "add", "--no-ssh-key-check", "node2.example.com")
    assert f"{address}\tnode2.example.com node2\n" in hosts.read_text()
