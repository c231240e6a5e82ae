"""The jobs that are struck: how each begins, and what may have become of the instance."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fault_cluster import FaultCluster

NAME = "inst1.example.com"
Op = dict[str, Any]


@dataclass(frozen=True)
class Scenario:
    """One kind of job.

    :param template: disk template of the instance
    :param exists: whether the instance is there before
    :param runs: and whether it runs
    :param op: makes the opcode, from the node where the instance is
    """

    name: str
    template: str
    exists: bool
    runs: bool
    op: Callable[[str], Op]

    def prepare(self, cluster: FaultCluster) -> str:
        """Bring the cluster to where the job begins; answers the instance's node."""
        found = cluster.instance(NAME)
        template = (found or {}).get("disk_template", "diskless")
        if found is not None and not (self.exists and template == self.template):
            cluster.run({"OP_ID": "OP_INSTANCE_REMOVE", "instance_name": NAME,
                         "shutdown_timeout": 0})
            found = None
        if found is None and self.exists:
            cluster.run(create(self.template, start=self.runs))
            found = cluster.instance(NAME)
        if found is None:
            return ""
        is_up = found.get("admin_state", "down") == "up"
        if self.runs and not is_up:
            cluster.run({"OP_ID": "OP_INSTANCE_STARTUP", "instance_name": NAME, "force": False})
        if is_up and not self.runs:
            cluster.run({"OP_ID": "OP_INSTANCE_SHUTDOWN", "instance_name": NAME, "timeout": 0})
        return str(found["node"])


def create(template: str, *, start: bool = True, node: str = "node2.example.com") -> Op:
    disks = [] if template == "diskless" else [{"size": 1}, {"size": 2}]
    return {"OP_ID": "OP_INSTANCE_CREATE", "instance_name": NAME, "mode": "create",
            "disk_template": template, "disks": disks, "nics": [{}], "pnode": node,
            "os_type": "noop", "hypervisor": "fake", "beparams": {"memory": 16},
            "start": start, "name_check": False, "ip_check": False, "ignore_ipolicy": True}


def _on_instance(op_id: str, **values: Any) -> Callable[[str], Op]:
    return lambda _node: {"OP_ID": op_id, "instance_name": NAME, **values}


def _elsewhere(op_id: str, **values: Any) -> Callable[[str], Op]:
    def op(node: str) -> Op:
        target = "node3.example.com" if node != "node3.example.com" else "node2.example.com"
        return {"OP_ID": op_id, "instance_name": NAME, "target_node": target, **values}

    return op


SCENARIOS = {scenario.name: scenario for scenario in (
    Scenario("create", "file", exists=False, runs=False, op=lambda _node: create("file")),
    Scenario("create_diskless", "diskless", exists=False, runs=False,
             op=lambda _node: create("diskless")),
    Scenario("remove", "file", exists=True, runs=True,
             op=_on_instance("OP_INSTANCE_REMOVE", shutdown_timeout=0)),
    Scenario("modify", "file", exists=True, runs=False, op=_on_instance(
        "OP_INSTANCE_SET_PARAMS", beparams={"memory": 32},
        disks=[["remove", 1, {}], ["add", -1, {"size": 3}]],
        nics=[["remove", 0, {}], ["add", -1, {}]])),
    Scenario("startup", "file", exists=True, runs=False,
             op=_on_instance("OP_INSTANCE_STARTUP", force=False)),
    Scenario("shutdown", "file", exists=True, runs=True,
             op=_on_instance("OP_INSTANCE_SHUTDOWN", timeout=0)),
    Scenario("reboot", "file", exists=True, runs=True,
             op=_on_instance("OP_INSTANCE_REBOOT", reboot_type="hard", shutdown_timeout=0)),
    Scenario("reboot_soft", "diskless", exists=True, runs=True,
             op=_on_instance("OP_INSTANCE_REBOOT", reboot_type="soft", shutdown_timeout=0)),
    Scenario("migrate", "sharedfile", exists=True, runs=True,
             op=_elsewhere("OP_INSTANCE_MIGRATE", mode="live")),
    Scenario("failover", "sharedfile", exists=True, runs=True,
             op=_elsewhere("OP_INSTANCE_FAILOVER", shutdown_timeout=0)),
)}
