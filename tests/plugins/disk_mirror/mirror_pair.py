"""Two nodes with certificates of one cluster, each with the template of the devices below."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from member_lists import write_members

from ganeti_core.node.local_node import LocalNode
from ganeti_core.node.receiving import stream_endpoint
from ganeti_core.paths import Paths
from ganeti_core.plugin_api import HookContext, processes, run_command
from ganeti_core.plugin_api.data import DiskSpec, NodeRef
from ganeti_core.plugin_api.testing.contexts import declared_settings, make_context, neighbours
from ganeti_core.plugin_api.testing.disk import NODES
from ganeti_core.rpc import certs
from ganeti_core.rpc.identity import NodeIdentity
from ganeti_core.rpc.tls import fingerprint_of
from ganeti_plugins.disk_file import FileTemplate
from ganeti_plugins.disk_mirror import MirrorTemplate

ADDRESSES = ("127.0.1.1", "127.0.1.2")


@contextmanager
def two_nodes(folder: Path) -> Iterator[dict[str, HookContext]]:
    """Make the nodes, by uuid; in the end nothing of theirs runs or is mounted."""
    roots = [Paths(folder / node.name.partition(".")[0]) for node in NODES]
    made = {node.uuid: _node(paths, node, roots[0]) for paths, node in zip(
        roots, NODES, strict=True)}
    for paths in roots:
        write_members(paths, [fingerprint_of(one.node_certificate) for one in roots])
    yield made
    for ctx in made.values():
        end_all(ctx)


def end_all(ctx: HookContext) -> None:
    """Let nothing of a node run any more, as when it is lost."""
    for name in processes.kept(ctx):
        processes.end(ctx, name)
    for mount in Path("/proc/self/mountinfo").read_text().splitlines():
        if (place := mount.split()[4]).startswith(f"{ctx.root}/"):
            run_command(["umount", "-l", place], timeout=30)


def at_home(disk: DiskSpec) -> DiskSpec:
    """The disk with nodes that have addresses of this host."""
    return replace(disk, nodes=tuple(
        replace(node, address=ADDRESSES[NODES.index(node)]) for node in disk.nodes))


def _node(paths: Paths, node: NodeRef, authority: Paths) -> HookContext:
    ctx = make_context(paths.root, node.name, config=declared_settings(
        FileTemplate(), MirrorTemplate()))
    if paths is authority:
        certs.create_authority(paths, "cluster.example.com")
    else:
        for name in ("ca_key", "ca_certificate"):
            shutil.copy(getattr(authority, name), getattr(paths, name))
    certs.issue_local(paths, node.uuid, node.name)
    certs.write_node_identity(paths, node.uuid, node.name, ADDRESSES[NODES.index(node)], 1)
    (paths.root / "srv/ganeti/file-storage").mkdir(parents=True)
    local = LocalNode(NodeIdentity.load(paths), paths)
    ctx = replace(ctx, endpoint=lambda: stream_endpoint(local))
    ctx = replace(ctx, driver=neighbours(ctx, {("disk_templates", "file"): FileTemplate()}))
    ctx.driver("disk_templates", "file", "verify")  # makes the folders of that driver
    return ctx
