"""What is said, and not done, where one of two copies of a disk is not as it should be."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from duo import PLUGIN, say
from third_party import install, present
from virtual_cluster import Ran, VirtualCluster
from wounded import Finding, findings

pytestmark = pytest.mark.timeout(900)

NAME = "pair.example.com"
NODE1, NODE2, NODE3 = (f"node{number}.example.com" for number in (1, 2, 3))


@pytest.fixture(scope="module")
def pairs(
    make_cluster: Callable[..., VirtualCluster], tmp_path_factory: pytest.TempPathFactory
) -> VirtualCluster:
    folder = tmp_path_factory.mktemp("duo")
    install(folder, "ganeti-duo", {"disk_templates:duo": "Duo"}, PLUGIN)
    with present(folder):
        made = make_cluster("--nodes", "3", "--hypervisor", "fake")
    made.gnt("gnt-cluster", "modify", "--enabled-disk-templates=diskless,duo",
             "--ipolicy-disk-templates=diskless,duo")
    made.gnt("gnt-instance", "add", "-t", "duo", "-s", "1M", "--no-install", "-o", "noop",
             "-B", "memory=16M", "-n", "node2:node3", "--no-nics", "--no-name-check",
             "--no-ip-check", NAME)
    made.verify()
    return made


@pytest.fixture
def cluster(pairs: VirtualCluster) -> Iterator[VirtualCluster]:
    yield pairs
    for node in ("node2", "node3"):
        say(pairs, node)
        (pairs.paths(node).etc / "repaired").unlink(missing_ok=True)
    pairs.gnt("gnt-node", "modify", "--offline=no", "node3")


def verified(cluster: VirtualCluster) -> tuple[Ran, list[Finding]]:
    ran = cluster.try_("gnt-cluster", "verify", "--error-codes")
    return ran, findings(ran)


@pytest.mark.parametrize(("local", "name"), [("ok", "ok"), ("sync", "syncing")])
def test_a_node_with_whole_data_only_warns_of_the_other_copy(
    cluster: VirtualCluster, local: str, name: str
) -> None:
    say(cluster, "node2", degraded=True, local=local, reason="node3 is away")
    ran, found = verified(cluster)
    assert found == [Finding(
        "WARNING", "EINSTANCEFAULTYDISK", "instance", NAME,
        f"disk/0 on {NODE2} is degraded; local disk state is '{name}': node3 is away")]
    assert ran.status == 0


@pytest.mark.parametrize("local", ["stale", "faulty", "unknown"])
def test_data_that_are_not_whole_are_an_error(cluster: VirtualCluster, local: str) -> None:
    say(cluster, "node3", degraded=True, local=local)
    ran, found = verified(cluster)
    assert found == [Finding(
        "ERROR", "EINSTANCEFAULTYDISK", "instance", NAME,
        f"disk/0 on {NODE3} is degraded; local disk state is '{local}'")]
    assert ran.status == 1


def test_a_disk_that_nobody_could_be_asked_for_is_not_said_to_be_missing(
    cluster: VirtualCluster,
) -> None:
    say(cluster, "node2", exists=False, local="unknown", reason="the provider does not answer")
    _, found = verified(cluster)
    assert found == [Finding(
        "ERROR", "EINSTANCEFAULTYDISK", "instance", NAME,
        f"couldn't retrieve status for disk/0 on {NODE2}: the provider does not answer")]
    ran = cluster.try_("gnt-cluster", "verify-disks")
    assert f"Error gathering data on node {NODE2}: the provider does not answer" in ran.stdout
    assert "missing" not in ran.stdout
    say(cluster, "node2", exists=False)
    ran = cluster.try_("gnt-cluster", "verify-disks")
    assert f"Instance {NAME} has missing disks: {NODE2} " in ran.stdout


def test_spindles_that_are_not_recorded_are_named_and_found(cluster: VirtualCluster) -> None:
    cluster.gnt("gnt-node", "modify", "--node-parameters", "exclusive_storage=true", "node2")
    try:
        say(cluster, "node2", spindles=3)
        _, found = verified(cluster)
        assert found == [Finding(
            "ERROR", "EINSTANCEMISSINGCFGPARAMETER", "instance", NAME,
            "number of spindles not configured for disk 0 while exclusive storage is enabled, try "
            "running gnt-cluster repair-disk-sizes")]
        ran = cluster.gnt("gnt-cluster", "repair-disk-sizes")
        assert (f"Disk 0 of instance {NAME} has mismatched spindles, correcting: recorded None, "
                "actual 3") in ran.stdout
        assert cluster.instances("disk.spindles/0") == [["3"]]
        assert verified(cluster)[1] == []
    finally:
        cluster.gnt("gnt-node", "modify", "--node-parameters", "exclusive_storage=default", "node2")


def test_a_disk_that_is_not_there_keeps_its_size_and_is_named(cluster: VirtualCluster) -> None:
    say(cluster, "node2", exists=False)
    ran = cluster.gnt("gnt-cluster", "repair-disk-sizes")
    assert f"WARNING: Disk 0 of instance {NAME} is not there, ignoring" in ran.stdout


def test_an_unknown_device_is_a_warning_for_each_node(cluster: VirtualCluster) -> None:
    folders = {node: cluster.paths(node).data / "plugins/disk_templates/duo"
               for node in ("node1", "node2", "node3")}
    (disk,) = (path.name for path in folders["node2"].iterdir())
    folders["node1"].mkdir(parents=True, exist_ok=True)
    strays = [folders["node1"] / disk, folders["node2"] / "stray", folders["node3"] / "stray"]
    for stray in strays:
        stray.touch()
    try:
        ran, found = verified(cluster)
    finally:
        for stray in strays:
            stray.unlink()
    assert found == [Finding("WARNING", "ENODEORPHANLV", "node", node, f"volume {name} is unknown")
                     for node, name in [(NODE1, disk), (NODE2, "stray"), (NODE3, "stray")]]
    assert ran.status == 0


REPAIR = ("gnt-node", "repair-storage", "node2", "duo-pool", "pool")


def repaired(cluster: VirtualCluster) -> bool:
    return (cluster.paths("node2").etc / "repaired").exists()


def test_nothing_is_given_up_while_the_other_copy_cannot_be_reached(
    cluster: VirtualCluster,
) -> None:
    cluster.gnt("gnt-node", "modify", "--offline=yes", "--force", "node3")
    refused = cluster.try_(*REPAIR)
    assert (f"Instance '{NAME}' has its other disks on node '{NODE3}', which is offline"
            in refused.stderr)
    assert (refused.status, repaired(cluster)) == (1, False)
    went = cluster.gnt(*REPAIR[:2], "--ignore-consistency", *REPAIR[2:])
    assert f"WARNING: Instance '{NAME}' has its other disks on" in went.stdout
    assert repaired(cluster)


@pytest.mark.parametrize("local", ["stale", "sync", "faulty"])
def test_nothing_is_given_up_of_which_the_other_copy_lacks_something(
    cluster: VirtualCluster, local: str
) -> None:
    say(cluster, "node3", local=local)
    refused = cluster.try_(*REPAIR)
    assert f"Instance '{NAME}' has faulty disks on node '{NODE3}'" in refused.stderr
    assert (refused.status, repaired(cluster)) == (1, False)


def test_disks_of_a_stopped_instance_are_not_given_up_either(cluster: VirtualCluster) -> None:
    cluster.gnt("gnt-instance", "shutdown", "--timeout=0", NAME)
    try:
        say(cluster, "node3", local="faulty")
        assert cluster.try_(*REPAIR).status == 1
        assert not repaired(cluster)
    finally:
        say(cluster, "node3")
        cluster.gnt("gnt-instance", "startup", NAME)
    cluster.gnt(*REPAIR)
    assert repaired(cluster)


def test_certificates_that_have_ended_are_named(cluster: VirtualCluster) -> None:
    folders = [cluster.paths(f"node{number}").data for number in (1, 2, 3)]
    files = [*(folder / "rapi.pem" for folder in folders), folders[1] / "node.pem"]
    before = {file: file.read_bytes() if file.exists() else None for file in files}
    ended = an_old_certificate()
    try:
        for file in files:
            file.write_bytes(ended)
        _, found = verified(cluster)
    finally:
        for file, content in before.items():
            if content is None:
                file.unlink()
            else:
                file.write_bytes(content)
    assert {(one.level, one.code, one.name.rpartition("/")[2], one.message.partition(" (")[0])
            for one in found} >= {
        ("ERROR", "ECLUSTERCERT", "rapi.pem", "Certificate is expired"),
        ("ERROR", "ECLUSTERCLIENTCERT", NODE2, "Certificate is expired")}


def an_old_certificate() -> bytes:
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    now = datetime.datetime.now(datetime.UTC)
    return (x509.CertificateBuilder().subject_name(name).issuer_name(name)
            .public_key(key.public_key()).serial_number(1)
            .not_valid_before(now - datetime.timedelta(days=9))
            .not_valid_after(now - datetime.timedelta(days=2))
            .sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))


def test_a_node_whose_scripts_say_nothing_is_an_error(cluster: VirtualCluster) -> None:
    cluster.tool("stop", "node3", "ganeti-noded")
    try:
        ran, found = verified(cluster)
    finally:
        cluster.bring_back()
    assert ran.status == 1
    (of_scripts,) = [one for one in found if one.code == "ENODEHOOKS"]
    assert of_scripts[:4] == ("ERROR", "ENODEHOOKS", "node", NODE3)
    assert of_scripts.message.startswith("Communication failure in hooks execution: ")
