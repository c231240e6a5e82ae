"""The jobs that are struck: how each begins, and what may have become of the instance."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fault_cluster import UNTRUSTED, FaultCluster

NAME = "inst1.example.com"
Op = dict[str, Any]


@dataclass(frozen=True)
class Scenario:
    """One kind of job.

    :param template: disk template of the instance
    :param exists: whether the instance is there before
    :param runs: and whether it runs
    :param op: makes the opcode, from the node where the instance is
    :param slow: struck at each step by `make torture` only
    :param hypervisor: what runs the instance
    :param lost: whether nothing is left of its disks before; the job succeeds when it is repeated
    :param exported: whether an export of it is there before
    """

    name: str
    template: str
    exists: bool
    runs: bool
    op: Callable[[str], Op]
    slow: bool = False
    hypervisor: str = "fake"
    lost: bool = False
    exported: bool = False

    def prepare(self, cluster: FaultCluster) -> str:
        """Bring the cluster to where the job begins; answers the instance's node."""
        found = cluster.instance(NAME)
        if self.exported and not cluster.exports():
            if found is not None:
                cluster.run({"OP_ID": "OP_INSTANCE_REMOVE", "instance_name": NAME,
                             "shutdown_timeout": 0})
            cluster.run(create("file", start=False))
            cluster.run({"OP_ID": "OP_BACKUP_EXPORT", "instance_name": NAME,
                         "target_node": "node3.example.com", "remove_instance": True})
            found = None
        if found is not None and not (self.exists and self._fits(found)):
            cluster.run({"OP_ID": "OP_INSTANCE_REMOVE", "instance_name": NAME,
                         "shutdown_timeout": 0})
            found = None
        if found is None and self.exists:
            cluster.run(create(self.template, start=self.runs, hypervisor=self.hypervisor))
            found = cluster.instance(NAME)
        if found is None:
            return ""
        is_up = found.get("admin_state", "down") == "up"
        if self.runs and not is_up:
            cluster.run({"OP_ID": "OP_INSTANCE_STARTUP", "instance_name": NAME, "force": False})
        if is_up and not self.runs:
            cluster.run({"OP_ID": "OP_INSTANCE_SHUTDOWN", "instance_name": NAME, "timeout": 0})
        if self.lost:
            cluster.lose_disks(NAME)
        return str(found["node"])

    def again(self, cluster: FaultCluster, node: str, job: int, status: str) -> Op | None:
        """What must be done after the job: disks are still lost, or it said what it left undone."""
        if self.lost and status != "success":
            return self.op(node)
        log = cluster.log_of(job)
        if cluster.instance(NAME) is None:
            return None
        if any("in again: " in line and "startup or reboot" in line for line in log):
            # The node refused to give a device back.
            return _on_instance("OP_INSTANCE_REBOOT", reboot_type="hard", shutdown_timeout=0)(node)
        if status == "success" and any("Could not open disk" in line for line in log):
            return _on_instance("OP_INSTANCE_ACTIVATE_DISKS")(node)
        return None

    def _fits(self, found: dict[str, Any]) -> bool:
        return (found.get("disk_template", "diskless") == self.template
                and found["hypervisor"] == self.hypervisor)


def create(template: str, *, start: bool = True, node: str = "node2.example.com",
           hypervisor: str = "fake") -> Op:
    disks = [] if template == "diskless" else [{"size": 1}, {"size": 2}]
    pair = {"snode": "node3.example.com"} if template == "twin" else {}
    return {**pair,
            "OP_ID": "OP_INSTANCE_CREATE", "instance_name": NAME, "mode": "create",
            "disk_template": template, "disks": disks, "nics": [{}], "pnode": node,
            "os_type": "noop", "hypervisor": hypervisor, "beparams": {"memory": 16},
            "start": start, "name_check": False, "ip_check": False, "ignore_ipolicy": True}


def _on_instance(op_id: str, **values: Any) -> Callable[[str], Op]:
    return lambda _node: {"OP_ID": op_id, "instance_name": NAME, **values}


def _recreated_on(*partners: str) -> Callable[[str], Op]:
    """Made anew away from the node where it is; the others by name."""
    def op(node: str) -> Op:
        target = "node3" if node.startswith("node2") else "node2"
        return {"OP_ID": "OP_INSTANCE_RECREATE_DISKS", "instance_name": NAME,
                "nodes": [target, *partners]}

    return op


def _elsewhere(op_id: str, **values: Any) -> Callable[[str], Op]:
    def op(node: str) -> Op:
        target = "node3.example.com" if node != "node3.example.com" else "node2.example.com"
        return {"OP_ID": op_id, "instance_name": NAME, "target_node": target, **values}

    return op


PLUG = _on_instance(
    "OP_INSTANCE_SET_PARAMS", hotplug=True,
    disks=[["remove", 1, {}], ["add", -1, {"size": 3}]],
    nics=[["remove", 0, {}], ["add", -1, {}]])
"""A running guest loses a disk and a network card, and gets others."""


SCENARIOS = {scenario.name: scenario for scenario in (
    Scenario("create", "file", exists=False, runs=False, op=lambda _node: create("file")),
    Scenario("create_diskless", "diskless", exists=False, runs=False, slow=True,
             op=lambda _node: create("diskless")),
    Scenario("remove", "file", exists=True, runs=True, slow=True,
             op=_on_instance("OP_INSTANCE_REMOVE", shutdown_timeout=0)),
    Scenario("modify", "file", exists=True, runs=False, slow=True, op=_on_instance(
        "OP_INSTANCE_SET_PARAMS", beparams={"memory": 32},
        disks=[["remove", 1, {}], ["add", -1, {"size": 3}]],
        nics=[["remove", 0, {}], ["add", -1, {}]])),
    Scenario("startup", "file", exists=True, runs=False, slow=True,
             op=_on_instance("OP_INSTANCE_STARTUP", force=False)),
    Scenario("shutdown", "file", exists=True, runs=True, slow=True,
             op=_on_instance("OP_INSTANCE_SHUTDOWN", timeout=0)),
    Scenario("reboot", "file", exists=True, runs=True, slow=True,
             op=_on_instance("OP_INSTANCE_REBOOT", reboot_type="hard", shutdown_timeout=0)),
    Scenario("reboot_soft", "diskless", exists=True, runs=True, slow=True,
             op=_on_instance("OP_INSTANCE_REBOOT", reboot_type="soft", shutdown_timeout=0)),
    Scenario("migrate", "sharedfile", exists=True, runs=True, slow=True,
             op=_elsewhere("OP_INSTANCE_MIGRATE", mode="live")),
    Scenario("failover", "sharedfile", exists=True, runs=True, slow=True,
             op=_elsewhere("OP_INSTANCE_FAILOVER", shutdown_timeout=0)),
    Scenario("move", "file", exists=True, runs=True, slow=True,
             op=_elsewhere("OP_INSTANCE_MOVE", shutdown_timeout=0)),
    Scenario("convert", "file", exists=True, runs=False, slow=True, op=_on_instance(
        "OP_INSTANCE_SET_PARAMS", disk_template="sharedfile")),
    Scenario("convert_running", "file", exists=True, runs=True, slow=True, op=_on_instance(
        "OP_INSTANCE_SET_PARAMS", disk_template="sharedfile")),
    Scenario("convert_running_pair", "twin", exists=True, runs=True, slow=True, op=_on_instance(
        "OP_INSTANCE_SET_PARAMS", disk_template="file")),
    Scenario("convert_to_pair", "file", exists=True, runs=False, slow=True, op=_on_instance(
        "OP_INSTANCE_SET_PARAMS", disk_template="twin", remote_node="node3")),
    Scenario("export", "file", exists=True, runs=True, slow=True, op=_elsewhere(
        "OP_BACKUP_EXPORT", shutdown_timeout=0, long_sleep=True)),
    Scenario("zero", "file", exists=True, runs=True, slow=True, op=_elsewhere(
        "OP_BACKUP_EXPORT", shutdown_timeout=0, long_sleep=True, zero_free_space=True)),
    Scenario("install_helped", "file", exists=False, runs=False, slow=True,
             op=lambda _node: create("file") | {"os_type": UNTRUSTED}),
    Scenario("reinstall_helped", "file", exists=True, runs=False, slow=True,
             op=_on_instance("OP_INSTANCE_REINSTALL", os_type=UNTRUSTED)),
    Scenario("import", "file", exists=False, runs=False, exported=True, slow=True,
             op=lambda _node: {
        **create("file", start=False), "mode": "import", "disks": [], "nics": [], "beparams": {},
        "os_type": None, "hypervisor": None, "src_node": "node3.example.com"}),
    Scenario("reinstall", "file", exists=True, runs=False, slow=True,
             op=_on_instance("OP_INSTANCE_REINSTALL")),
    Scenario("rename", "file", exists=True, runs=False, slow=True, op=_on_instance(
        "OP_INSTANCE_RENAME", new_name=NAME, name_check=False, ip_check=False)),
    Scenario("grow", "file", exists=True, runs=True, slow=True,
             op=_on_instance("OP_INSTANCE_GROW_DISK", disk=0, amount=4)),
    Scenario("plug", "file", exists=True, runs=True, slow=True, hypervisor="plugging", op=PLUG),
    Scenario("recreate", "file", exists=True, runs=False, slow=True, lost=True,
             op=_on_instance("OP_INSTANCE_RECREATE_DISKS")),
    Scenario("recreate_elsewhere", "file", exists=True, runs=False, slow=True, lost=True,
             op=_recreated_on()),
    Scenario("pair_create", "twin", exists=False, runs=False, slow=True,
             op=lambda _node: create("twin")),
    Scenario("pair_remove", "twin", exists=True, runs=True, slow=True,
             op=_on_instance("OP_INSTANCE_REMOVE", shutdown_timeout=0)),
    Scenario("pair_grow", "twin", exists=True, runs=True, slow=True,
             op=_on_instance("OP_INSTANCE_GROW_DISK", disk=0, amount=4)),
    Scenario("pair_migrate", "twin", exists=True, runs=True, slow=True,
             op=_on_instance("OP_INSTANCE_MIGRATE", mode="live")),
    Scenario("pair_failover", "twin", exists=True, runs=True, slow=True,
             op=_on_instance("OP_INSTANCE_FAILOVER", shutdown_timeout=0)),
    Scenario("pair_replace", "twin", exists=True, runs=True, slow=True, op=lambda _node: {
        "OP_ID": "OP_INSTANCE_REPLACE_DISKS", "instance_name": NAME,
        "mode": "replace_on_secondary"}),
    Scenario("pair_plug", "twin", exists=True, runs=True, slow=True, hypervisor="plugging",
             op=PLUG),
    Scenario("pair_recreate", "twin", exists=True, runs=False, slow=True, lost=True,
             op=_on_instance("OP_INSTANCE_RECREATE_DISKS")),
    Scenario("pair_recreate_elsewhere", "twin", exists=True, runs=False, slow=True, lost=True,
             op=_recreated_on("node1")),
)}
