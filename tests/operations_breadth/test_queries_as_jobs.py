"""Queries as jobs, and the checks of disks."""

from __future__ import annotations

from pathlib import Path

from jobs import do, instance, refused, wait_for
from virtual_cluster import VirtualCluster


def test_queries_as_jobs(cluster: VirtualCluster) -> None:
    answer = do(cluster, "OP_QUERY", what="node", fields=["name"],
                qfilter=["=", "name", "node2.example.com"])
    assert answer["data"] == [[[0, "node2.example.com"]]]
    described = do(cluster, "OP_QUERY_FIELDS", what="node", fields=["name", "nosuch"])["fields"]
    assert [field["kind"] for field in described] == ["text", "unknown"]
    assert do(cluster, "OP_CLUSTER_QUERY")["master"] == "node1.example.com"
    assert do(cluster, "OP_CLUSTER_CONFIG_QUERY", output_fields=["master_node"]) == [
        "node1.example.com"]
    refused(cluster, "OP_CLUSTER_CONFIG_QUERY", "Unknown output fields selected: nosuch",
            "wrong_input", output_fields=["nosuch"])


def test_storage_providers(cluster: VirtualCluster) -> None:
    assert do(cluster, "OP_EXT_STORAGE_DIAGNOSE", output_fields=["name"], names=["nosuch"]) == []
    refused(cluster, "OP_EXT_STORAGE_DIAGNOSE", "Unknown output fields selected: nosuch",
            "wrong_input", output_fields=["nosuch"])


def test_missing_disks_are_found(cluster: VirtualCluster) -> None:
    with instance(cluster, "holes.example.com") as name:
        do(cluster, "OP_INSTANCE_ACTIVATE_DISKS", instance_name=name)
        (image,) = Path(cluster.root / "node1").rglob(f"{name}/*.disk0")
        away = image.rename(image.with_suffix(".away"))
        result = do(cluster, "OP_CLUSTER_VERIFY_DISKS")
        (found,) = (wait_for(cluster, job_id).results[0] for _, job_id in result["jobs"])
        away.rename(image)
        bad_nodes, closed, missing = found
        assert (bad_nodes, closed) == ({}, [])
        ((node, path),) = missing[name]
        assert node == "node1.example.com"
        assert path.endswith(image.name)
    assert do(cluster, "OP_GROUP_VERIFY_DISKS", group_name="default") == [{}, [], {}]
    assert cluster.gnt("gnt-cluster", "verify-disks").lines[-1] == "No disks need to be activated."


def test_recorded_sizes_are_corrected(cluster: VirtualCluster) -> None:
    with instance(cluster, "odd.example.com") as name:
        (image,) = Path(cluster.root / "node1").rglob(f"{name}/*.disk0")
        with image.open("r+b") as disk:
            disk.truncate(24 << 20)
        assert do(cluster, "OP_CLUSTER_REPAIR_DISK_SIZES", instances=[name]) == [
            [name, 0, "size", 24]]
        assert do(cluster, "OP_CLUSTER_REPAIR_DISK_SIZES") == []
