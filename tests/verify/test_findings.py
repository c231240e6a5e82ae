"""Every code of a verification is provoked on a cluster of real daemons."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from virtual_cluster import Ran, VirtualCluster
from wounded import (
    build,
    edit_config,
    findings,
    run_another_release,
    wound_by_commands,
    wound_files,
)

pytestmark = pytest.mark.timeout(900)

NODE1, NODE2, NODE3 = (f"node{number}.example.com" for number in (1, 2, 3))
FOUND = [
    # level, code, kind of object, its name, a part of the message
    ("ERROR", "ECLUSTERCERT", "cluster", "*/node.key", "has mode 640, not 600"),
    ("ERROR", "ECLUSTERCFG", "cluster", "None",
     "The instance policy of node group far allows no disk template that is enabled: it allows "
     "plain, enabled are "),
    ("ERROR", "ECLUSTERCFG", "cluster", "plugin hypervisors gone",
     "is not installed on the master; used by instance(s) alien.example"),
    ("ERROR", "ECLUSTERDANGLINGNODES", "node", "None",
     "the following nodes (and their instances) belong to a non existing group: "
     "node5.example.com ()"),
    ("ERROR", "ECLUSTERDANGLINGINST", "node", "None",
     "the following instances have a non-existing primary-node: lost.example"),
    ("ERROR", "ECLUSTERFILECHECK", "cluster", "None",
     "File /var/lib/ganeti/ssconf_cluster_name found with 2 different checksums (variant "),
    ("ERROR", "ECLUSTERFILECHECK", "cluster", "None",
     f"File /var/lib/ganeti/ssconf_master_ip is missing from node(s) {NODE3}"),
    ("ERROR", "ECLUSTERFILECHECK", "cluster", "None",
     f"File /var/lib/ganeti/ca.key should not exist on node(s) {NODE3}"),
    ("ERROR", "ECLUSTERFILECHECK", "cluster", "None",
     "File /etc/ganeti/file-storage-paths is optional, but it must exist on all or no nodes (not "
     f"found on {NODE2})"),
    ("ERROR", "ENODEFILECHECK", "node", NODE2,
     "Node did not return file checksum data of /var/lib/ganeti/ssconf_uid_pool (Is a directory)"),
    ("ERROR", "ENODEFILESTORAGEPATHS", "node", NODE1,
     "Found forbidden file storage paths: /etc/disks"),
    ("ERROR", "ENODEFILESTORAGEPATHUNUSABLE", "node", NODE3,
     "The configured file storage path is unusable: "),
    ("ERROR", "ENODESHAREDFILESTORAGEPATHUNUSABLE", "node", NODE3,
     "The configured sharedfile storage path is unusable: "),
    ("ERROR", "ENODESETUP", "node", NODE3, "node setup error: others can read "),
    ("WARNING", "ENODESETUP", "node", NODE2,
     "node setup error: plugin hypervisors broken: cannot be loaded: "),
    ("ERROR", "ENODEOOBPATH", "node", NODE1, "error stating out of band helper: "),
    ("WARNING", "ENODEVERSION", "node", NODE2, "software version mismatch: master "),
    ("ERROR", "ENODEVERSION", "node", NODE2,
     "incompatible protocol versions: plugins of kind collectors have version 0 on the master, 7 "
     "on the node"),
    ("ERROR", "ENODETIME", "node", NODE2, "Node time diverges by at least "),
    ("ERROR", "ENODENET", "node", NODE1,
     f"tcp communication with node '{NODE2}': failure using the secondary interface(s)"),
    ("ERROR", "ENODEHV", "node", NODE3, "hypervisor fake verify failure: '"),
    ("ERROR", "ENODEHV", "node", NODE1,
     "hypervisor fake parameter verify failure (source instance typo.example): "),
    ("ERROR", "ENODEHOOKS", "node", NODE1, "Script cluster-verify-post.d/check failed, output:"),
    ("NOTICE", "ENODEUSERSCRIPTS", "node", NODE1, "notes is not run: it is no program"),
    ("ERROR", "ENODEOS", "node", NODE2,
     f"Extra OS only-here not present on reference node ({NODE1})"),
    ("ERROR", "ENODEOS", "node", NODE2,
     "Invalid OS only-here (located at /only/here): it needs a key"),
    ("WARNING", "ENODEOS", "node", NODE1, "OS vanished is missing on this node, and cannot be "
     "installed again on instance(s) alien.example"),
    ("ERROR", "ENODEN1", "node", NODE2,
     f"not enough memory to accomodate instance failovers should node {NODE1} fail (1000000000MiB"),
    ("ERROR", "ENODEORPHANINSTANCE", "node", NODE2,
     "node is running unknown instance stranger.example"),
    ("WARNING", "ENODEORPHANLV", "node", NODE1, "stray/old.file.disk0 is unknown"),
    ("WARNING", "EEXTAGS", "node", NODE1,
     "Tags where there is more than one instance: ['service:web']"),
    ("WARNING", "EINSTANCEPOLICY", "instance", "policy.example",
     "cpu-count value 20 is not in range [1, 16]"),
    ("WARNING", "EINSTANCESPLITGROUPS", "instance", "split.example",
     "instance has primary and secondary nodes in different groups: "
     f"{NODE1} (group default), {NODE3} (group far)"),
    ("WARNING", "EINSTANCELAYOUT", "instance", "split.example",
     f"instance has the secondary node {NODE3}, for which its disk template file has no use"),
    ("WARNING", "EINSTANCELAYOUT", "instance", "many.example",
     f"instance has multiple secondary nodes: {NODE2}"),
    ("ERROR", "EINSTANCEUNSUITABLENODE", "instance", "exclusive.example",
     "instance uses disk types file, which are not supported on nodes that have exclusive storage "
     f"set: {NODE2}"),
    ("ERROR", "EINSTANCEUNSUITABLENODE", "instance", "alien.example",
     f"instance uses the hypervisor gone, which is not usable on node {NODE1}"),
    ("ERROR", "EINSTANCEBADNODE", "instance", "many.example",
     "instance lives on ghost node 0ff1ce"),
    ("ERROR", "EINSTANCEBADNODE", "instance", "offline.example",
     "instance is marked as running and lives on offline node node4.example.com"),
    ("ERROR", "EINSTANCEDOWN", "instance", "down.example",
     f"instance not running on its primary node {NODE1}"),
    ("ERROR", "EINSTANCEWRONGNODE", "instance", "wrong.example",
     f"instance should not run on node {NODE2}"),
    ("ERROR", "EINSTANCEMISSINGDISK", "instance", "missing.example",
     f"disk/0 on {NODE1} is missing"),
    ("ERROR", "EINSTANCEFAULTYDISK", "instance", "faulty.example",
     f"couldn't retrieve status for disk/0 on {NODE1}: "),
    ("ERROR", "EINSTANCEMISSINGCFGPARAMETER", "instance", "typo.example", "migration_mode"),
]
"""What ``gnt-cluster verify`` must find on the wounded cluster."""


@pytest.fixture(scope="module")
def wounded(
    make_cluster: Callable[..., VirtualCluster], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[VirtualCluster]:
    cluster = make_cluster("--nodes", "5", "--hypervisor", "fake")
    build(cluster)
    cluster.verify()
    wound_by_commands(cluster)
    cluster.tool("stop", "node1", "ganeti-masterd")
    edit_config(cluster)
    run_another_release(cluster, "node2", tmp_path_factory.mktemp("release"))
    cluster.tool("start", "node1", "ganeti-masterd")
    # A master that starts sends all nodes their files; nothing is on its way after that.
    cluster.gnt("gnt-cluster", "redist-conf")
    wound_files(cluster)
    yield cluster
    cluster.paths().node_key.chmod(0o600)


@pytest.fixture(scope="module")
def ran(wounded: VirtualCluster) -> Ran:
    return wounded.try_("gnt-cluster", "verify", "--error-codes")


def matches(wanted: str, name: str) -> bool:
    return name.endswith(wanted.removeprefix("*")) if wanted.startswith("*") else name == wanted


@pytest.mark.parametrize(("level", "code", "kind", "name", "text"), FOUND,
                         ids=[f"{row[1]}-{at}" for at, row in enumerate(FOUND)])
def test_it_is_found(ran: Ran, level: str, code: str, kind: str, name: str, text: str) -> None:
    of_code = [found for found in findings(ran) if found.code == code]
    assert any((found.level, found.kind) == (level, kind) and matches(name, found.name)
               and text in found.message for found in of_code), of_code or ran.stdout[-3000:]


def test_it_ends_with_an_error_and_notes_what_is_no_fault(ran: Ran) -> None:
    assert ran.status == 1
    notes = [line.split("NOTICE: ")[1] for line in ran.lines if "NOTICE: " in line]
    assert "1 non-auto-balanced instance(s) found." in notes
    assert "1 offline node(s) found." in notes
    assert any(note.endswith(" non-redundant instance(s) found.") for note in notes)


def test_what_is_sound_is_not_reported(ran: Ran) -> None:
    names = {found.name for found in findings(ran) if found.kind == "instance"}
    assert not names & {"lonely.example", "tagged1.example", "tagged2.example"}
    assert "does not know" not in ran.stdout


def test_errors_of_ignored_codes_are_warnings(wounded: VirtualCluster, ran: Ran) -> None:
    codes = sorted({found.code for found in findings(ran)})
    ignored = [word for code in codes for word in ("-I", code)]
    again = wounded.gnt("gnt-cluster", "verify", "--error-codes", *ignored)
    assert {found.code for found in findings(again) if found.level == "WARNING"} == {
        found.code for found in findings(ran) if found.level != "NOTICE"}
    assert "ERROR:" not in again.stdout
    some = wounded.try_("gnt-cluster", "verify", "--error-codes", "-I", "EINSTANCEDOWN")
    assert some.status == 1
    levels = {found.level for found in findings(some) if found.code == "EINSTANCEDOWN"}
    assert levels == {"WARNING"}


def test_a_check_can_be_left_out(wounded: VirtualCluster) -> None:
    ran = wounded.try_("gnt-cluster", "verify", "--error-codes", "--no-nplus1-mem")
    assert "ENODEN1" not in ran.stdout
    assert "EINSTANCEDOWN" in ran.stdout


def test_without_codes_the_lines_are_for_people(wounded: VirtualCluster) -> None:
    ran = wounded.try_("gnt-cluster", "verify", "--node-group", "far")
    assert f"  - ERROR: node {NODE3}: hypervisor fake verify failure: '" in ran.stdout
    assert "down.example" not in ran.stdout


def test_a_node_that_does_not_answer_is_named(wounded: VirtualCluster) -> None:
    wounded.tool("stop", "node3", "ganeti-noded")
    ran = wounded.try_("gnt-cluster", "verify", "--error-codes", "--node-group", "far")
    found = [one for one in findings(ran) if one.code == "ENODERPC"]
    assert [(one.kind, one.name) for one in found] == [("node", NODE3)]
    assert found[0].message.startswith("while contacting node: ")


@pytest.mark.parametrize("words", [("-I", "NOSUCH")])
def test_a_code_that_there_is_not_is_refused(
    wounded: VirtualCluster, words: tuple[str, ...]
) -> None:
    ran = wounded.try_("gnt-cluster", "verify", *words)
    assert ran.status == 1
    assert "Unknown error code(s) NOSUCH: expected some of ECLUSTERCERT, " in ran.stderr
