"""Open, close, grow and recreate the disks of an instance."""

from __future__ import annotations

import json
from pathlib import Path

from jobs import do, fields, instance, refused, submit
from virtual_cluster import VirtualCluster, wait_until

from ganeti_core.plugin_api.testing.faults import write_faults

NAME = "disky.example.com"


def image(cluster: VirtualCluster, node: str = "node1", index: int = 0) -> Path:
    (found,) = (cluster.root / node).rglob(f"{NAME}/*.disk{index}")
    return found


def test_activation_tells_paths_and_is_remembered(cluster: VirtualCluster) -> None:
    with instance(cluster, NAME, disks=[{"size": 16}, {"size": 8}]) as name:
        rows = do(cluster, "OP_INSTANCE_ACTIVATE_DISKS", instance_name=name)
        assert rows == [["node1.example.com", "disk/0", str(image(cluster, index=0))],
                        ["node1.example.com", "disk/1", str(image(cluster, index=1))]]
        assert fields(cluster, "instance", name, "disks_active") == [True]
        do(cluster, "OP_INSTANCE_DEACTIVATE_DISKS", instance_name=name)
        assert fields(cluster, "instance", name, "disks_active") == [False]


def test_disks_of_a_new_instance_are_open_only_if_it_starts(cluster: VirtualCluster) -> None:
    log = cluster.paths().log / "node-daemon.log"
    for start in (False, True):
        with instance(cluster, NAME, start=start):
            told = log.read_text().rpartition("disk_templates file: open")[2]
            assert ("disk_templates file: close" in told) is not start


def test_disks_of_a_running_instance_stay_open(cluster: VirtualCluster) -> None:
    with instance(cluster, NAME, start=True) as name:
        refused(cluster, "OP_INSTANCE_DEACTIVATE_DISKS", "is marked to be up, cannot shutdown "
                "disks", "wrong_state", instance_name=name)


def test_disks_on_a_node_that_is_away_are_closed_when_it_comes_back(
    cluster: VirtualCluster
) -> None:
    """Also those of a second instance, when something is owed to the node already."""
    with instance(cluster, NAME, pnode="node2") as first, \
            instance(cluster, "second.example.com", pnode="node2") as second:
        for name in (first, second):
            do(cluster, "OP_INSTANCE_ACTIVATE_DISKS", instance_name=name)
        cluster.tool("stop", "node2", "ganeti-noded")
        try:
            for name in (first, second):
                cluster.gnt("gnt-instance", "deactivate-disks", "--force", name)
                assert (name, *fields(cluster, "instance", name, "disks_active")) == (name, False)
            told = cluster.gnt("gnt-node", "list-debts").stdout
            assert all(f"close disk 0 of {name}" in told for name in (first, second)), told
        finally:
            cluster.bring_back()
        cluster.gnt("gnt-node", "retry-debts", "--all")
        with cluster.luxi() as client:
            wait_until(lambda: client.debts() == [], "nothing is owed any more", 60.0)


def test_a_disk_grows(cluster: VirtualCluster) -> None:
    with instance(cluster, NAME) as name:
        ended = submit(cluster, {"OP_ID": "OP_INSTANCE_GROW_DISK", "instance_name": name,
                                 "disk": 0, "amount": 16})
        assert ended.status == "success"
        assert ended.messages[0][0] == f"Growing disk 0 of instance '{name}' by 16M to 32M"
        assert fields(cluster, "instance", name, "disk.sizes") == [[32]]
        assert image(cluster).stat().st_size == 32 << 20
        do(cluster, "OP_INSTANCE_GROW_DISK", instance_name=name, disk=0, amount=40, absolute=True)
        assert image(cluster).stat().st_size == 40 << 20


def seen(cluster: VirtualCluster) -> list[int]:
    """The sizes of grown disks that the running guest has been told."""
    (guest,) = cluster.root.glob(f"node1/var/run/ganeti/plugins/hypervisors/fake/{NAME}.guest")
    return list(json.loads(guest.read_text())["grown"].values())


def test_a_running_guest_sees_at_once_what_its_disk_has_grown(cluster: VirtualCluster) -> None:
    faults = cluster.paths("node1").root / "etc/ganeti/fake-faults.json"
    grow = {"OP_ID": "OP_INSTANCE_GROW_DISK", "instance_name": NAME, "disk": 0, "absolute": True}
    with instance(cluster, NAME, start=True) as name:
        ended = submit(cluster, {**grow, "amount": 20})
        assert ended.messages[0][-1] == (
            f" - INFO: The running guest of {name} sees disk 0 with 20 MiB now")
        assert seen(cluster) == [20]
        write_faults(faults, {"resize_disk": {"mode": "fail", "message": "no more seats"}})
        ended = submit(cluster, {**grow, "amount": 24})
        write_faults(faults, {})
        assert ended.status == "success"
        assert "does not see that: no more seats; it sees the new size" in ended.messages[0][-1]
        assert fields(cluster, "instance", name, "disk.sizes") == [[24]]
        assert seen(cluster) == [20]
        do(cluster, "OP_INSTANCE_GROW_DISK", instance_name=name, disk=0, amount=24, absolute=True)
        assert seen(cluster) == [24]


def test_a_guest_is_told_of_its_grown_disk_after_the_master_was_killed(
    cluster: VirtualCluster
) -> None:
    faults = cluster.paths("node1").root / "etc/ganeti/fake-faults.json"
    with instance(cluster, NAME, start=True) as name:
        write_faults(faults, {"resize_disk": {"mode": "block", "times": 1}})
        job = cluster.submit("gnt-instance", "grow-disk", name, "0", "4m")
        wait_until(lambda: '"times": 0' in faults.read_text(), "the guest is about to be told")
        assert fields(cluster, "instance", name, "disk.sizes") == [[20]]
        cluster.tool("stop", "node1", "ganeti-masterd", "--kill")
        write_faults(faults, {})
        cluster.bring_back()
        assert cluster.try_("gnt-job", "watch", job).status == 0
        assert seen(cluster) == [20]


def test_what_cannot_grow(cluster: VirtualCluster) -> None:
    with instance(cluster, NAME) as name:
        refused(cluster, "OP_INSTANCE_GROW_DISK", "Invalid disk index: 7 (instace has disks 0 to 0",
                "wrong_input", instance_name=name, disk=7, amount=1)
        refused(cluster, "OP_INSTANCE_GROW_DISK", "Invalid disk index: invalid literal",
                "wrong_input", instance_name=name, disk="x", amount=1)
        refused(cluster, "OP_INSTANCE_GROW_DISK", "is smaller than current disk size",
                "wrong_state", instance_name=name, disk=0, amount=8, absolute=True)
        refused(cluster, "OP_INSTANCE_GROW_DISK", "Not enough disk space",
                "insufficient_resources", instance_name=name, disk=0, amount=1 << 40,
                ignore_ipolicy=True)
        refused(cluster, "OP_INSTANCE_GROW_DISK", "disk-size/0 value", "wrong_input",
                instance_name=name, disk=0, amount=2_000_000 - 16)
        assert image(cluster).stat().st_size == 16 << 20


def test_a_lost_disk_is_made_anew(cluster: VirtualCluster) -> None:
    with instance(cluster, NAME, disks=[{"size": 16}, {"size": 8}]) as name:
        kept = image(cluster, index=1)
        image(cluster).unlink()
        do(cluster, "OP_INSTANCE_RECREATE_DISKS", instance_name=name, disks=[[0, {"size": 24}]])
        assert image(cluster).stat().st_size == 24 << 20
        assert kept.exists()
        assert fields(cluster, "instance", name, "disk.sizes") == [[24, 8]]


def test_disks_are_made_anew_on_another_node(cluster: VirtualCluster) -> None:
    with instance(cluster, NAME) as name:
        image(cluster).unlink()
        do(cluster, "OP_INSTANCE_RECREATE_DISKS", instance_name=name, nodes=["node3"])
        assert fields(cluster, "instance", name, "pnode") == ["node3.example.com"]
        assert image(cluster, "node3").exists()


def test_disks_that_are_made_anew_elsewhere_stay_in_their_folder(cluster: VirtualCluster) -> None:
    """Their template planned them again, as if nothing had been asked for when they were new."""
    with instance(cluster, NAME, disks=[{"size": 16, "file_storage_dir": "gold"}]) as name:
        before = image(cluster)
        assert before.parent.parent.name == "gold"
        before.unlink()
        do(cluster, "OP_INSTANCE_RECREATE_DISKS", instance_name=name, nodes=["node3"])
        assert image(cluster, "node3").relative_to(cluster.root / "node3") == (
            before.relative_to(cluster.root / "node1"))


def test_an_allocator_chooses_where_disks_are_made_anew(cluster: VirtualCluster) -> None:
    with instance(cluster, NAME, disks=[{"size": 16}, {"size": 8}]) as name:
        refused(cluster, "OP_INSTANCE_RECREATE_DISKS", "Give either the nodes or", "wrong_input",
                instance_name=name, nodes=["node2"], iallocator="hail")
        do(cluster, "OP_NODE_SET_PARAMS", node_name="node2", drained=True, force=True)
        try:
            for index in range(2):
                image(cluster, index=index).unlink()
            ended = submit(cluster, {"OP_ID": "OP_INSTANCE_RECREATE_DISKS", "instance_name": name,
                                     "iallocator": "hail"})
        finally:
            do(cluster, "OP_NODE_SET_PARAMS", node_name="node2", drained=False)
        assert ended.status == "success", ended
        ((*_, said),) = [[line for line in log if "Selected nodes" in line]
                         for log in ended.messages]
        chosen = said.rpartition(" ")[2]
        assert chosen in ("node1.example.com", "node3.example.com")
        assert fields(cluster, "instance", name, "pnode") == [chosen]
        assert image(cluster, chosen.partition(".")[0]).exists()


def test_what_cannot_be_made_anew(cluster: VirtualCluster) -> None:
    with instance(cluster, NAME) as name:
        refused(cluster, "OP_INSTANCE_RECREATE_DISKS", "it cannot be made anew", "wrong_state",
                instance_name=name)
        refused(cluster, "OP_INSTANCE_RECREATE_DISKS", "Invalid disk index 3", "wrong_input",
                instance_name=name, disks=[3])
        refused(cluster, "OP_INSTANCE_RECREATE_DISKS", "'vg' cannot be changed", "wrong_input",
                instance_name=name, disks=[[0, {"vg": "x"}]])
        refused(cluster, "OP_INSTANCE_RECREATE_DISKS", "replacement nodes", "wrong_input",
                instance_name=name, nodes=["node2", "node3"])
    with instance(cluster, NAME, disk_template="diskless", disks=[]) as name:
        refused(cluster, "OP_INSTANCE_RECREATE_DISKS", f"Instance '{name}' has no disks",
                "wrong_input", instance_name=name)
    with instance(cluster, NAME, start=True) as name:
        refused(cluster, "OP_INSTANCE_RECREATE_DISKS", "is marked to be up, cannot recreate",
                "wrong_state", instance_name=name)
