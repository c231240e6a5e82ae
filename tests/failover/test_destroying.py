"""``gnt-cluster destroy``."""

from __future__ import annotations

from collections.abc import Callable

from virtual_cluster import VirtualCluster


def test_the_address_of_a_cluster_goes_with_it(make_cluster: Callable[..., VirtualCluster]) -> None:
    cluster = make_cluster("--nodes", "1", "--hypervisor", "fake")
    paths = cluster.paths()
    script, log = paths.etc / "scripts/master-ip-setup", cluster.root / "log"
    script.parent.mkdir(parents=True, exist_ok=True)
    script.write_text(f'#!/bin/sh\necho "$1 $MASTER_IP" >> {log}\n')
    script.chmod(0o755)
    cluster.gnt("gnt-cluster", "modify", "--use-external-mip-script=yes")
    [[address]] = cluster.table("gnt-node", "list", "-o", "pip", "node1")
    log.unlink(missing_ok=True)
    cluster.gnt("gnt-cluster", "destroy", "--yes-do-it")
    [line] = log.read_text().splitlines()
    action, told = line.split()
    assert action == "stop"
    assert told != address
    assert not paths.database.exists()
