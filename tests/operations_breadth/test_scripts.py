"""Administrators' scripts around operations: what they are told, and that they can refuse."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from jobs import do, fields, hosts, instance, submit, wait_for
from virtual_cluster import VirtualCluster, wait_until

from ganeti_core.plugin_api.testing.faults import write_faults

NAME = "scripted.example.com"
RECORD = """#!/bin/sh
printf '%s ' "$GANETI_OP_CODE" "$GANETI_HOOKS_PHASE" >> {log}
env -0 | sort -z | tr '\\n\\0' ' \\n' > {log}.$GANETI_HOOKS_PHASE
"""


@pytest.fixture
def scripts(cluster: VirtualCluster) -> Iterator[Path]:
    """The folder of scripts on the first node, emptied afterwards."""
    folder = cluster.paths("node1").scripts
    yield folder
    for found in folder.glob("*/*"):
        found.unlink()


def put(folder: Path, name: str, phase: str, text: str) -> Path:
    script = folder / f"{name}-{phase}.d" / "50-test"
    script.parent.mkdir(parents=True, exist_ok=True)
    script.write_text(text)
    script.chmod(0o755)
    return script


def told(log: Path, phase: str) -> dict[str, str]:
    lines = Path(f"{log}.{phase}").read_text().splitlines()
    return dict(line.partition("=")[::2] for line in lines)


def test_scripts_are_told_of_an_instance(
    cluster: VirtualCluster, scripts: Path, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    for phase in ("pre", "post"):
        put(scripts, "instance-start", phase, RECORD.format(log=log))
    with instance(cluster, NAME, tags=["a", "b"], beparams={"memory": 64}) as name:
        do(cluster, "OP_INSTANCE_STARTUP", instance_name=name)
        before, after = told(log, "pre"), told(log, "post")
        (mac,) = fields(cluster, "instance", name, "nic.macs")[0]
    assert log.read_text().split() == ["OP_INSTANCE_STARTUP", "pre", "OP_INSTANCE_STARTUP", "post"]
    expected = {
        "PATH": "/sbin:/bin:/usr/sbin:/usr/bin", "GANETI_HOOKS_VERSION": "2",
        "GANETI_HOOKS_PATH": "instance-start", "GANETI_OBJECT_TYPE": "INSTANCE",
        "GANETI_CLUSTER": "cluster.example.com", "GANETI_MASTER": "node1.example.com",
        "GANETI_OP_TARGET": name, "GANETI_FORCE": "False", "GANETI_INSTANCE_NAME": name,
        "GANETI_INSTANCE_PRIMARY": "node1.example.com", "GANETI_INSTANCE_SECONDARIES": "",
        "GANETI_INSTANCE_STATUS": "down", "GANETI_INSTANCE_MEMORY": "64",
        "GANETI_INSTANCE_VCPUS": "1", "GANETI_INSTANCE_DISK_TEMPLATE": "file",
        "GANETI_INSTANCE_HYPERVISOR": "fake", "GANETI_INSTANCE_NIC_COUNT": "1",
        "GANETI_INSTANCE_NIC0_MAC": mac, "GANETI_INSTANCE_NIC0_MODE": "bridged",
        "GANETI_INSTANCE_NIC0_BRIDGE": "br0", "GANETI_INSTANCE_NIC0_IP": "",
        "GANETI_INSTANCE_DISK_COUNT": "1", "GANETI_INSTANCE_DISK0_SIZE": "16",
        "GANETI_INSTANCE_DISK0_MODE": "rw", "GANETI_INSTANCE_DISK0_DRIVER": "loop",
        "GANETI_INSTANCE_BE_auto_balance": "True", "GANETI_INSTANCE_TAGS": "a b"}
    assert {key: before.get(key) for key in expected} == expected
    assert not any(key.startswith("GANETI_POST_") for key in before)
    assert (after["GANETI_INSTANCE_STATUS"], after["GANETI_POST_INSTANCE_STATUS"]) == ("down", "up")


def test_a_failing_script_refuses_before_anything_is_done(
    cluster: VirtualCluster, scripts: Path
) -> None:
    put(scripts, "instance-add", "pre", "#!/bin/sh\necho not today; exit 3\n")
    ended = submit(cluster, {
        "OP_ID": "OP_INSTANCE_CREATE", "instance_name": NAME, "mode": "create", "nics": [],
        "disk_template": "file", "disks": [{"size": 8}], "no_install": True, "pnode": "node1",
        "name_check": False, "ip_check": False})
    name, failures = ended.error
    ((node, script, output),) = json.loads(json.dumps(failures))
    assert (name, node, script) == ("HooksAbort", "node1.example.com", "instance-add-pre.d/50-test")
    assert "not today" in output
    assert [NAME] not in cluster.instances("name")
    assert not list((cluster.root / "node1").rglob(f"{NAME}/*"))
    shown = cluster.try_("gnt-instance", "add", "-t", "diskless", "--no-install", "-n", "node1",
                         "--no-name-check", "--no-ip-check", NAME)
    assert "Failure: hooks execution failed:" in shown.stderr
    assert "node: node1.example.com, script: instance-add-pre.d/50-test" in shown.stderr


def test_a_failing_script_afterwards_is_a_warning(cluster: VirtualCluster, scripts: Path) -> None:
    put(scripts, "instance-stop", "post", "#!/bin/sh\nexit 1\n")
    with instance(cluster, NAME, start=True) as name:
        ended = submit(cluster, {"OP_ID": "OP_INSTANCE_SHUTDOWN", "instance_name": name})
        assert ended.status == "success"
        assert any("script instance-stop-post.d/50-test failed" in message
                   for message in ended.messages[0])


def test_scripts_refuse_in_a_dry_run_too(
    cluster: VirtualCluster, scripts: Path, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    put(scripts, "instance-start", "post", RECORD.format(log=log))
    with instance(cluster, NAME) as name:
        startup = {"OP_ID": "OP_INSTANCE_STARTUP", "instance_name": name, "dry_run": True}
        do(cluster, "OP_INSTANCE_STARTUP", instance_name=name, dry_run=True)
        put(scripts, "instance-start", "pre", "#!/bin/sh\nexit 1\n")
        assert submit(cluster, startup).error[0] == "HooksAbort"
        assert fields(cluster, "instance", name, "admin_state") == ["down"]
    assert not log.exists()


def test_moves_tell_from_where_to_where(
    cluster: VirtualCluster, scripts: Path, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    with instance(cluster, NAME, disk_template="sharedfile", start=True) as name:
        for way, op_id in (("instance-migrate", "OP_INSTANCE_MIGRATE"),
                           ("instance-failover", "OP_INSTANCE_FAILOVER")):
            for phase in ("pre", "post"):
                put(scripts, way, phase, RECORD.format(log=log))
            target = "node2" if "MIGRATE" in op_id else "node1"
            do(cluster, op_id, instance_name=name, target_node=target)
            before, after = told(log, "pre"), told(log, "post")
            assert before["GANETI_NEW_PRIMARY"] == f"{target}.example.com"
            assert before["GANETI_OLD_PRIMARY"] != before["GANETI_NEW_PRIMARY"]
            assert after["GANETI_POST_INSTANCE_PRIMARY"] == f"{target}.example.com"


def test_removal_tells_what_was_there(
    cluster: VirtualCluster, scripts: Path, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    put(scripts, "instance-remove", "post", RECORD.format(log=log))
    with instance(cluster, NAME):
        pass
    after = told(log, "post")
    assert after["GANETI_POST_INSTANCE_NAME"] == NAME
    assert after["GANETI_POST_INSTANCE_DISK0_SIZE"] == "16"


def test_changes_of_a_node_run_scripts_there_too(
    cluster: VirtualCluster, scripts: Path, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    there = cluster.paths("node2").scripts
    script = put(there, "node-modify", "pre", RECORD.format(log=log))
    do(cluster, "OP_NODE_SET_PARAMS", node_name="node2", drained=True, auto_promote=True)
    do(cluster, "OP_NODE_SET_PARAMS", node_name="node2", drained=False)
    script.unlink()
    before = told(log, "pre")
    assert before["GANETI_OBJECT_TYPE"] == "NODE"
    assert before["GANETI_OP_TARGET"] == "node2.example.com"
    assert (before["GANETI_DRAINED"], before["GANETI_OFFLINE"]) == ("False", "None")


def test_any_change_of_the_configuration_is_told_on_the_master(
    cluster: VirtualCluster, scripts: Path, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    put(scripts, "config-update", "post", RECORD.format(log=log))
    do(cluster, "OP_GROUP_ADD", group_name="told")
    found = told(log, "post")
    do(cluster, "OP_GROUP_REMOVE", group_name="told")
    assert log.read_text().split() == ["OP_GROUP_ADD", "post", "OP_GROUP_REMOVE", "post"]
    assert found["GANETI_HOOKS_PATH"] == "config-update"
    assert (found["GANETI_OBJECT_TYPE"], found["GANETI_GROUP_NAME"]) == ("GROUP", "told")
    assert not [name for name in found if name.startswith("GANETI_POST_")]
    do(cluster, "OP_TEST_DELAY", duration=0.001)
    assert log.read_text().split()[-2:] == ["OP_GROUP_REMOVE", "post"], "nothing changed"


def test_verify_asks_the_administrators_scripts(
    cluster: VirtualCluster, scripts: Path, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    # A shell would drop variables whose names it cannot use.
    put(scripts, "cluster-verify", "post", f"#!{sys.executable}\nimport json, os\n"
        f"open({str(log)!r}, 'w').write(json.dumps(dict(os.environ)))\n")
    cluster.verify()
    found = json.loads(log.read_text())
    assert found["GANETI_OP_CODE"] == "OP_CLUSTER_VERIFY_GROUP"
    assert found["GANETI_OBJECT_TYPE"] == "CLUSTER"
    assert found["GANETI_CLUSTER_TAGS"] == found["GANETI_POST_CLUSTER_TAGS"]
    assert "GANETI_NODE_TAGS_node2.example.com" in found
    put(scripts, "cluster-verify", "post", "#!/bin/sh\necho the fan is loud\nexit 1\n")
    ran = cluster.try_("gnt-cluster", "verify", "--error-codes")
    assert ran.status == 1
    assert ("ENODEHOOKS:node:node1.example.com:Script cluster-verify-post.d/50-test failed, "
            "output:") in ran.stdout
    assert "the fan is loud" in ran.stdout


@pytest.mark.parametrize(("mode", "given", "live"), [
    ("non-live", {}, "False"), ("live", {}, "True"), ("non-live", {"mode": "live"}, "True"),
    ("live", {"live": False}, "False")])
def test_a_migration_is_live_as_its_hypervisor_says_unless_its_caller_does(
    cluster: VirtualCluster, scripts: Path, tmp_path: Path, mode: str, given: dict[str, object],
    live: str,
) -> None:
    log = tmp_path / "log"
    put(scripts, "instance-migrate", "pre", RECORD.format(log=log))
    with instance(cluster, NAME, disk_template="diskless", disks=[], start=True) as name:
        cluster.gnt("gnt-cluster", "modify", "-H", f"fake:migration_mode={mode}")
        do(cluster, "OP_INSTANCE_MIGRATE", instance_name=name, target_node="node2", **given)
    assert told(log, "pre")["GANETI_MIGRATE_LIVE"] == live
    cluster.gnt("gnt-cluster", "modify", "-H", "fake:migration_mode=default")


def test_a_change_tells_what_the_instance_will_have(
    cluster: VirtualCluster, scripts: Path, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    with instance(cluster, NAME, beparams={"memory": 64}, nics=[{}, {}]) as name:
        put(scripts, "instance-modify", "pre", RECORD.format(log=log))
        do(cluster, "OP_INSTANCE_SET_PARAMS", instance_name=name, nics=[["remove", {}]],
           beparams={"maxmem": 128, "vcpus": 2})
    before = told(log, "pre")
    assert {key: before.get(f"GANETI_INSTANCE_{key}") for key in (
        "MINMEM", "MAXMEM", "MEMORY", "VCPUS", "NIC_COUNT", "NIC1_MAC", "BE_vcpus")} == {
            "MINMEM": "64", "MAXMEM": "128", "MEMORY": "128", "VCPUS": "2", "NIC_COUNT": "1",
            "NIC1_MAC": None, "BE_vcpus": "1"}


def test_a_group_is_renamed_with_scripts_on_its_nodes(
    cluster: VirtualCluster, scripts: Path, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    script = put(cluster.paths("node3").scripts, "group-rename", "post", RECORD.format(log=log))
    do(cluster, "OP_GROUP_RENAME", group_name="default", new_name="other")
    do(cluster, "OP_GROUP_RENAME", group_name="other", new_name="default")
    script.unlink()
    assert log.read_text().split() == ["OP_GROUP_RENAME", "post"] * 2
    assert told(log, "post")["GANETI_POST_NEW_NAME"] == "default"


def test_the_nodes_of_a_group_have_scripts_about_its_networks(
    cluster: VirtualCluster, scripts: Path, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    put(scripts, "network-connect", "pre", RECORD.format(log=log))
    do(cluster, "OP_GROUP_ADD", group_name="empty")
    do(cluster, "OP_NETWORK_ADD", network_name="net", network="198.51.100.0/28")
    connect = {"network_name": "net", "network_mode": "bridged", "network_link": "br0"}
    do(cluster, "OP_NETWORK_CONNECT", group_name="empty", **connect)
    assert not log.exists()
    do(cluster, "OP_NETWORK_CONNECT", group_name="default", **connect)
    assert told(log, "pre")["GANETI_GROUP_NETWORK_LINK"] == "br0"
    for group in ("empty", "default"):
        do(cluster, "OP_NETWORK_DISCONNECT", group_name=group, network_name="net")
    do(cluster, "OP_NETWORK_REMOVE", network_name="net")
    do(cluster, "OP_GROUP_REMOVE", group_name="empty")


def test_a_change_is_told_though_its_operation_fails_later(
    cluster: VirtualCluster, scripts: Path, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    faults = cluster.root / "node2/etc/ganeti/fake-faults.json"
    with instance(cluster, NAME, disk_template="sharedfile", start=True) as name:
        put(scripts, "config-update", "post", RECORD.format(log=log))
        write_faults(faults, {"start": {"mode": "fail", "message": "out of order"}})
        try:
            ended = submit(cluster, {"OP_ID": "OP_INSTANCE_FAILOVER", "instance_name": name,
                                     "target_node": "node2"})
        finally:
            faults.unlink()
        assert ended.status == "error"
        assert "could not be started" in ended.error[1]
        assert fields(cluster, "instance", name, "pnode") == ["node2.example.com"]
        assert log.read_text().split() == ["OP_INSTANCE_FAILOVER", "post"]


def test_scripts_follow_a_move_that_was_finished_after_an_error(
    cluster: VirtualCluster, scripts: Path, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    faults = cluster.root / "node2/etc/ganeti/fake-faults.json"
    with instance(cluster, NAME, disk_template="sharedfile", start=True) as name:
        put(scripts, "instance-migrate", "post", RECORD.format(log=log))
        put(scripts, "config-update", "post", RECORD.format(log=log))
        write_faults(faults, {"migration_finish": {"mode": "fail", "when": "after", "times": 1}})
        try:
            do(cluster, "OP_INSTANCE_MIGRATE", instance_name=name, target_node="node2")
        finally:
            faults.unlink()
        assert fields(cluster, "instance", name, "pnode") == ["node2.example.com"]
        assert log.read_text().split() == ["OP_INSTANCE_MIGRATE", "post"] * 2
        assert told(log, "post")["GANETI_INSTANCE_PRIMARY"] == "node1.example.com"


def test_a_new_name_of_the_cluster_is_told_on_all_nodes(
    cluster: VirtualCluster, scripts: Path, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    old = "cluster.example.com"
    after = put(cluster.paths("node2").scripts, "cluster-rename", "post", RECORD.format(log=log))
    put(scripts, "cluster-rename", "pre", RECORD.format(log=log))
    with hosts(cluster, "127.99.0.9 other.example.com other"):
        do(cluster, "OP_CLUSTER_RENAME", name="other")
    before, told_after = told(log, "pre"), told(log, "post")
    after.unlink()
    do(cluster, "OP_CLUSTER_RENAME", name=old)
    assert (before["GANETI_OP_TARGET"], before["GANETI_NEW_NAME"]) == (old, "other.example.com")
    assert (told_after["GANETI_OP_TARGET"], told_after["GANETI_POST_OP_TARGET"]) == (
        old, "other.example.com")
    assert told_after["GANETI_CLUSTER"] == old


def test_a_job_that_is_killed_while_its_change_is_told_has_made_it(
    cluster: VirtualCluster, scripts: Path, tmp_path: Path
) -> None:
    begun = tmp_path / "begun"
    with instance(cluster, NAME) as name:
        put(scripts, "config-update", "post", f"#!/bin/sh\necho > {begun}; exec sleep 30\n")
        with cluster.luxi() as client:
            job_id = client.submit_job([{
                "OP_ID": "OP_INSTANCE_SET_PARAMS", "instance_name": name,
                "beparams": {"vcpus": 2}, "reason": []}])
            wait_until(begun.exists, "the script has begun")
            client.cancel_job(job_id, kill=True)
        assert wait_for(cluster, job_id).status == "success"
        assert fields(cluster, "instance", name, "be/vcpus") == [2]
        next(scripts.glob("config-update-post.d/*")).unlink()
