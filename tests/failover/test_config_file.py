"""A cluster that is made anew from its exported configuration is the same cluster."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

from failing import master_runs, wait_for_equal_copies
from virtual_cluster import VirtualCluster, wait_until

DATA = Path(__file__).parent.parent / "data/config"


def test_out_and_in_again(make_cluster: Callable[..., VirtualCluster], tmp_path: Path) -> None:
    cluster = make_cluster("--nodes", "2", "--hypervisor", "fake")
    cluster.gnt("gnt-cluster", "add-tags", "kept:tag")
    cluster.gnt("gnt-instance", "add", "-t", "diskless", "-o", "none", "--no-install",
                "--no-name-check", "--no-ip-check", "-n", "node2", "-H", "fake",
                "inst1.example.com")
    listing = ("gnt-instance", "list", "-o", "name,uuid,pnode,hypervisor,status", "--no-headers")
    before = cluster.gnt(*listing).stdout
    file = tmp_path / "config.data"
    file.write_text("of an earlier export, which all may read")
    cluster.gnt("gnt-cluster", "export-config", "--all", str(file))
    assert file.stat().st_mode & 0o777 == 0o600
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "behind")
    cluster.gnt("gnt-cluster", "export-config", "--all", str(link))
    assert link.is_symlink(), "as /dev/stdout is one"
    assert link.read_text() == file.read_text()
    assert link.stat().st_mode & 0o777 == 0o600
    told = json.loads(cluster.gnt("gnt-cluster", "export-config").stdout)
    assert told["version"] == 3_000_000
    assert "ganeti_core" not in told
    refused = cluster.on("node1", "gnt-cluster", "import-config", str(file))
    assert refused.status == 1
    assert "already initialised" in refused.stderr
    cluster.tool("stop")
    for node in ("node1", "node2"):
        shutil.rmtree(cluster.paths(node).data)
    ran = cluster.on("node1", "gnt-cluster", "import-config", str(file))
    assert ran.status == 0, ran
    assert cluster.on("node1", "ganeti-noded").status == 0
    assert cluster.on("node1", "ganeti-masterd", "--no-voting", "--yes-do-it").status == 0
    assert cluster.on("node1", "gnt-node", "add", "--readd", "node2").status == 0
    cluster.gnt("gnt-cluster", "verify")
    assert cluster.gnt("gnt-cluster", "list-tags").stdout.strip() == "kept:tag"
    wait_for_equal_copies(cluster, "node1", "node2")
    # The guest outlived it all.
    wait_until(lambda: cluster.gnt(*listing).stdout == before, "the instance is what it was")
    cluster.tool("stop")
    cluster.tool("start")
    assert master_runs(cluster, "node1")


def test_only_a_node_of_the_cluster_can_take_it(
    make_cluster: Callable[..., VirtualCluster], tmp_path: Path,
) -> None:
    cluster = make_cluster("--nodes", "1", "--hypervisor", "fake")
    cluster.tool("stop")
    shutil.rmtree(cluster.paths().data)
    refused = cluster.on(
        "node1", "env", "GANETI_HOSTNAME=stranger.example.com", "gnt-cluster", "import-config",
        str(DATA / "ganeti-3.1.json"))
    assert refused.status == 1
    assert "stranger.example.com, is no node of that cluster" in refused.stderr
    assert not cluster.paths().database.exists()
    config = json.loads((DATA / "ganeti-3.0-lab.json").read_text())
    foreign = next(iter(config["instances"].values()))
    foreign["hypervisor"] = "bhyve"
    file = tmp_path / "config.data"
    file.write_text(json.dumps(config))
    ran = cluster.on("node1", "gnt-cluster", "import-config", str(file))
    assert ran.status == 0, ran
    assert "4 node(s), 5 instance(s)" in ran.stdout
    assert "Start ganeti-noded, then ganeti-masterd --no-voting --yes-do-it; then" in ran.stdout
    assert (f"WARNING: instance {foreign['name']} cannot be used here: there is no plugin for the"
            " hypervisor 'bhyve'") in ran.stderr
    assert ran.stderr.count("cannot be used here") == 1
    shutil.rmtree(cluster.paths().data)
