"""Wrong values: told as the user's mistake, before anything is done, in words for people."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from jobs import do, fields, instance, refused
from virtual_cluster import VirtualCluster

from ganeti_core.operations.node.addresses import is_answered

HEAD = "Failure: prerequisites not met for this operation:\nerror type: wrong_input, error details:"
NEW: dict[str, Any] = {
    "disk_template": "file", "disks": [{"size": 1}], "nics": [], "mode": "create",
    "pnode": "node1", "start": False, "beparams": {"memory": 64}, "name_check": False,
    "ip_check": False}


@pytest.mark.parametrize(("words", "shown"), [
    (["gnt-cluster", "modify", "--candidate-pool-size", "0"], "candidate-pool-size"),
    (["gnt-cluster", "modify", "--max-running-jobs", "0"], "max-running-jobs"),
    (["gnt-instance", "shutdown", "--timeout", "-1", "wrong"], "timeout"),
    (["gnt-group", "add", ""], "no empty arguments"),
])
def test_a_value_that_the_master_refuses_is_the_users_mistake(
    cluster: VirtualCluster, words: list[str], shown: str
) -> None:
    with instance(cluster, "wrong.example.com"):
        ran = cluster.try_(*words)
    assert ran.status in (1, 2), ran
    assert shown in ran.stderr
    assert "Unhandled" not in str(ran)


def test_a_file_of_opcodes_with_a_wrong_value(cluster: VirtualCluster, tmp_path: Path) -> None:
    file = tmp_path / "ops.json"
    file.write_text('[{"OP_ID": "OP_TEST_DELAY", "duration": "x"}]')
    ran = cluster.try_("gnt-debug", "submit-job", str(file))
    assert ran.status == 1
    assert "'duration'" in str(ran)
    assert HEAD in ran.stderr or "Failed to submit job" in ran.stderr
    assert "Unhandled" not in str(ran)


@pytest.mark.parametrize(("words", "shown"), [
    (["gnt-cluster", "modify", "-D", "nosuch:x=1"],
     "Unknown disk template 'nosuch' (there are: "),
    (["gnt-cluster", "modify", "--ipolicy-vcpu-ratio", "lots"],
     "option --ipolicy-vcpu-ratio: 'lots' is no number"),
    (["gnt-cluster", "modify", "--data-collector-interval", "drbd=x"],
     "Invalid interval of data collector drbd: 'x' is no number of seconds"),
    (["gnt-cluster", "modify", "-I", "nosuch"], "script 'nosuch' specified (there are: hail)"),
    (["gnt-cluster", "modify", "--compression-tools", "/bin/sh"], "of a program, without folders"),
    (["gnt-instance", "add", "-t", "diskless", "-o", "nosuch", "-n", "node1", "--no-name-check",
      "--no-ip-check", "new.example.com"],
     "has no OS 'nosuch', and neither has the master (gnt-cluster plugins shows which there are)"),
])
def test_what_is_wrong_is_named_and_what_would_be_right(
    cluster: VirtualCluster, words: list[str], shown: str
) -> None:
    ran = cluster.try_(*words)
    assert ran.status in (1, 2), ran
    assert shown in ran.stderr


def test_an_unknown_policy_is_wrong_use(cluster: VirtualCluster) -> None:
    ran = cluster.try_("gnt-group", "modify", "--alloc-policy", "bogus", "default")
    assert ran.status == 2, ran
    assert "option --alloc-policy: invalid choice: 'bogus'" in ran.stderr


def test_a_drained_queue_says_so(cluster: VirtualCluster) -> None:
    cluster.gnt("gnt-cluster", "queue", "drain")
    try:
        ran = cluster.try_("gnt-cluster", "modify", "--max-running-jobs", "5")
        assert ran.status == 1
        assert ran.stderr.startswith(
            "Failure: the job queue is marked for drain and doesn't accept new requests")
    finally:
        cluster.gnt("gnt-cluster", "queue", "undrain")


def test_an_address_to_which_there_is_no_way_is_not_answered() -> None:
    assert not is_answered("255.255.255.255", 1811)
    assert is_answered("127.0.0.1", 9)


@pytest.mark.parametrize(("params", "text", "code"), [
    ({"node_name": "node2", "secondary_ip": "1.2.3.4"},
     "requires the --force option to be passed, and the target node to be the master",
     "wrong_input"),
    ({"node_name": "node2", "secondary_ip": "1.2.3.4", "force": True},
     "requires the --force option", "wrong_input"),
])
def test_secondary_addresses_are_those_of_all_nodes_or_of_none(
    cluster: VirtualCluster, params: dict[str, Any], text: str, code: str
) -> None:
    refused(cluster, "OP_NODE_SET_PARAMS", text, code, **params)


def test_a_cluster_gets_secondary_addresses_and_loses_them(cluster: VirtualCluster) -> None:
    change = "OP_NODE_SET_PARAMS"
    old = {name: fields(cluster, "node", name, "pip")[0]
           for name in ("node1.example.com", "node2.example.com")}
    refused(cluster, change, "is that of node node1.example.com already", "resource_not_unique",
            node_name="node2", secondary_ip=old["node1.example.com"])
    do(cluster, change, node_name="node1", secondary_ip="127.250.0.1", force=True)
    try:
        do(cluster, change, node_name="node2", secondary_ip="127.250.0.2")
        assert fields(cluster, "node", "node2.example.com", "sip") == ["127.250.0.2"]
        refused(cluster, change, "Cannot set the secondary IP to be the same as the primary IP on "
                "a multi-homed cluster", "wrong_input", node_name="node2",
                secondary_ip=old["node2.example.com"])
    finally:
        do(cluster, change, node_name="node1", secondary_ip=old["node1.example.com"], force=True)
        do(cluster, change, node_name="node2", secondary_ip=old["node2.example.com"])


def test_parameters_of_one_start_are_checked(cluster: VirtualCluster) -> None:
    with instance(cluster, "once.example.com") as name:
        for asked, text, code, error in (
                ({"hvparams": {"nosuch": 1}}, "Unknown parameter 'nosuch'", "wrong_input",
                 "OpPrereqError"),
                ({"beparams": {"memory": 99999999}}, "Not enough memory",
                 "insufficient_resources", "OpPrereqError"),
                ({"beparams": {"memory": 10, "maxmem": 20}}, "Conflicting", "wrong_input",
                 "OpPrereqError"),
                ({"beparams": {"nosuch": 1}}, "Unknown parameter 'nosuch'", None,
                 "TypeEnforcementError")):
            refused(cluster, "OP_INSTANCE_STARTUP", text, code, error=error, instance_name=name,
                    **asked)


@pytest.fixture
def image(cluster: VirtualCluster) -> Iterator[Path]:
    """An OS definition with one variant that it lists; each run notes the variant it got."""
    folder = cluster.root / "shared/values"
    folder.mkdir()
    links = [cluster.paths(node).root / "srv/ganeti/os/values"
             for node in ("node1", "node2", "node3")]
    for link in links:
        link.symlink_to(folder)
    for name, text in (("ganeti_api_version", "20\n"), ("variants.list", "default\n"),
                       ("parameters.list", "colour\n")):
        (folder / name).write_text(text)
    for script in ("create", "import", "export", "rename", "verify"):
        (folder / script).write_text(f'#!/bin/sh\necho "{script} $OS_VARIANT" >>{folder}/runs\n')
        (folder / script).chmod(0o755)
    yield folder
    for link in links:
        link.unlink()
    shutil.rmtree(folder)


def test_scripts_are_told_how_much_to_say(cluster: VirtualCluster, image: Path) -> None:
    for script in ("create", "rename"):
        (image / script).write_text(
            f'#!/bin/sh\necho "{script} debug=$DEBUG_LEVEL" >>{image}/runs\n')
    with instance(cluster, "told.example.com", **NEW, os_type=f"{image.name}+default",
                  no_install=False, debug_level=1) as name:
        do(cluster, "OP_INSTANCE_REINSTALL", instance_name=name, debug_level=2)
        for new, old in (("telling.example.com", name), (name, "telling.example.com")):
            do(cluster, "OP_INSTANCE_RENAME", instance_name=old, new_name=new, name_check=False,
               ip_check=False, debug_level=3)
    told = [line for line in (image / "runs").read_text().splitlines() if "debug" in line]
    assert told == ["create debug=1", "create debug=2", *["rename debug=3"] * 2]


def test_a_variant_that_is_not_listed_can_be_forced(
    cluster: VirtualCluster, image: Path
) -> None:
    extra = f"{image.name}+extra"
    refused(cluster, "OP_INSTANCE_CREATE", "has no variant extra", None, error="OpExecError",
            instance_name="extra.example.com", os_type=extra, **NEW)
    with instance(cluster, "extra.example.com", **NEW, os_type=extra, no_install=False,
                  force_variant=True) as name:
        assert "create extra" in (image / "runs").read_text()
        again: Callable[..., Any] = lambda **more: do(  # noqa: E731  # one call, twice
            cluster, "OP_INSTANCE_REINSTALL", instance_name=name, **more)
        again()  # it has this variant already
        refused(cluster, "OP_INSTANCE_REINSTALL", "has no variant more", None,
                error="OpExecError", instance_name=name, os_type=f"{image.name}+more")
        again(os_type=f"{image.name}+more", force_variant=True)
        assert (image / "runs").read_text().endswith("create more\n")
        refused(cluster, "OP_INSTANCE_SET_PARAMS", "has no variant most", None,
                error="OpExecError", instance_name=name, os_name=f"{image.name}+most")
        do(cluster, "OP_INSTANCE_SET_PARAMS", instance_name=name, os_name=f"{image.name}+most",
           force_variant=True)


@pytest.mark.parametrize("end", ["", "+"])
def test_a_variant_must_be_named_where_there_are_some(
    cluster: VirtualCluster, image: Path, end: str
) -> None:
    named = f"{image.name}{end}"
    problem = f"OS name '{image.name}' must include a variant"
    refused(cluster, "OP_INSTANCE_CREATE", problem, None, error="OpExecError",
            instance_name="extra.example.com", os_type=named, **NEW)
    with instance(cluster, "extra.example.com", **NEW, os_type=f"{image.name}+default",
                  no_install=False) as name:
        for operation, option in (("REINSTALL", "os_type"), ("SET_PARAMS", "os_name")):
            refused(cluster, f"OP_INSTANCE_{operation}", problem, None, error="OpExecError",
                    instance_name=name, **{option: named})
        # For all variants at once no variant is named.
        do(cluster, "OP_CLUSTER_SET_PARAMS", osparams={image.name: {"colour": "red"}})
        do(cluster, "OP_CLUSTER_SET_PARAMS", osparams={image.name: {"colour": "default"}})


def test_an_os_without_variants_has_none(cluster: VirtualCluster) -> None:
    refused(cluster, "OP_INSTANCE_CREATE", "OS 'noop' does not support variants ('more' passed)",
            None, error="OpExecError", instance_name="extra.example.com", os_type="noop+more",
            **NEW)

