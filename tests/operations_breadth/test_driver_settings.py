"""Settings of the whole cluster belong to the drivers that declare them, whoever made those."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from jobs import do, refused
from third_party import install, present
from virtual_cluster import VirtualCluster

from ganeti_core.plugin_api import Description, hookimpl
from ganeti_core.plugin_api.disk import DISK_TEMPLATES
from ganeti_core.plugins import PluginHost
from ganeti_plugins.disk_file import FileTemplate

SET = "OP_CLUSTER_SET_PARAMS"
POOLED = '''
    from ganeti_core.plugin_api import Description, hookimpl
    from ganeti_plugins.disk_file import FileTemplate


    class Pooled(FileTemplate):
        @hookimpl
        def describe(self):
            return Description(0, "Files of a pool", settings={
                "type": "object", "required": ["pool_folder"], "properties": {
                    "pool_folder": {"type": "string", "default": "", "x-folder": True,
                                    "description": "where the pool is"},
                    "pool_copies": {"type": "integer", "default": 2, "minimum": 1,
                                    "description": "copies of each file"}}})

        @hookimpl
        def verify(self, ctx):
            return [f"copies: {ctx.config['pool_copies']}"]
'''


@pytest.fixture(scope="module")
def pooled(
    make_cluster: Callable[..., VirtualCluster], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[VirtualCluster]:
    """A cluster with another maker's disk template."""
    folder = tmp_path_factory.mktemp("pooled")
    install(folder, "ganeti-pooled", {"disk_templates:pooled": "Pooled"}, POOLED)
    with present(folder):
        yield make_cluster("--nodes", "1")


def settings(cluster: VirtualCluster) -> dict[str, Any]:
    with cluster.luxi() as client:
        return dict(client.query_cluster_info()["settings"])


def test_a_driver_needs_its_setting_and_gets_it_on_nodes(pooled: VirtualCluster) -> None:
    with pooled.luxi() as client:
        enabled = client.query_cluster_info()["enabled_disk_templates"]
    assert settings(pooled)["pool_copies"] == 2
    refused(pooled, SET, "Disk template 'pooled' cannot be enabled: pool_folder is not set",
            "wrong_input", enabled_disk_templates=[*enabled, "pooled"])
    pooled.gnt("gnt-cluster", "modify", "--driver-settings", "pool_folder=/srv/pool/,pool_copies=3")
    assert settings(pooled)["pool_folder"] == "/srv/pool"
    shown = pooled.gnt("gnt-cluster", "info").stdout
    assert "pool_copies: 3" in shown
    do(pooled, SET, enabled_disk_templates=[*enabled, "pooled"])
    assert "copies: 3" in pooled.try_("gnt-cluster", "verify").stdout
    refused(pooled, SET, "Unsetting the 'pooled' storage directory while having 'pooled' storage "
            "enabled is not permitted", "wrong_input", settings={"pool_folder": ""})
    do(pooled, SET, enabled_disk_templates=enabled)
    do(pooled, SET, settings={"pool_folder": "default", "pool_copies": "default"})
    assert settings(pooled)["pool_copies"] == 2


@pytest.mark.parametrize(("given", "why"), [
    ({"pool_copies": 0}, "Invalid value of the setting 'pool_copies': 0 is less than"),
    ({"pool_copies": "two"}, "Invalid value of the setting 'pool_copies'"),
    ({"pool_folder": "/etc"}, "The path of pool_folder must not be '/etc'"),
    ({"nosuch": "x"}, "Unknown setting 'nosuch': no driver here declares it (there are: "),
])
def test_a_value_fits_what_is_declared(
    pooled: VirtualCluster, given: dict[str, Any], why: str
) -> None:
    before = settings(pooled)
    refused(pooled, SET, why, "wrong_input", settings=given)
    assert settings(pooled) == before


@pytest.mark.parametrize(("schema", "why"), [
    ({"file_storage_dir": {"type": "integer", "default": 1, "description": "x"}},
     "it declares the setting 'file_storage_dir' otherwise than disk_templates file"),
    ({"cluster_name": {"type": "string", "default": "", "description": "x"}},
     "the setting 'cluster_name' is the core's own"),
    ({"mine": {"type": "string", "description": "x"}}, "the setting 'mine' has no default"),
])
def test_one_name_means_one_thing(schema: dict[str, Any], why: str) -> None:
    class Other(FileTemplate):
        @hookimpl
        def describe(self) -> Description:
            return Description(0, "Another", settings={"type": "object", "properties": schema})

    host = PluginHost()
    host.add(DISK_TEMPLATES, "file", FileTemplate())
    assert not host.try_add(DISK_TEMPLATES, "other", Other())
    assert why in host.rejected["disk_templates", "other"].problem


def test_nodes_without_the_volume_group_are_named(cluster: VirtualCluster) -> None:
    with cluster.luxi() as client:
        before = client.query_cluster_info()["enabled_disk_templates"]
    told = cluster.gnt(
        "gnt-cluster", "modify", "--enabled-disk-templates", ",".join([*before, "plain"]),
        "--vg-name", "nosuch", "--ipolicy-disk-templates", ",".join([*before, "plain"]))
    try:
        for number in (1, 2, 3):
            assert (f"Disks of the template plain cannot be on node node{number}.example.com: "
                    ) in told.stdout + told.stderr, told
        ran = cluster.try_("gnt-cluster", "verify", "--error-codes")
        assert ran.status == 1
        assert all(f"ERROR:ENODELVM:node:node{number}.example.com:" in ran.stdout
                   for number in (1, 2, 3)), ran
    finally:
        cluster.gnt("gnt-cluster", "modify", "--enabled-disk-templates", ",".join(before),
                    "--vg-name", "", "--ipolicy-disk-templates", ",".join(before))
