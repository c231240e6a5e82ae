"""Nodes leave, come back, fail and are found out, on real daemons."""

from __future__ import annotations

from virtual_cluster import processes_of, wait_until

NODED = "ganeti-noded"


def names(cluster) -> list[str]:
    return [row[0] for row in cluster.table("gnt-node", "list", "-o", "name")]


def test_a_node_leaves_and_joins_again_by_ssh(cluster):
    cluster.gnt("gnt-node", "remove", "node3")
    assert names(cluster) == ["node1.example.com", "node2.example.com"]
    assert not (cluster.paths("node3").data / "node.key").exists()
    wait_until(lambda: NODED not in cluster.status()["node3"]["daemons"], "node3 is none any more")
    cluster.verify()

    cluster.gnt("gnt-node", "add", "--no-ssh-key-check", "node3.example.com")
    assert len(names(cluster)) == 3
    assert cluster.status()["node3"]["daemons"][NODED]["pid"]
    cluster.verify()


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
