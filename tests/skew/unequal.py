"""Releases of third-party plugins, and nodes that have one or another of them."""

from __future__ import annotations

import shutil
from pathlib import Path

from third_party import install
from virtual_cluster import VirtualCluster

TWIN = (Path(__file__).parents[1] / "twin" / "ganeti_twin.py").read_text()
HYPERVISOR = """
    from dataclasses import replace
    from ganeti_core.plugin_api import hookimpl
    from ganeti_plugins.hv_fake import FakeHypervisor

    class Pretender(FakeHypervisor):
        @hookimpl
        def describe(self):
            return replace(super().describe(), title="Another fake", state_version={state})
"""


def provide(folder: Path, state: int, version: str) -> Path:
    """Put the distributions of a hypervisor and a disk template into a folder."""
    if folder.exists():
        shutil.rmtree(folder)
    install(folder, "ganeti-pretender", {"hypervisors:pretender": "Pretender"},
            HYPERVISOR.format(state=state), version)
    install(folder, "ganeti-twin", {"disk_templates:twin": "Twin"},
            TWIN.replace("nodes=2,", f"nodes=2, state_version={state},"), version)
    return folder


def start_with(cluster: VirtualCluster, node: str, folder: Path | None) -> None:
    """Start the daemon of a node again, with the distributions of this folder only."""
    cluster.tool("stop", node, "ganeti-noded")
    cache = cluster.root / f"cache-{node}"
    ran = cluster.on(node, "env", f"PYTHONPATH={folder or ''}", f"XDG_CACHE_HOME={cache}",
                     "ganeti-noded")
    assert ran.status == 0, ran
