"""``gnt-cluster destroy``."""

from __future__ import annotations

from collections.abc import Callable

from virtual_cluster import VirtualCluster

from ganeti_core.plugin_api.testing.faults import write_faults


def test_the_address_of_a_cluster_goes_with_it(make_cluster: Callable[..., VirtualCluster]) -> None:
    cluster = make_cluster("--nodes", "1", "--hypervisor", "fake")
    paths = cluster.paths()
    script, log = paths.etc / "scripts/master-ip-setup", cluster.root / "log"
    script.parent.mkdir(parents=True, exist_ok=True)
    script.write_text(f'#!/bin/sh\necho "$1 $MASTER_IP" >> {log}\n')
    script.chmod(0o755)
    farewell = paths.scripts / "cluster-destroy-post.d/farewell"
    farewell.parent.mkdir(parents=True)
    farewell.write_text(f'#!/bin/sh\necho "farewell $GANETI_OP_TARGET" >> {log}\n')
    farewell.chmod(0o755)
    cluster.gnt("gnt-cluster", "modify", "--use-external-mip-script=yes")
    [[address]] = cluster.table("gnt-node", "list", "-o", "pip", "node1")
    log.unlink(missing_ok=True)
    cluster.gnt("gnt-cluster", "destroy", "--yes-do-it")
    # The script comes first: it may need the cluster's address.
    [said, line] = log.read_text().splitlines()
    assert said == "farewell cluster.example.com"
    action, told = line.split()
    assert action == "stop"
    assert told != address
    assert not paths.database.exists()


def test_what_earlier_jobs_have_left_is_named(make_cluster: Callable[..., VirtualCluster]) -> None:
    cluster = make_cluster("--nodes", "1", "--hypervisor", "fake")
    cluster.gnt("gnt-instance", "add", "-t", "diskless", "-o", "none", "--no-install", "-n",
                "node1", "--no-name-check", "--no-ip-check", "bad.example.com")
    write_faults(cluster.root / "node1/etc/ganeti/fake-faults.json", {
        "stop": {"mode": "fail", "message": "it clings to life"}})
    cluster.gnt("gnt-instance", "remove", "-f", "--ignore-failures", "--shutdown-timeout=0",
                "bad.example.com")
    told = cluster.gnt("gnt-cluster", "destroy", "--yes-do-it").stdout
    assert "given up with the cluster, and may still be there: stop bad.example.com (" in told
    assert "it clings to life" in told
