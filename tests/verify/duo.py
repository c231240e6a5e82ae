"""A disk template of two nodes that says of its disks what a file of the node tells it to."""

from __future__ import annotations

import json
from typing import Any

from virtual_cluster import VirtualCluster

PLUGIN = '''
import json

from ganeti_core.plugin_api import BlockDeviceError, Description, DiskSpec, hookimpl
from ganeti_core.plugin_api.data import DiskStatus, OpenDisk
from ganeti_core.plugin_api.disk import EXCLUSIVE_STORAGE


class Duo:
    @hookimpl
    def describe(self):
        return Description(api_version=0, title="Two files", nodes=2, storage_types=("duo-pool",),
                           capabilities=frozenset({EXCLUSIVE_STORAGE}))

    @hookimpl
    def layout(self, request):
        return DiskSpec(uuid=request.uuid, index=request.index, template="duo",
                        size=request.size, instance=request.instance_name)

    @hookimpl
    def space(self, ctx):
        return []

    @hookimpl
    def verify(self, ctx):
        return []

    @hookimpl
    def devices(self, ctx):
        return [path.name for path in ctx.keep.iterdir()]

    @hookimpl
    def identity(self, disk):
        return disk.uuid

    @hookimpl
    def create(self, ctx, disk):
        (ctx.keep / disk.uuid).touch()

    @hookimpl
    def remove(self, ctx, disk):
        (ctx.keep / disk.uuid).unlink(missing_ok=True)

    @hookimpl
    def open(self, ctx, disk):
        return OpenDisk(str(ctx.keep / disk.uuid))

    @hookimpl
    def close(self, ctx, disk):
        pass

    @hookimpl
    def status(self, ctx, disk):
        told = ctx.root / "etc/ganeti/duo.json"
        said = json.loads(told.read_text()) if told.exists() else {}
        return DiskStatus(**{
            "exists": (ctx.keep / disk.uuid).exists(), "is_open": True, "size": disk.size, **said})

    @hookimpl
    def repair_storage(self, ctx, name):
        (ctx.root / "etc/ganeti/repaired").write_text(name)
'''


def say(cluster: VirtualCluster, node: str, **status: Any) -> None:
    """Let a node say this of all disks; nothing: what is true."""
    file = cluster.paths(node).etc / "duo.json"
    if status:
        file.write_text(json.dumps(status))
    else:
        file.unlink(missing_ok=True)
