"""Disks that belong to no instance are nobody else's to take, and no node is kept by what is lost.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jobs import do, fields, instance, refused, wait_for
from third_party import install, present
from virtual_cluster import VirtualCluster

GIVER, TAKER, SET = "giver.example.com", "taker.example.com", "OP_INSTANCE_SET_PARAMS"
DATA: list[dict[str, Any]] = [{"size": 16}, {"size": 24, "name": "data"}]
HOLDING = """
    import time
    from pathlib import Path

    from ganeti_core.plugin_api import DiskSpec, HookContext, hookimpl
    from ganeti_plugins.disk_file import FileTemplate


    class Holding(FileTemplate):
        name = "holding"
        setting = "holding_dir"
        default = "/srv/ganeti/holding"

        @hookimpl
        def close(self, ctx: HookContext, disk: DiskSpec) -> None:
            while (ctx.root / "hold").exists():
                time.sleep(0.05)
"""


def test_a_disk_is_attached_only_when_it_has_been_closed(
    make_cluster: Callable[..., VirtualCluster], tmp_path: Path
) -> None:
    install(tmp_path, "ganeti-holding", {"disk_templates:holding": "Holding"}, HOLDING)
    with present(tmp_path):
        cluster = make_cluster(
            "--nodes", "1", "--hypervisor", "fake", "--disk-templates", "holding")
    root = cluster.paths().root
    (root / "srv/ganeti/holding").mkdir(parents=True, exist_ok=True)
    with (instance(cluster, GIVER, disks=DATA, disk_template="holding"),
          instance(cluster, TAKER, disk_template="holding")):
        (root / "hold").touch()
        with cluster.luxi() as client:
            job = client.submit_job([{
                "OP_ID": SET, "instance_name": GIVER, "disks": [["detach", 1, {}]]}])
        until = time.monotonic() + 30
        while fields(cluster, "instance", GIVER, "disk.sizes") != [[16]]:
            assert time.monotonic() < until
            time.sleep(0.05)
        attach = {"instance_name": TAKER, "disks": [["attach", -1, {"name": "data"}]]}
        refused(cluster, SET, "is in use or being given away", "resource_not_unique", **attach)
        (root / "hold").unlink()
        assert wait_for(cluster, job).status == "success"
        do(cluster, SET, **attach)


def test_a_template_of_detached_disks_stays_enabled(cluster: VirtualCluster) -> None:
    with instance(cluster, GIVER, disks=DATA):
        ((_, uuid),) = fields(cluster, "instance", GIVER, "disk.uuids")
        do(cluster, SET, instance_name=GIVER, disks=[["detach", 1, {}]])
    refused(cluster, "OP_CLUSTER_SET_PARAMS", f"using it: the detached disk 'data' ({uuid})",
            "wrong_state", enabled_disk_templates=["diskless", "sharedfile"])
    with instance(cluster, TAKER, disk_template="diskless", disks=[]):
        do(cluster, SET, instance_name=TAKER, disks=[["attach", -1, {"uuid": uuid}]])


def test_what_is_lost_with_a_node_does_not_keep_it(
    make_cluster: Callable[..., VirtualCluster]
) -> None:
    cluster = make_cluster("--nodes", "2", "--hypervisor", "fake")
    with (instance(cluster, GIVER, disks=DATA, pnode="node2"),
          instance(cluster, TAKER, pnode="node2")):
        ((_, uuid),) = fields(cluster, "instance", GIVER, "disk.uuids")
        do(cluster, SET, instance_name=GIVER, disks=[["detach", 1, {}]])
        cluster.gnt("gnt-node", "modify", "--force", "--offline=yes", "node2")
        for _ in range(2):
            do(cluster, SET, instance_name=TAKER, disks=[["attach", -1, {"uuid": uuid}]])
            do(cluster, SET, instance_name=TAKER, disks=[["detach", 1, {}]])
    removed = cluster.gnt("gnt-node", "remove", "node2")
    assert f"given up with the node: the disk 'data' ({uuid})" in removed.stdout + removed.stderr
    do(cluster, "OP_CLUSTER_SET_PARAMS", enabled_disk_templates=["diskless"])
