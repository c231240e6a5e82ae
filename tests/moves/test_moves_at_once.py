"""Moves that run at once see each other's choice: no node gets more than it has room for."""

from __future__ import annotations

from crowd import (
    MEMORY,
    NO_NETWORK,
    add,
    all_at_once,
    ended,
    homes,
    memory_used,
    spread,
    submitted,
)


def fill_up(cluster, left: int) -> None:
    """Leave so many MiB on each node but the first."""
    for number in (2, 3, 4):
        add(cluster, f"filler{number}", f"node{number}", MEMORY - left)


def test_big_guests_of_a_node_find_one_place_each(cluster):
    for number in (1, 2, 3):
        add(cluster, f"big{number}", "node1", 2048)
    fill_up(cluster, 3072)
    cluster.gnt("gnt-node", "failover", "-f", "node1")
    assert spread(cluster) == {"node2": 2, "node3": 2, "node4": 2}
    assert set(memory_used(cluster).values()) == {MEMORY - 3072 + 2048}


def test_small_guests_of_a_node_are_spread(cluster):
    for number in range(6):
        add(cluster, f"small{number}", "node1", 128)
    cluster.gnt("gnt-node", "migrate", "-f", "node1")
    found = spread(cluster)
    # What a node says of its memory may be a second old, so one may get a guest more than another.
    assert found.keys() == {"node2", "node3", "node4"}
    assert max(found.values()) <= 3, found


def test_several_moves_to_one_node_do_not_overcommit_it(cluster):
    names = [add(cluster, f"big{number}", "node1", 2048) for number in (1, 2, 3)]
    fill_up(cluster, 3072)
    jobs = all_at_once(cluster, *({
        "OP_ID": "OP_INSTANCE_FAILOVER", "instance_name": name, "target_node": "node2"}
        for name in names))
    assert sorted(job.status for job in jobs) == ["error", "error", "success"]
    assert all(job.error.startswith(
        "Not enough memory on node node2.example.com for failing over instance big")
        for job in jobs if job.status == "error"), jobs
    assert memory_used(cluster) == {"node1": 4096, "node2": 7168, "node3": 5120, "node4": 5120}


def test_guests_that_start_at_once_do_not_overcommit_their_node(cluster):
    names = [add(cluster, f"big{number}", "node1", 5000, "--no-start") for number in (1, 2, 3)]
    jobs = all_at_once(cluster, *({
        "OP_ID": "OP_INSTANCE_STARTUP", "instance_name": name} for name in names))
    assert sorted(job.status for job in jobs) == ["error", "error", "success"]
    assert memory_used(cluster) == {"node1": 5000}


def test_an_emergency_says_who_found_no_place_and_moves_the_rest(cluster):
    for number in (1, 2, 3):
        add(cluster, f"big{number}", "node1", 2048)
    fill_up(cluster, 1024)
    cluster.gnt("gnt-instance", "remove", "-f", "filler3.example.com")
    add(cluster, "filler3", "node3", MEMORY - 3072)
    ran = cluster.try_("gnt-node", "failover", "-f", "node1")
    stayed = sorted(f"{name}.example.com" for name, node in homes(cluster).items()
                    if node == "node1")
    assert len(stayed) == 2
    assert ran.status == 1
    assert "2 error(s) out of 3 instance(s)" in ran.stdout
    assert f"Still on node node1: {', '.join(stayed)}" in ran.stdout
    assert ran.stderr.count("Node node4.example.com failed: FailMem") == 2, ran


def test_an_evacuation_moves_whom_it_can_and_names_the_others(cluster):
    for number in (1, 2, 3):
        add(cluster, f"big{number}", "node1", 2048)
    fill_up(cluster, 1024)
    cluster.gnt("gnt-instance", "remove", "-f", "filler3.example.com")
    add(cluster, "filler3", "node3", MEMORY - 3072)
    ran = cluster.try_("gnt-node", "evacuate", "-f", "-p", "-I", "hail", "node1")
    stayed = sorted(f"{name}.example.com" for name, node in homes(cluster).items()
                    if node == "node1")
    assert len(stayed) == 2, ran
    assert ran.status == 1
    assert f"Still on node node1: {', '.join(stayed)}" in ran.stdout
    for name in stayed:
        assert f"Instance {name} cannot be moved: " in ran.stderr


def test_jobs_of_an_evacuation_have_their_room_before_they_begin(cluster):
    """A move that is only queued counts: nobody else gets the place that was chosen for it."""
    cluster.gnt("gnt-cluster", "modify", "--max-running-jobs=1")
    name = add(cluster, "moves", "node1", 2048)
    for number in (3, 4):
        add(cluster, f"filler{number}", f"node{number}", MEMORY - 1024)
    add(cluster, "filler2", "node2", MEMORY - 3072)
    jobs = all_at_once(
        cluster, {"OP_ID": "OP_NODE_EVACUATE", "node_name": "node1", "mode": "primary-only",
                  "iallocator": "hail"},
        {"OP_ID": "OP_INSTANCE_CREATE", "instance_name": "late.example.com", "mode": "create",
         "disks": [], "nics": [], "disk_template": "diskless", "os_type": "noop",
         "no_install": True, "beparams": {"memory": 2048}, "pnode": "node2", "name_check": False,
         "ip_check": False})
    cluster.gnt("gnt-cluster", "modify", "--max-running-jobs=20")
    assert [job.status for job in jobs] == ["success", "error"], jobs
    assert "needed 2048 MiB, available 1024 MiB" in jobs[1].error
    ended(cluster, *(job_id for _, job_id in jobs[0].result["jobs"]))
    assert homes(cluster)[name.split(".")[0]] == "node2"


def test_memory_that_a_start_really_uses_is_checked(cluster):
    name = add(cluster, "grows", "node1", 512)
    cluster.gnt("gnt-instance", "shutdown", name)
    too_much = cluster.try_("gnt-instance", "startup", "-B", f"memory={2 * MEMORY}", name)
    assert too_much.status == 1
    assert f"needed {2 * MEMORY} MiB, available {MEMORY} MiB" in too_much.stderr
    cluster.gnt("gnt-instance", "startup", "-B", f"memory={MEMORY}", name)
    assert memory_used(cluster) == {"node1": MEMORY}


def test_memory_that_a_reboot_needs_anew_is_checked(cluster):
    name = add(cluster, "grows", "node1", 512)
    cluster.gnt("gnt-instance", "modify", "-f", "--ignore-ipolicy", "-B",
                f"memory={2 * MEMORY}", name)
    assert "Not enough memory" in cluster.try_(
        "gnt-instance", "reboot", "--type=hard", name).stderr
    cluster.gnt("gnt-instance", "reboot", "--type=soft", name)
    cluster.gnt("gnt-instance", "modify", "-f", "-B", f"memory={MEMORY}", name)
    cluster.gnt("gnt-instance", "reboot", "--type=hard", name)
    assert memory_used(cluster) == {"node1": MEMORY}


def test_capacity_checks_can_be_switched_off_for_allocations(cluster):
    for number in (1, 2, 3, 4):
        add(cluster, f"filler{number}", f"node{number}", 5000)
    small = ("gnt-instance", "add", "-t", "diskless", "--no-install", "-o", "noop", "-B",
             "memory=128M", *NO_NETWORK, "small.example.com")
    # No node could bear the loss of another one.
    assert "FailN1: 4" in cluster.try_(*small).stderr
    cluster.gnt("gnt-cluster", "modify", "--default-iallocator-params=-no-capacity-checks")
    try:
        cluster.gnt(*small)
    finally:
        cluster.gnt("gnt-cluster", "modify", "--default-iallocator-params=")


def multi_alloc(*creations):
    return {"OP_ID": "OP_INSTANCE_MULTI_ALLOC", "instances": list(creations)}


def creation(name: str, memory: int, **more):
    return {"OP_ID": "OP_INSTANCE_CREATE", "instance_name": f"{name}.example.com",
            "mode": "create", "disk_template": "diskless", "disks": [], "nics": [],
            "os_type": "noop", "no_install": True, "beparams": {"memory": memory},
            "name_check": False, "ip_check": False, **more}


def test_instances_made_together_hold_their_room_before_they_exist(cluster):
    """Requests that are asked at once choose nodes of their own."""
    requests = all_at_once(cluster, *(multi_alloc(creation(name, 5000)) for name in "abc"))
    assert [request.status for request in requests] == ["success"] * 3, requests
    assert all(request.result["failed"] == [] for request in requests)
    jobs = [job for request in requests for _, job in request.result["jobs"]]
    made = ended(cluster, *jobs)
    assert [job.status for job in made] == ["success"] * 3, made
    assert set(spread(cluster).values()) == {1}


def test_an_instance_that_waits_to_be_made_has_its_room(cluster):
    """Others look for another place while its job is still queued."""
    all_at_once(cluster, creation("probe", 5000))
    favourite = homes(cluster)["probe"]
    cluster.gnt("gnt-instance", "remove", "-f", "probe.example.com")
    [blocker] = submitted(cluster, {
        "OP_ID": "OP_TEST_DELAY", "duration": 60.0, "on_master": True, "no_locks": True})
    [request] = all_at_once(cluster, multi_alloc(creation(
        "one", 5000, pnode=f"{favourite}.example.com", depends=[[blocker, ["canceled"]]])))
    [[_, waiting]] = request.result["jobs"]
    try:
        all_at_once(cluster, creation("other", 5000))
        assert homes(cluster)["other"] != favourite
    finally:
        with cluster.luxi() as client:
            client.call("CancelJob", blocker, False)
    [last] = ended(cluster, waiting)
    assert last.status == "success", last
    assert homes(cluster)["one"] == favourite
