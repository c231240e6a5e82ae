"""``gnt-instance modify -t``: other disks take the place of an instance's, with the same data."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from filled import add, digests, home_of, paths
from virtual_cluster import VirtualCluster

from ganeti_core.plugin_api.testing.faults import write_faults

NAME = "inst1.example.com"
MODIFY = ("gnt-instance", "modify")
WAYS = [
    ("file", "node1", "sharedfile", ()), ("sharedfile", "node1", "file", ()),
    ("file", "node1", "twin", ("-n", "node2")), ("sharedfile", "node1", "twin", ("-n", "node3")),
    ("twin", "node1:node2", "file", ()), ("twin", "node1:node2", "sharedfile", ()),
]


@pytest.mark.parametrize(("old", "nodes", "new", "options"), [
    pytest.param(*way, id=f"{way[0]}-{way[2]}",
                 marks=[pytest.mark.torture] if "sharedfile" in way and "twin" in way else [])
    for way in WAYS])
def test_the_data_are_there_afterwards(
    cluster: VirtualCluster, old: str, nodes: str, new: str, options: tuple[str, ...]
) -> None:
    before = add(cluster, NAME, template=old, nodes=nodes)
    ran = cluster.gnt(*MODIFY, "-t", new, *options, NAME)
    assert f" - disk_template -> {new}" in ran.stdout
    if new == "twin":
        cluster.gnt("gnt-instance", "activate-disks", NAME)
    assert digests(cluster, NAME) == before
    assert all(f".{'file' if new == 'twin' else new}." in path.name
               for path in paths(cluster, NAME))
    partner = [f"{options[1]}.example.com"] if options else [""]
    assert cluster.instances("disk_template", "snodes", "disk.sizes", "status") == [
        [new, *partner, "4,4", "ADMIN_down"]]
    cluster.gnt("gnt-instance", "startup", NAME)
    cluster.verify()


def test_the_allocator_chooses_the_node_of_the_copies(cluster: VirtualCluster) -> None:
    before = add(cluster, NAME)
    cluster.gnt(*MODIFY, "-t", "twin", "-I", "picker", NAME)
    cluster.gnt("gnt-instance", "activate-disks", NAME)
    assert digests(cluster, NAME) == before
    assert cluster.instances("snodes") == [["node3.example.com"]]


def test_a_folder_below_the_clusters(cluster: VirtualCluster) -> None:
    before = add(cluster, NAME, template="sharedfile")
    cluster.gnt(*MODIFY, "-t", "file", "--file-storage-dir=gold/fast", "--file-driver=loop", NAME)
    gold = cluster.root / "node1/srv/ganeti/file-storage/gold/fast" / NAME
    assert len(list(gold.glob("*.file.disk*"))) == 2
    cluster.verify()
    cluster.gnt("gnt-instance", "move", "-f", "-n", "node2", NAME)
    assert not gold.parent.parent.exists()
    cluster.gnt(*MODIFY, "-t", "sharedfile", NAME)
    assert digests(cluster, NAME) == before


def test_a_new_instance_in_a_folder_below_the_clusters(cluster: VirtualCluster) -> None:
    add(cluster, NAME, "--file-storage-dir=gold")
    assert (cluster.root / "node1/srv/ganeti/file-storage/gold" / NAME).is_dir()
    cluster.verify()
    for wrong in ("/gold", "../gold", ".gold"):
        ran = cluster.try_("gnt-instance", "add", "-t", "file", "-s", "4m", "-o", "noop", "-n",
                           "node1", f"--file-storage-dir={wrong}", "--no-ip-check",
                           "--no-name-check", "--no-nics", "inst2.example.com")
        assert f"file_storage_dir '{wrong}' must be a relative path" in ran.stderr


@pytest.mark.parametrize(("options", "said"), [
    (("-t", "file"), "Instance already has disk template file"),
    (("-t", "diskless"), "Conversion to the 'diskless' disk template is not supported"),
    (("-t", "twin", "-n", "node1"), "Given new secondary node node1.example.com is the same as"),
    (("-t", "twin", "-n", "node2", "-I", "hail"), "Do not specify both, iallocator and node"),
    (("-t", "sharedfile", "--disk", "add:size=4m"), "other disk changes not supported"),
    (("-t", "sharedfile", "-e", "provider=x"), "provider"),
    (("-B", "memory=32m", "-e", "provider=x"),
     "The parameter 'ext_params' is for a change of the disk template only"),
    (("-n", "node2"), "The parameter 'remote_node' is for a change of the disk template only"),
    (("--file-storage-dir=gold",), "'file_storage_dir' is for a change of the disk template only"),
    (("-t", "sharedfile", "--new-primary=node2"), "cannot be changed at the same time"),
])
def test_refusals_name_what_is_wrong(
    cluster: VirtualCluster, options: tuple[str, ...], said: str
) -> None:
    before = add(cluster, NAME)
    ran = cluster.try_(*MODIFY, *options, NAME)
    assert ran.status == 1
    assert said in ran.stderr
    assert digests(cluster, NAME) == before


@pytest.mark.parametrize(("old", "nodes", "new", "options"), [
    pytest.param(*WAYS[0], id="file-sharedfile", marks=pytest.mark.torture),
    pytest.param(*WAYS[2], id="file-twin"), pytest.param(*WAYS[4], id="twin-file")])
def test_a_guest_that_runs_goes_on_meanwhile(
    cluster: VirtualCluster, old: str, nodes: str, new: str, options: tuple[str, ...]
) -> None:
    before = add(cluster, NAME, template=old, nodes=nodes)
    cluster.gnt("gnt-instance", "startup", NAME)
    guest = guest_file(cluster)
    started = json.loads(guest.read_text())["started"]
    ran = cluster.gnt(*MODIFY, "-t", new, *options, NAME)
    assert f" - disk_template -> {new}" in ran.stdout
    assert "Copying disk/1 while the guest runs" in ran.stdout
    now = json.loads(guest.read_text())
    assert (now["started"], list(now["mirrors"].values())) == (started, [True, True])
    assert digests(cluster, NAME) == before
    assert all(f".{'file' if new == 'twin' else new}." in path.name
               for path in paths(cluster, NAME))
    assert cluster.instances("disk_template", "status", "disks_active") == [[new, "running", "Y"]]
    cluster.verify()


def test_a_switch_that_a_node_refuses_is_made_later_and_nothing_is_removed_before(
    cluster: VirtualCluster
) -> None:
    before = add(cluster, NAME)
    cluster.gnt("gnt-instance", "startup", NAME)
    faults = cluster.paths("node1").root / "etc/ganeti/fake-faults.json"
    write_faults(faults, {"switch_disk": {"mode": "fail"}})
    ran = cluster.gnt(*MODIFY, "-t", "sharedfile", NAME)
    assert f"let {NAME} have its new disk 0: " in ran.stderr + ran.stdout
    assert len(paths(cluster, NAME)) == 4
    write_faults(faults, {})
    cluster.gnt("gnt-instance", "reboot", NAME)
    assert digests(cluster, NAME) == before
    with cluster.luxi() as client:
        assert client.debts() == []
    cluster.verify()


@pytest.mark.parametrize("hook", ["mirror_disk", "mirror_status"])
def test_a_copy_that_fails_leaves_the_guest_what_it_has(
    cluster: VirtualCluster, hook: str
) -> None:
    before = add(cluster, NAME)
    cluster.gnt("gnt-instance", "startup", NAME)
    faults = cluster.paths("node1").root / "etc/ganeti/fake-faults.json"
    write_faults(faults, {hook: {"mode": "fail"}})
    assert cluster.try_(*MODIFY, "-t", "sharedfile", NAME).status == 1
    write_faults(faults, {})
    assert digests(cluster, NAME) == before
    assert cluster.instances("disk_template", "status") == [["file", "running"]]
    assert json.loads(guest_file(cluster).read_text())["mirrors"] == {}


def test_an_instance_that_is_up_and_cannot_be_copied_stays_what_it_is(
    cluster: VirtualCluster
) -> None:
    before = add(cluster, NAME)
    cluster.gnt("gnt-instance", "startup", NAME)
    ran = cluster.try_(*MODIFY, "-t", "sharedfile", "--net", "add", NAME)
    assert "changes of its network cards not supported at the same time" in ran.stderr
    guest_file(cluster).unlink()
    refused = f"Instance '{NAME}' is marked to be up, cannot change disk template: "
    ran = cluster.try_(*MODIFY, "-t", "sharedfile", NAME)
    assert f"{refused}it does not run; stop or start it first" in ran.stderr
    assert digests(cluster, NAME) == before


def test_a_hypervisor_that_cannot_copy_says_so(cluster: VirtualCluster) -> None:
    before = add(cluster, NAME, "-H", "lean")
    cluster.gnt("gnt-instance", "startup", NAME)
    ran = cluster.try_(*MODIFY, "-t", "sharedfile", NAME)
    assert "the hypervisor lean cannot copy disks of guests that run; stop it first" in ran.stderr
    assert digests(cluster, NAME) == before


def guest_file(cluster: VirtualCluster) -> Path:
    (found,) = (cluster.paths("node1").plugin_state / "hypervisors/fake").glob("*.guest")
    return found


def test_an_instance_without_disks_has_nothing_to_convert(cluster: VirtualCluster) -> None:
    cluster.gnt("gnt-instance", "add", "-t", "diskless", "-o", "noop", "-n", "node1", "--no-nics",
                "--no-ip-check", "--no-name-check", "--no-install", "--no-start", NAME)
    ran = cluster.try_(*MODIFY, "-t", "file", NAME)
    assert "Conversion from the 'diskless' disk template is not supported" in ran.stderr


def test_a_policy_holds_unless_it_is_ignored(cluster: VirtualCluster) -> None:
    add(cluster, NAME)
    cluster.gnt("gnt-group", "modify", "--ipolicy-disk-templates=file,diskless", "default")
    refused = cluster.try_(*MODIFY, "-t", "sharedfile", NAME)
    assert ("Disk template 'sharedfile' is not allowed (allowed templates: file, diskless)"
            in refused.stderr)
    cluster.gnt(*MODIFY, "-t", "sharedfile", "--ignore-ipolicy", NAME)
    cluster.gnt("gnt-group", "modify", "--ipolicy-disk-templates=default", "default")


def test_a_new_primary_node_moves_nothing(cluster: VirtualCluster) -> None:
    before = add(cluster, NAME)
    files = paths(cluster, NAME)
    cluster.gnt(*MODIFY, "--new-primary=node2", NAME)
    assert home_of(cluster, NAME) == "node2"
    for file in files:  # by hand, as an administrator does
        there = cluster.root / "node2" / file.relative_to(cluster.root / "node1")
        there.parent.mkdir(exist_ok=True)
        file.rename(there)
    files[0].parent.rmdir()
    assert digests(cluster, NAME) == before
    cluster.gnt("gnt-instance", "startup", NAME)
    running = cluster.try_(*MODIFY, "--new-primary=node3", NAME)
    assert "Instance is still running on node2.example.com" in running.stderr
    cluster.verify()


def test_a_new_primary_node_must_have_the_copies(cluster: VirtualCluster) -> None:
    add(cluster, NAME, template="twin", nodes="node1:node2")
    ran = cluster.try_(*MODIFY, "--new-primary=node3", NAME)
    assert "only node2.example.com can be the new primary node" in ran.stderr
    cluster.gnt(*MODIFY, "--new-primary=node2", NAME)
    assert cluster.instances("pnode", "snodes") == [["node2.example.com", "node1.example.com"]]
