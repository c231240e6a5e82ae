"""Values of the right outer form with anything inside: taken or refused, and never a crash."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

import pytest
from jobs import wait_for
from virtual_cluster import VirtualCluster

from ganeti_core.opcodes.base import JsonDict, parameters
from ganeti_core.opcodes.registry import OPCODES
from ganeti_core.operations.registry import available

DICTS: list[Any] = [
    {"a": "b"}, {"": None}, {"a": {}}, {"a": {"b": {"c": []}}}, {"file": 1}, {"file": {"a": []}},
    {"fake": 1}, {"fake": []}, {"fake": {"a": {"b": 1}}}, {"default": 1}, {"default": {"a": []}},
    {"noop": 1}, {"noop": {"fake": 1}}, {"noop": {"a": []}}, {"memory": []}, {"memory": {}},
    {"maxmem": 1e300}, {"vcpus": []}, {"vcpus": {}}, {"auto_balance": []}, {"link": 1},
    {"mode": []}, {"vlan": {}}, {"minmax": 1}, {"minmax": [1]}, {"minmax": [{"min": 1, "max": 2}]},
    {"std": 1}, {"std": {"memory-size": []}}, {"disk-templates": [1]}, {"disk-templates": {}},
    {"vcpu-ratio": "x"}, {"spindle_count": []}, {"exclusive_storage": {}}, {"ssh_port": "x"},
    {"a\0": "b"}, {"ü": "ü"}]
LISTS: list[Any] = [
    [1], [None], ["x"], [[]], [{}], [[1]], [["add"]], [["add", 1]], [["add", -1, {}]],
    [["add", -1, {"size": {}}]], [["add", -1, {"size": 1, "mode": []}]],
    [["add", [], {}]], [["modify", 0, {"name": []}]], [["modify", 0, {"mac": {}}]],
    [["remove", "x", {}]], [["modify", 10**30, {}]], [[0, {"size": []}]], [[0, 1]], [[{}, {}]],
    [{"size": []}], [{"size": 1, "name": {}}], [{"size": 1, "x": []}], [{"mac": 1}],
    [{"ip": "x", "network": []}], [{"instance_name": 1}], [["a", "b", "c", "d"]], [True],
    ["add", 1], [[1, 2]], [[5, "x"]], [["remove", []]]]
BASE: dict[str, dict[str, Any]] = {
    "OP_INSTANCE_CREATE": {
        "instance_name": "odd.example.com", "disk_template": "file", "disks": [{"size": 1}],
        "nics": [{}], "mode": "create", "os_type": "noop", "pnode": "node1", "start": False,
        "name_check": False, "ip_check": False},
    "OP_INSTANCE_SET_PARAMS": {"instance_name": "odd"},
    "OP_INSTANCE_REINSTALL": {"instance_name": "odd"},
    "OP_INSTANCE_RECREATE_DISKS": {"instance_name": "odd"},
    "OP_INSTANCE_STARTUP": {"instance_name": "odd"},
    "OP_INSTANCE_MULTI_ALLOC": {},
    "OP_CLUSTER_SET_PARAMS": {},
    "OP_GROUP_ADD": {"group_name": "odd"},
    "OP_GROUP_SET_PARAMS": {"group_name": "default"},
    "OP_NODE_SET_PARAMS": {"node_name": "node2"},
    "OP_NETWORK_ADD": {"network_name": "odd", "network": "192.0.2.0/24"},
    "OP_TEST_ALLOCATOR": {"name": "odd", "direction": "in", "mode": "allocate", "memory": 1,
                          "vcpus": 1, "disk_template": "file", "os": "noop", "hypervisor": "fake",
                          "disks": [], "nics": []},
}
CASES = [(op_id, name) for op_id in BASE for name, parameter in parameters(OPCODES[op_id]).items()
         if name not in ("depends", "reason")
         and {JsonDict, list[Any]} & {parameter.annotation, *get_args(parameter.annotation)}]


def test_the_table_is_of_opcodes_that_can_be_run() -> None:
    assert BASE.keys() <= available()
    assert len(CASES) > 30


@pytest.fixture(scope="module")
def odd(cluster: VirtualCluster) -> Iterator[VirtualCluster]:
    params = BASE["OP_INSTANCE_CREATE"] | {"no_install": True}
    with cluster.luxi() as client:
        assert wait_for(cluster, client.submit_job(
            [{"OP_ID": "OP_INSTANCE_CREATE", **params}])).status == "success"
    yield cluster
    with cluster.luxi() as client:
        wait_for(cluster, client.submit_job(
            [{"OP_ID": "OP_INSTANCE_REMOVE", "instance_name": "odd.example.com"}]))


@pytest.mark.parametrize(("op_id", "name"), CASES)
def test_no_value_is_a_crash(odd: VirtualCluster, op_id: str, name: str) -> None:
    base = {"OP_ID": op_id, **BASE[op_id], "dry_run": True}
    cls = OPCODES[op_id]
    values = [value for value in (*DICTS, *LISTS)
              if parameters(cls)[name].check(value) is None]
    with odd.luxi() as client:
        answers = client.submit_many_jobs([[base | {name: value}] for value in values])
        jobs = {int(job): value for (accepted, job), value in zip(answers, values, strict=True)
                if accepted}
        assert len(jobs) == len(values)
    ended = {job: wait_for(odd, job) for job in jobs}
    crashed = [(jobs[job], end.error) for job, end in ended.items()
               if end.status == "error" and "internal error" in str(end.error)]
    assert not crashed
