"""Plugins that fail or wait in what a whole cluster is asked for: they cost their own answer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from virtual_cluster import VirtualCluster, virtual_cluster

from ganeti_core.plugin_files import FOLDER

NODES = ("node1", "node2")
FAILS = """
    @hookimpl
    def identity(self, disk: DiskSpec) -> str:
        if Path("{mark}").exists():
            raise ZeroDivisionError("who am I?")
"""
MEETING = """
import time
from pathlib import Path
from ganeti_core.plugin_api import Description, hookimpl
from ganeti_core.plugin_api.data import OsInfo

PLUGIN = "os:meeting"

class Meeting:
    @hookimpl
    def describe(self):
        return Description(api_version=0, title="Waits for the other nodes")

    @hookimpl
    def info(self, ctx):
        (Path("{mark}") / ctx.node).touch()
        deadline = time.monotonic() + 20
        while len(list(Path("{mark}").iterdir())) < {count} and time.monotonic() < deadline:
            time.sleep(0.01)
        met = len(list(Path("{mark}").iterdir())) == {count}
        return OsInfo("meeting", "/", (20,), (), (), problem="" if met else "nobody came")

    @hookimpl
    def validate(self, ctx):
        pass

    @hookimpl
    def create(self, ctx):
        pass
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VirtualCluster]:
    with virtual_cluster(tmp_path_factory.mktemp("odd") / "c", "--nodes", "2") as made:
        yield made


def put(cluster: VirtualCluster, name: str, text: str) -> None:
    for node in NODES:
        folder = cluster.root / node / FOLDER
        folder.mkdir(parents=True, mode=0o755, exist_ok=True)
        path = folder / name
        path.write_text(text)
        path.chmod(0o644)
    cluster.gnt("gnt-plugin", "reload")


def test_a_template_that_cannot_name_its_devices_is_one_finding(
    cluster: VirtualCluster, tmp_path: Path
) -> None:
    mark = tmp_path / "mark"
    cluster.gnt("gnt-plugin", "new", "--dir", str(tmp_path / "new"), "disk_template", "odd")
    (source,) = (tmp_path / "new" / "src").glob("*/__init__.py")
    text = source.read_text() + '\nPLUGIN = "disk_templates:odd"\n'
    hook = "\n    @hookimpl\n    def identity(self, disk: DiskSpec) -> str:\n"
    assert hook in text
    put(cluster, "odd.py", text.replace(hook, FAILS.replace("{mark}", str(mark))))
    cluster.gnt("gnt-cluster", "modify", "--enabled-disk-templates=file,odd",
                "--ipolicy-disk-templates=file,odd")
    for name in ("a.example.com", "b.example.com"):
        cluster.gnt("gnt-instance", "add", "-t", "odd", "-s", "1m", "--no-install", "--no-start",
                    "-n", "node1", "--no-nics", "--no-name-check", "--no-ip-check", name)
    mark.touch()
    ran = cluster.try_("gnt-cluster", "verify", "--error-codes")
    assert ran.status == 1
    found = [line for line in ran.lines if "ERROR" in line]
    assert len(found) == 1
    assert found[0].endswith(
        "ERROR:ECLUSTERCFG:cluster:plugin disk_templates odd:its devices cannot be named: plugin"
        " disk_templates odd: identity: ZeroDivisionError: who am I?")
    assert any("Verifying N+1" in line for line in ran.lines)
    mark.unlink()
    cluster.verify()


def test_nodes_are_asked_for_their_os_definitions_at_once(
    cluster: VirtualCluster, tmp_path: Path
) -> None:
    put(cluster, "meeting.py",
        MEETING.replace("{mark}", str(tmp_path)).replace("{count}", str(len(NODES))))
    assert "meeting" in cluster.gnt("gnt-os", "list").lines
