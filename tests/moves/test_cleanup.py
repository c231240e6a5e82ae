"""What only tidies, or asks for a state that holds already."""

from __future__ import annotations

import shutil

from crowd import add, all_at_once, homes


def guest_file(cluster, node):
    return next((cluster.paths(node).plugin_state / "hypervisors/fake").glob("*.guest"))


def test_a_healthy_instance_is_not_failed_over_by_a_cleanup(cluster):
    name = add(cluster, "well", "node1", 128)
    before = guest_file(cluster, "node1").read_text()
    cleaned = cluster.gnt("gnt-instance", "failover", "-f", "--cleanup", name)
    assert ("instance confirmed to be running on its primary node (node1.example.com): there is "
            "nothing to clean up") in cleaned.stdout
    assert guest_file(cluster, "node1").read_text() == before
    cluster.gnt("gnt-instance", "shutdown", name)
    cleaned = cluster.gnt("gnt-instance", "failover", "-f", "--cleanup", name)
    assert "is stopped, as it should be" in cleaned.stdout


def test_a_cleanup_finds_where_the_guest_runs(cluster):
    add(cluster, "found", "node1", 128)
    file = guest_file(cluster, "node1")
    shutil.move(file, cluster.paths("node3").plugin_state / "hypervisors/fake" / file.name)
    cleaned = cluster.gnt("gnt-instance", "failover", "-f", "--cleanup", "found.example.com")
    assert "instance running on node node3.example.com, updating config" in cleaned.stdout
    assert homes(cluster) == {"found": "node3"}


def test_a_cleanup_does_not_choose_between_two_guests(cluster):
    add(cluster, "twice", "node1", 128)
    file = guest_file(cluster, "node1")
    copy = cluster.paths("node3").plugin_state / "hypervisors/fake" / file.name
    shutil.copy(file, copy)
    refused = cluster.try_("gnt-instance", "failover", "-f", "--cleanup", "twice.example.com")
    assert refused.status == 1
    assert "runs on node1.example.com and node3.example.com" in refused.stderr
    copy.unlink()
    file.unlink()
    refused = cluster.try_("gnt-instance", "failover", "-f", "--cleanup", "twice.example.com")
    assert "does not run anywhere" in refused.stderr
    assert homes(cluster) == {"twice": "node1"}


def test_a_cleanup_moves_nothing_where_it_is_told_to(cluster):
    name = add(cluster, "well", "node1", 128)
    [job] = all_at_once(cluster, {"OP_ID": "OP_INSTANCE_FAILOVER", "instance_name": name,
                                  "cleanup": True, "target_node": "node2"})
    assert job.error == "A cleanup moves nothing: give neither a target node nor an iallocator"


def state(cluster) -> str:
    [[found]] = cluster.instances("admin_state")
    return found


def test_states_that_hold_already_are_no_errors(cluster):
    name = add(cluster, "rests", "node1", 128)
    running = cluster.try_("gnt-instance", "modify", "--offline", name)
    assert "is marked to be up, can't change to offline without being down first" in running.stderr
    cluster.gnt("gnt-instance", "shutdown", name)
    cluster.gnt("gnt-instance", "modify", "--online", name)
    assert state(cluster) == "down"
    for _ in range(2):
        cluster.gnt("gnt-instance", "modify", "--offline", name)
        assert state(cluster) == "offline"
    cluster.gnt("gnt-instance", "shutdown", "--force", name)
    assert state(cluster) == "offline"
    assert cluster.try_("gnt-instance", "startup", name).status == 1
    cluster.gnt("gnt-instance", "modify", "--online", name)
    assert state(cluster) == "down"
