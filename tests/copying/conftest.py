"""One cluster for all tests of copied disks; each has instances of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from third_party import install, present
from virtual_cluster import VirtualCluster, virtual_cluster

PICKER = '''
from ganeti_core.plugin_api import Description, hookimpl


class Picker:
    """Takes the last node by name."""

    @hookimpl
    def describe(self):
        return Description(api_version=0, title="The last node",
                           capabilities=frozenset({"allocate-secondary"}))

    @hookimpl
    def solve(self, request):
        return {"success": True, "info": "the last one", "result": max(request["nodes"])}
'''
LEAN = '''
from dataclasses import replace

from ganeti_core.plugin_api import hookimpl
from ganeti_plugins.hv_fake import FakeHypervisor


class Lean(FakeHypervisor):
    """Cannot copy disks of guests that run."""

    @hookimpl
    def describe(self):
        found = super().describe()
        return replace(found, capabilities=found.capabilities - {"disk_mirror"})
'''
TWIN = Path(__file__).parents[1] / "twin/ganeti_twin.py"
TEMPLATES = "diskless,file,sharedfile,twin"


@pytest.fixture(scope="module")
def three_nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VirtualCluster]:
    folder = tmp_path_factory.mktemp("copying")
    install(folder, "ganeti-twin", {"disk_templates:twin": "Twin"}, TWIN.read_text())
    install(folder, "ganeti-lean", {"hypervisors:lean": "Lean"}, LEAN)
    install(folder, "ganeti-picker", {"iallocators:picker": "Picker"}, PICKER)
    with present(folder), virtual_cluster(
            folder / "c", "--nodes", "3", "--hypervisor", "fake") as made:
        made.gnt("gnt-cluster", "modify", "--enabled-hypervisors=fake,lean")
        made.gnt("gnt-cluster", "modify", f"--enabled-disk-templates={TEMPLATES}",
                 f"--ipolicy-disk-templates={TEMPLATES}", "--compression-tools=gzip")
        yield made


@pytest.fixture
def cluster(three_nodes: VirtualCluster) -> Iterator[VirtualCluster]:
    """Afterwards there are no instances, and nothing is owed, held or left."""
    yield three_nodes
    for (name,) in three_nodes.instances("name"):
        three_nodes.gnt("gnt-instance", "remove", "-f", "--shutdown-timeout=0", name)
    with three_nodes.luxi() as client:
        assert client.debts() == []
        assert [row for row in client.query("lock", ["name", "owner"], None)["data"]
                if row[1][1]] == []
    assert [str(path) for path in three_nodes.root.glob("node*/srv/ganeti/file-storage/*")] == []
