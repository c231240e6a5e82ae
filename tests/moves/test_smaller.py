"""A guest that does not fit on the target as it is gives back memory before it is sent."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from crowd import NO_NETWORK, add, ended, homes, memory_used, submitted
from virtual_cluster import VirtualCluster

from ganeti_core.plugin_api.testing.faults import write_faults


@pytest.fixture
def guest(cluster: VirtualCluster) -> str:
    """One that has 4096 MiB on node1 and could do with 1024, while node2 has 2048 left."""
    add(cluster, "other", "node2", 6144)
    name = "elastic.example.com"
    cluster.gnt("gnt-instance", "add", "-t", "diskless", "--no-install", "-o", "noop",
                "-B", "minmem=1024M,maxmem=4096M", "-n", "node1", *NO_NETWORK, name)
    return name


@pytest.fixture
def no_transfer(cluster: VirtualCluster) -> Iterator[None]:
    """Node1 sends no guest."""
    control = cluster.paths("node1").root / "etc/ganeti/fake-faults.json"
    write_faults(control, {"migrate_out": {"mode": "fail"}})
    yield
    write_faults(control, {})


def migrate(cluster: VirtualCluster, guest: str, *options: str) -> tuple[int, str]:
    ran = cluster.try_("gnt-instance", "migrate", "-f", "-n", "node2", *options, guest)
    return ran.status, ran.stdout + ran.stderr


def test_it_gets_what_is_free_there(cluster, guest):
    status, said = migrate(cluster, guest)
    assert status == 0, said
    assert "* setting instance memory to 2048" in said
    assert homes(cluster) == {"other": "node2", "elastic": "node2"}
    assert memory_used(cluster) == {"node2": 6144 + 2048}


def test_it_stays_where_that_is_not_allowed(cluster, guest):
    status, said = migrate(cluster, guest, "--no-runtime-changes")
    assert status == 1
    assert "needed 4096 MiB, available 2048 MiB" in said
    assert memory_used(cluster) == {"node1": 4096, "node2": 6144}


def test_it_stays_where_its_least_does_not_fit(cluster, guest):
    cluster.gnt("gnt-instance", "modify", "-B", "minmem=3072M", guest)
    status, said = migrate(cluster, guest)
    assert status == 1
    assert "needed 3072 MiB, available 2048 MiB" in said
    assert memory_used(cluster) == {"node1": 4096, "node2": 6144}


@pytest.mark.usefixtures("no_transfer")
def test_it_has_its_memory_again_when_it_stays_after_all(cluster, guest):
    status, said = migrate(cluster, guest)
    assert status == 1
    assert "* setting instance memory to 2048" in said
    assert homes(cluster) == {"other": "node2", "elastic": "node1"}
    assert memory_used(cluster) == {"node1": 4096, "node2": 6144}


def test_two_that_go_at_once_share_what_is_free(cluster, guest):
    small = add(cluster, "small", "node1", 1024)
    found = ended(cluster, *submitted(cluster, *(
        {"OP_ID": "OP_INSTANCE_MIGRATE", "instance_name": name, "target_node": "node2"}
        for name in (guest, small))))
    went = [job for job in found if job.status == "success"]
    assert went
    assert memory_used(cluster)["node2"] <= 8192
