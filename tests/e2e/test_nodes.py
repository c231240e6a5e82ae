"""Nodes leave, come back, fail and are found out, on real daemons."""

from __future__ import annotations

from virtual_cluster import processes_of, wait_until

NODED = "ganeti-noded"


def names(cluster) -> list[str]:
    return [row[0] for row in cluster.table("gnt-node", "list", "-o", "name")]


def test_a_node_leaves_and_joins_again_by_ssh(cluster, tmp_path):
    farewell, log = cluster.paths("node3").scripts / "node-remove-post.d/farewell", tmp_path / "log"
    farewell.parent.mkdir(parents=True)
    farewell.write_text(f'#!/bin/sh\nenv > {log}; echo but not gladly; exit 1\n')
    farewell.chmod(0o755)
    said = cluster.gnt("gnt-node", "remove", "node3")
    farewell.unlink()
    assert "GANETI_POST_NODE_NAME=node3.example.com" in log.read_text().splitlines()
    assert "On node3.example.com script node-remove-post.d/farewell failed" in (
        said.stdout + said.stderr)
    assert names(cluster) == ["node1.example.com", "node2.example.com"]
    assert not (cluster.paths("node3").data / "node.key").exists()
    wait_until(lambda: NODED not in cluster.status()["node3"]["daemons"], "node3 is none any more")
    cluster.verify()

    wrong = cluster.paths("node3").hosts
    right = wrong.read_text()
    wrong.write_text("198.51.100.7 node1.example.com node1\n" + right)
    refused = cluster.try_("gnt-node", "add", "--no-ssh-key-check", "node3.example.com")
    assert refused.status == 1
    assert "the name node1.example.com resolves to 198.51.100.7 here" in refused.stderr
    assert not (cluster.paths("node3").data / "node.key").exists()
    wrong.write_text(right)
    cluster.gnt("gnt-node", "add", "--no-ssh-key-check", "node3.example.com")
    assert len(names(cluster)) == 3
    assert cluster.status()["node3"]["daemons"][NODED]["pid"]
    cluster.verify()


def test_hosts_are_looked_at_before_they_are_nodes(cluster):
    fine = cluster.gnt("gnt-node", "preflight", "node1.example.com", "node2.example.com")
    assert "node1.example.com: ready to be a node" in fine.lines
    assert "node2.example.com: ready to be a node" in fine.lines
    lost = cluster.try_("gnt-node", "preflight", "-s", "198.51.100.9", "node2.example.com")
    assert lost.status == 1
    assert "error: no network interface of this host has the address 198.51.100.9" in lost.stdout
    some = cluster.try_("gnt-node", "preflight", "nosuch.invalid", "node2.example.com")
    assert some.status == 1
    assert "nosuch.invalid: error: The given name (nosuch.invalid) does not resolve" in some.stdout
    assert "node2.example.com: ready to be a node" in some.stdout


def test_listing_says_what_is_known_of_a_dead_node(cluster):
    cluster.tool("stop", "--kill", "node2")
    def memory() -> dict[str, str]:
        return dict(cluster.table("gnt-node", "list", "-o", "name,mtotal"))

    # What was asked a moment ago may be told again.
    wait_until(lambda: memory()["node2.example.com"] == "?", "node2 is unknown", pause=0.3)
    assert memory()["node1.example.com"].isdigit()
    found = cluster.try_("gnt-cluster", "verify")
    assert found.status == 1
    assert "node2.example.com" in found.stdout
    cluster.bring_back()
    cluster.verify()


def test_workers_end_with_the_daemon_that_is_killed(cluster):
    cluster.tool("stop", "--kill", "node2")
    wait_until(lambda: not [line for line in processes_of(cluster.root / "node2") if line],
               "no worker outlives its daemon")


def test_masterd_is_killed_and_goes_on_where_it_was(cluster):
    job = cluster.submit("gnt-debug", "delay", "0.2")
    cluster.tool("stop", "--kill", "node1", "masterd")
    cluster.bring_back()
    wait_until(lambda: cluster.table("gnt-job", "list", "-o", "status", job)[0][0]
               in ("success", "error"), "the job has ended", pause=0.2)
    assert len(names(cluster)) == 3
    cluster.verify()
