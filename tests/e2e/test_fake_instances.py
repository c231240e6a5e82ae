"""The life of instances on real daemons, with guests that are files; and what is refused."""

from __future__ import annotations

import re

import pytest
from virtual_cluster import Ran, VirtualCluster

NO_NETWORK = ("--no-nics", "--no-name-check", "--no-ip-check")
ONE = "one.example.com"


def add(cluster: VirtualCluster, name: str, *options: str) -> Ran:
    words = ["-t", "sharedfile", "-s", "1M", "-o", "noop", "-B", "memory=16M", *NO_NETWORK]
    return cluster.try_("gnt-instance", "add", *words, *options, name)


def state(cluster: VirtualCluster, name: str) -> list[str]:
    rows = {row[0]: row[1:] for row in cluster.instances("name", "pnode", "status")}
    return rows.get(name, [])


def disks(cluster: VirtualCluster) -> list[str]:
    folder = cluster.root / "shared"
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def serial(cluster: VirtualCluster) -> str:
    return re.findall(r"serial.*", cluster.gnt("gnt-cluster", "info").stdout)[:1]


def test_an_instance_from_its_creation_to_its_removal(cluster):
    assert add(cluster, ONE, "-n", "node1").status == 0
    assert state(cluster, ONE) == ["node1.example.com", "running"]
    assert len(disks(cluster)) == 1

    cluster.gnt("gnt-instance", "shutdown", ONE)
    assert state(cluster, ONE) == ["node1.example.com", "ADMIN_down"]
    cluster.gnt("gnt-instance", "startup", ONE)
    cluster.gnt("gnt-instance", "reboot", ONE)
    assert state(cluster, ONE) == ["node1.example.com", "running"]

    cluster.gnt("gnt-instance", "migrate", "-f", "-n", "node2", ONE)
    assert state(cluster, ONE) == ["node2.example.com", "running"]
    cluster.gnt("gnt-instance", "failover", "-f", "-n", "node3", ONE)
    assert state(cluster, ONE) == ["node3.example.com", "running"]
    cluster.verify()

    cluster.gnt("gnt-instance", "remove", "-f", ONE)
    assert state(cluster, ONE) == []
    assert disks(cluster) == []
    cluster.verify()


def test_the_allocator_chooses_where_none_is_named(cluster):
    for number in range(3):
        assert add(cluster, f"spread{number}.example.com").status == 0
    nodes = {row[0] for row in cluster.instances("pnode")}
    assert len(nodes) > 1
    for number in range(3):
        cluster.gnt("gnt-instance", "remove", "-f", f"spread{number}.example.com")


def test_info_tells_what_was_asked_for(cluster):
    assert add(cluster, ONE, "-n", "node2", "--tags", "blue").status == 0
    told = cluster.gnt("gnt-instance", "info", ONE).stdout
    assert "Instance name: one.example.com" in told
    assert "primary: node2.example.com" in told
    assert "Hypervisor: fake" in told
    assert [ONE, "blue"] in cluster.instances("name", "tags")


def test_submit_gives_a_job_that_can_be_watched(cluster):
    job = cluster.submit("gnt-debug", "delay", "0.1")
    assert cluster.gnt("gnt-job", "watch", job).status == 0
    assert cluster.table("gnt-job", "list", "-o", "status", job) == [["success"]]


def test_a_running_job_is_told_to_end(cluster):
    job = cluster.submit("gnt-debug", "delay", "30")
    told = cluster.try_("gnt-job", "cancel", job)
    assert "informed it anyway" in told.stdout + told.stderr
    cluster.try_("gnt-job", "wait", job)
    assert cluster.table("gnt-job", "list", "-o", "status", job)[0][0] in ("canceled", "error")


@pytest.mark.parametrize(("words", "complaint"), [
    (("gnt-instance", "startup", "nobody.example.com"), "does not match any instances"),
    (("gnt-instance", "add", "-t", "nonsense", "-s", "1M", "-o", "noop", *NO_NETWORK,
      ONE), "nonsense"),
    (("gnt-instance", "add", "-t", "sharedfile", "-s", "much", "-o", "noop", *NO_NETWORK, ONE),
     "-s"),
    (("gnt-instance", "add", "-t", "diskless", "-o", "noop", "-n", "node9", *NO_NETWORK, ONE),
     "node9"),
    (("gnt-instance", "add", "-t", "diskless", "-o", "nonsense", *NO_NETWORK, ONE), "nonsense"),
    (("gnt-instance", "add", "-t", "diskless", "-o", "noop", "-H", "kvm:", *NO_NETWORK, ONE),
     "kvm"),
    (("gnt-instance", "add", "-t", "diskless", "-o", "noop", "-H", "fake:colour=red", *NO_NETWORK,
      ONE), "colour"),
    (("gnt-instance", "add", "-t", "diskless", "-o", "noop", "-B", "memory=lots", *NO_NETWORK, ONE),
     "lots"),
    (("gnt-instance", "add", "-t", "diskless", "-o", "noop", "-B", "memory=60000G", *NO_NETWORK,
      ONE), "insufficient_resources"),
    (("gnt-node", "info", "node9"), "node9"),
    (("gnt-node", "modify", "--offline", "yes", "node1"), "master"),
])
def test_bad_input_is_refused_before_anything_changes(cluster, words, complaint):
    before = (cluster.instances("name", "status"), disks(cluster), serial(cluster))
    ran = cluster.try_(*words)
    assert ran.status != 0, ran
    assert complaint in ran.stderr + ran.stdout, ran
    assert "Traceback" not in ran.stderr
    assert (cluster.instances("name", "status"), disks(cluster), serial(cluster)) == before


def test_a_name_is_taken_once(cluster):
    assert add(cluster, ONE).status == 0
    ran = add(cluster, ONE)
    assert ran.status == 1
    assert "already in the cluster" in ran.stderr
    assert len(disks(cluster)) == 1


def test_an_offline_node_gets_no_instance(cluster):
    cluster.gnt("gnt-node", "modify", "--offline", "yes", "node3")
    try:
        ran = add(cluster, ONE, "-n", "node3")
        assert ran.status == 1
        assert "offline" in ran.stderr
        assert disks(cluster) == []
    finally:
        cluster.gnt("gnt-node", "modify", "--offline", "no", "node3")
