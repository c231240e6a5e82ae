"""Install again, and rename: what an instance is apart from its hardware."""

from __future__ import annotations

from pathlib import Path

from jobs import do, fields, instance, refused, submit
from virtual_cluster import VirtualCluster

NAME = "system.example.com"


def test_a_system_is_installed_again(cluster: VirtualCluster) -> None:
    with instance(cluster, NAME) as name:
        ended = submit(cluster, {"OP_ID": "OP_INSTANCE_REINSTALL", "instance_name": name,
                                 "os_type": "noop"})
        assert ended.status == "success", ended
        assert ended.messages[0] == ["Changing OS scripts to 'noop'...",
                                     " - INFO: Running instance OS create scripts..."]
        assert fields(cluster, "instance", name, "os", "status") == ["noop", "ADMIN_down"]


def test_what_cannot_be_installed_again(cluster: VirtualCluster) -> None:
    with instance(cluster, NAME) as name:
        refused(cluster, "OP_INSTANCE_REINSTALL", "has no OS", "wrong_input", instance_name=name)
        refused(cluster, "OP_INSTANCE_REINSTALL", "OS Parameters validation failed on node "
                "node1.example.com", None, error="OpExecError", instance_name=name,
                os_type="nosuch")
    with instance(cluster, NAME, start=True) as name:
        refused(cluster, "OP_INSTANCE_REINSTALL", "is marked to be up, cannot reinstall",
                "wrong_state", instance_name=name, os_type="noop")
    with instance(cluster, NAME, disk_template="diskless", disks=[]) as name:
        refused(cluster, "OP_INSTANCE_REINSTALL", f"Instance '{name}' has no disks",
                "wrong_input", instance_name=name, os_type="noop")


def test_an_instance_gets_another_name(cluster: VirtualCluster) -> None:
    new = "renamed.example.com"
    with instance(cluster, NAME, os_type="noop", no_install=False) as name:
        before = fields(cluster, "instance", name, "uuid")
        assert do(cluster, "OP_INSTANCE_RENAME", instance_name=name, new_name=new,
                  name_check=False, ip_check=False) == new
        assert fields(cluster, "instance", new, "uuid") == before
        listed = next(Path(cluster.root / "node2").rglob("ssconf_instance_list")).read_text()
        assert new in listed.split()
        # Its disks are where they were; it starts all the same.
        do(cluster, "OP_INSTANCE_STARTUP", instance_name=new)
        do(cluster, "OP_INSTANCE_SHUTDOWN", instance_name=new)
        do(cluster, "OP_INSTANCE_RENAME", instance_name=new, new_name=name, name_check=False,
           ip_check=False)


def test_names_that_are_refused(cluster: VirtualCluster) -> None:
    params = {"name_check": False, "ip_check": False}
    with instance(cluster, NAME) as name, instance(cluster, "taken.example.com") as taken:
        refused(cluster, "OP_INSTANCE_RENAME", f"Instance '{taken}' is already in the cluster",
                "already_exists", instance_name=name, new_name=taken, **params)
        refused(cluster, "OP_INSTANCE_RENAME", "Invalid hostname '../x'", "wrong_input",
                instance_name=name, new_name="../x", **params)
        refused(cluster, "OP_INSTANCE_RENAME", "does not resolve", "resolver_error",
                instance_name=name, new_name="unknown.invalid")
        refused(cluster, "OP_INSTANCE_RENAME", "requires a name check", "wrong_input",
                instance_name=name, new_name="x.example.com", name_check=False)
        do(cluster, "OP_INSTANCE_STARTUP", instance_name=name)
        refused(cluster, "OP_INSTANCE_RENAME", "is marked to be up, cannot rename", "wrong_state",
                instance_name=name, new_name="x.example.com", **params)
