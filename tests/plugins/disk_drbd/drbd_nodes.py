"""Nodes whose DRBD is a stand-in, called without a process of its own."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import fake_drbd

from ganeti_core.plugin_api import CommandFailed, DiskSpec, HookContext, hookimpl
from ganeti_core.plugin_api.data import DiskRequest, NodeRef
from ganeti_core.plugin_api.disk import SNAPSHOTS
from ganeti_core.plugin_api.run import Completed
from ganeti_core.plugin_api.testing.contexts import (
    declared_settings,
    make_context,
    neighbours,
)
from ganeti_plugins.disk_drbd import DrbdTemplate
from ganeti_plugins.disk_drbd.device import Patience
from ganeti_plugins.disk_drbd.driver import NOTES_SIZE
from ganeti_plugins.disk_file import FileTemplate

NO_PATIENCE = Patience(0, 0, 0)
"""Nodes of these tests reach each other in no time, or not at all."""


class CopiedFiles(FileTemplate):
    """Files of which snapshots can be made."""

    capabilities = FileTemplate.capabilities | {SNAPSHOTS}

    @hookimpl
    def snapshot(self, ctx: HookContext, disk: DiskSpec, name: str) -> str:
        path = self.status(ctx, disk).path
        return shutil.copy(path, f"{path}.{name}")

    @hookimpl
    def remove_snapshot(self, ctx: HookContext, disk: DiskSpec, name: str) -> None:
        Path(f"{self.status(ctx, disk).path}.{name}").unlink(missing_ok=True)


@dataclass(frozen=True)
class Kernels:
    """The kernels of all nodes, and the program that calls them."""

    folder: Path

    def run(self, argv: list[str | os.PathLike[str]], *, timeout: float, **_: Any) -> Completed:
        """As `run_command`: the program's path says on which node it is called."""
        del timeout
        program = Path(argv[0])
        root, name = program.parent.parent.parent, program.name
        out = io.StringIO()
        try:
            with contextlib.redirect_stdout(out):
                fake_drbd.call(str(self.folder), str(root), name, [str(word) for word in argv[1:]])
        except fake_drbd.Refused as exc:
            words = " ".join(str(word) for word in argv[:6])
            raise CommandFailed(f"{words} exited with status {exc.status}: {exc.text}") from exc
        return Completed(out.getvalue(), "")

    def change(self, act: Callable[[fake_drbd.World], None]) -> None:
        with fake_drbd.World(str(self.folder)) as world:
            world.pass_moment()
            act(world)
            world.pass_moment()

    def lose(self, ctx: HookContext) -> None:
        """Switch a node off: what its kernel knew is gone, what is on its disks is not."""

        def off(world: fake_drbd.World) -> None:
            world.data["nodes"][str(ctx.root)].update(up=False, minors={}, resources={})

        self.change(off)

    def start(self, ctx: HookContext) -> None:
        self.change(lambda world: world.data["nodes"][str(ctx.root)].update(up=True))

    def cut(self, *contexts: HookContext, joined: bool = False) -> None:
        """Cut the network between two nodes, or join it again."""
        pair = sorted(str(ctx.root) for ctx in contexts)
        self.change(lambda world: world.data["cut"].remove(pair) if joined
                    else world.data["cut"].append(pair))

    def step(self, percent: float) -> None:
        """Let a synchronization go on so far in each moment."""
        self.change(lambda world: world.data.update(step=percent))


def node_settings() -> dict[str, Any]:
    return declared_settings(FileTemplate(), DrbdTemplate()) | {"drbd_volume_template": "file"}


def make_node(tmp_path: Path, kernels: Kernels, node: NodeRef) -> HookContext:
    """A node with DRBD, whose volumes are files."""
    root = tmp_path / node.name.partition(".")[0]
    (root / "srv/ganeti/file-storage").mkdir(parents=True)
    kernels.change(lambda world: world.add_node(str(root)))
    (root / "usr/sbin").mkdir(parents=True)
    for name in ("drbdsetup", "drbdmeta"):
        (root / "usr/sbin" / name).touch()
    ctx = make_context(root, node.name, config=node_settings())
    call = neighbours(ctx, {("disk_templates", "file"): CopiedFiles()})
    call("disk_templates", "file", "verify")  # its folders are there before a test looks
    return replace(ctx, driver=call)


def plan_volume(template: str, request: DiskRequest) -> DiskSpec:
    """Plan a volume that is a file."""
    assert template == "file"
    kind = "notes" if request.size == NOTES_SIZE else "data"
    return FileTemplate().layout(
        replace(request, uuid=f"{kind}-{request.uuid}"), declared_settings(FileTemplate()))
