"""The template and the provider of the documentation, installed: placement takes them as others."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from third_party import install, present
from virtual_cluster import VirtualCluster

EXAMPLES = Path(__file__).parents[2] / "docs/examples"
PLUGINS = {"disk-qcow2": {"disk_templates:qcow2": "Qcow2Template"},
           "extstorage-folder": {"extstorage:folder": "FolderProvider"}}
TEMPLATES = "qcow2,ext,diskless"
NEW = ("-o", "noop", "-B", "memory=64M", "--no-nics", "--no-name-check", "--no-ip-check",
       "--no-install")
THIN = ("thin1.example.com", "thin2.example.com")
PAIR = "pair.example.com"
needs_fuse = pytest.mark.skipif(
    os.geteuid() != 0 or not Path("/dev/fuse").exists()
    or shutil.which("qemu-storage-daemon") is None,
    reason="an open qcow2 image is a FUSE mount of qemu-storage-daemon")


@pytest.fixture(scope="module")
def installed(
    make_cluster: Callable[..., VirtualCluster], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[VirtualCluster]:
    folder = tmp_path_factory.mktemp("examples")
    for example, entry_points in PLUGINS.items():
        package = f"ganeti_{example.replace('-', '_')}"
        source = (EXAMPLES / example / "src" / package / "__init__.py").read_text()
        install(folder, f"ganeti-{example}", entry_points, source)
    with present(folder):
        made = make_cluster("--nodes", "3", "--hypervisor", "fake")
        made.gnt("gnt-cluster", "modify", f"--enabled-disk-templates={TEMPLATES}",
                 f"--ipolicy-disk-templates={TEMPLATES}")
        yield made


@pytest.fixture
def cluster(installed: VirtualCluster) -> Iterator[VirtualCluster]:
    yield installed
    for (name,) in installed.instances("name"):
        installed.gnt("gnt-instance", "remove", "-f", "--shutdown-timeout=0", name)


def add(cluster: VirtualCluster, name: str, *words: str) -> None:
    cluster.gnt("gnt-instance", "add", *NEW, *words, name)


def volumes(cluster: VirtualCluster, node: str, folder: str) -> list[Path]:
    return sorted((cluster.paths(node).root / folder).rglob("*.disk*"),
                  key=lambda path: path.name.rpartition(".disk")[2])


@needs_fuse
def test_hail_places_its_instances_and_hbal_leaves_them(cluster: VirtualCluster) -> None:
    for name in THIN:
        add(cluster, name, "-t", "qcow2", "-s", "8M", "-I", "hail")
    homes = dict(cluster.instances("name", "pnode"))
    assert len(set(homes.values())) == len(THIN), "hail spreads them"
    for number in (1, 2, 3, 4):
        add(cluster, f"ext{number}.example.com", "-t", "ext", "--disk",
            "0:size=1M,provider=folder,folder=/srv/ganeti/shared-file-storage/v", "-n",
            homes[THIN[0]])
    planned = cluster.gnt("hbal", "-L", "-C")
    assert "gnt-instance migrate" in planned.stdout, planned
    assert not any(name in planned.stdout.partition("Commands to run")[2] for name in THIN)
    cluster.gnt("hbal", "-L", "-X", timeout=120)
    after = dict(cluster.instances("name", "pnode"))
    assert {name: after[name] for name in THIN} == homes
    assert len({node for name, node in after.items() if name not in THIN}) > 1
    cluster.verify()


def test_hspace_knows_what_its_instances_take(cluster: VirtualCluster) -> None:
    room = cluster.gnt("hspace", "-L", "--machine-readable").stdout
    said = dict(line.split("=", 1) for line in room.splitlines() if "=" in line)
    assert {value for name, value in said.items() if name.endswith("_DISK_TEMPLATE")} == {"qcow2"}
    assert {value for name, value in said.items() if name.endswith("_RQN")} == {"1"}
    assert int(said["HTS_ALLOC_INSTANCES"]) > 0


def test_a_policy_names_it_and_forbids_what_it_does_not_name(cluster: VirtualCluster) -> None:
    shown = cluster.gnt("gnt-cluster", "info").stdout
    assert "qcow2, ext, diskless" in shown or "qcow2,ext,diskless" in shown, shown
    cluster.gnt("gnt-cluster", "modify", "--ipolicy-disk-templates=diskless,ext")
    try:
        refused = cluster.try_("gnt-instance", "add", *NEW, "-t", "qcow2", "-s", "8M", "--no-start",
                               "-n", "node1", THIN[0])
        assert refused.status == 1
        assert "qcow2" in refused.stderr
        assert "policy" in refused.stderr
    finally:
        cluster.gnt("gnt-cluster", "modify", f"--ipolicy-disk-templates={TEMPLATES}")
    unknown = cluster.try_("gnt-cluster", "modify", "--ipolicy-disk-templates=qcow3,ext")
    assert unknown.status == 1
    assert "qcow3" in unknown.stderr


def test_equal_options_do_not_make_two_disks_one(cluster: VirtualCluster) -> None:
    options = "size=4M,provider=folder,folder=/srv/pair"
    add(cluster, PAIR, "-t", "ext", "--disk", f"0:{options}", "--disk", f"1:{options}",
        "-n", "node1")
    first, second = volumes(cluster, "node1", "srv/pair")
    first.write_bytes(b"a" * 512)
    assert second.read_bytes()[:512] == bytes(512)
    cluster.gnt("gnt-instance", "grow-disk", PAIR, "1", "4M")
    assert [path.stat().st_size >> 20 for path in (first, second)] == [0, 8]
    cluster.gnt("gnt-instance", "shutdown", "--timeout=0", PAIR)
    cluster.gnt("gnt-instance", "modify", "--disk", "1:remove", PAIR)
    assert volumes(cluster, "node1", "srv/pair") == [first]
    assert first.read_bytes()[:512] == b"a" * 512
    cluster.verify()
