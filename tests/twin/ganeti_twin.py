"""Disk template ``twin``: each disk is a file on each of two nodes, kept alike by a process.

It is the contract's proof for copies: a child of another template on each node, a pool of numbers,
a first synchronization with progress, copies that are behind and catch up, one writer at a time.
What two real nodes would exchange over the network lies in a folder that the nodes of a virtual
cluster share. The copying is real; that nothing is copied while a guest writes is the one thing
that it leaves out.
"""

from __future__ import annotations

import fcntl
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from ganeti_core.plugin_api import (
    BlockDeviceError,
    Description,
    DiskSpec,
    HookContext,
    hookimpl,
    processes,
)
from ganeti_core.plugin_api.data import (
    DiskRequest,
    DiskStatus,
    JsonDict,
    NodeRef,
    OpenDisk,
    StorageSpace,
)
from ganeti_core.plugin_api.disk import GROWABLE, LOCAL_SPACE, MIRRORED, PlanChild
from ganeti_core.plugin_api.disk_steps import ChildSteps, DiskStep, Verb, plain_steps

MIB = 1024**2
COPY = """
import json, os, sys, time
state, me, target, progress, pace = sys.argv[1:6]
source = None
while source is None:
    with open(state) as file:
        opened = json.load(file).get("open", {})
    writers = [how["path"] for node, how in opened.items() if node != me and how["writes"]]
    source = writers[0] if writers else None
    time.sleep(0.02)
size, done, part = os.path.getsize(source), 0, 1 << 18
with open(source, "rb") as old, open(target, "r+b") as new:
    while chunk := old.read(part):
        new.write(chunk)
        done += len(chunk)
        with open(progress + ".new", "w") as file:
            json.dump(100 * done / size, file)
        os.replace(progress + ".new", progress)
        time.sleep(float(pace))
    os.fsync(new.fileno())
"""


class Twin:
    """A file on each of two nodes."""

    @hookimpl
    def describe(self) -> Description:
        return Description(
            api_version=0, title="A file on each of two nodes", nodes=2,
            pools=frozenset({"minor"}),
            capabilities=frozenset({MIRRORED, GROWABLE, LOCAL_SPACE}))

    @hookimpl
    def layout(self, request: DiskRequest, plan_child: PlanChild) -> DiskSpec:
        plan_child("file", replace(request, options={}, params={}, name=None))
        return DiskSpec(
            uuid=request.uuid, index=request.index, template="twin", size=request.size,
            logical_id=(request.uuid,), mode=request.mode, params=request.params,
            name=request.name, instance=request.instance_name)

    @hookimpl
    def steps(
        self, verb: Verb, disk: DiskSpec, nodes: tuple[NodeRef, ...], arguments: JsonDict,
        child_steps: ChildSteps,
    ) -> list[DiskStep]:
        match verb:
            case "share":
                both = [DiskStep(node.uuid, "open", disk.on(node.uuid), {"exclusive": False},
                                 "open", {"exclusive": True}) for node in nodes[:1]]
                second = nodes[1].uuid
                return [*both, DiskStep(second, "open", disk.on(second), {"exclusive": False},
                                        "demote")]
            case "promote":
                first = nodes[0].uuid
                return [DiskStep(first, "promote", disk.on(first), arguments, "demote")]
            case "demote":
                return [DiskStep(node.uuid, "demote", disk.on(node.uuid)) for node in nodes]
            case _:
                return plain_steps(verb, disk, nodes, arguments, child_steps)

    @hookimpl
    def identity(self, disk: DiskSpec) -> str:
        return disk.uuid

    @hookimpl
    def space(self, ctx: HookContext) -> list[StorageSpace]:
        return list(ctx.driver("disk_templates", "file", "space"))

    @hookimpl
    def verify(self, ctx: HookContext) -> list[str]:
        return list(ctx.driver("disk_templates", "file", "verify"))

    @hookimpl
    def devices(self, ctx: HookContext) -> list[str]:
        return sorted(path.stem for path in ctx.keep.glob("*.twin"))

    @hookimpl
    def create(self, ctx: HookContext, disk: DiskSpec) -> None:
        _child(ctx, disk, "create")
        if _note(ctx, disk).exists():
            return
        number = str(disk.minor)
        for other in ctx.keep.glob("*.twin"):
            if other.read_text() == number:
                raise BlockDeviceError(f"the number {number} is taken by {other.stem}")
        draft = _note(ctx, disk).with_suffix(".draft")
        draft.write_text(number)
        with _shared(ctx, disk) as state:
            state.setdefault("whole", [])
        draft.rename(_note(ctx, disk))

    @hookimpl
    def remove(self, ctx: HookContext, disk: DiskSpec) -> None:
        self.close(ctx, disk)
        with _shared(ctx, disk) as state:
            state["whole"] = [node for node in state.get("whole", []) if node != disk.here]
        for left in (*(_note(ctx, disk).with_suffix(suffix) for suffix in (".twin", ".draft")),
                     ctx.logs / f"{disk.uuid}.log"):
            left.unlink(missing_ok=True)
        if not any(state.get(key) for key in ("whole", "open")):
            for left in _wire(ctx).glob(f"{disk.uuid}.*"):
                left.unlink()
        _child(ctx, disk, "remove")

    @hookimpl
    def open(self, ctx: HookContext, disk: DiskSpec, exclusive: bool) -> OpenDisk:
        if not _note(ctx, disk).exists():
            raise BlockDeviceError(f"there is no disk {disk.uuid} on node {ctx.node}")
        path = str(_child(ctx, disk, "open", exclusive=True).path)
        writes = disk.role == "primary" or not exclusive
        with _shared(ctx, disk) as state:
            whole = state.setdefault("whole", [])
            opened = state.setdefault("open", {})
            if writes and whole and disk.here not in _whole(ctx, disk, state):
                raise BlockDeviceError(f"the copy of {disk.uuid} on node {ctx.node} is old")
            others = [node for node, how in opened.items() if node != disk.here and how["writes"]]
            if writes and exclusive and others:
                raise BlockDeviceError(f"{disk.uuid} is written to from another node")
            opened[disk.here] = {"path": path, "writes": writes}
            if writes:
                # Those that do not follow miss what is written from here on.
                state["whole"] = [node for node in {*whole, disk.here} if node in opened]
            else:
                _follow(ctx, disk, state, path)
        return OpenDisk(path)

    @hookimpl
    def promote(self, ctx: HookContext, disk: DiskSpec, force: bool) -> OpenDisk:
        path = str(_child(ctx, disk, "open", exclusive=True).path)
        _settle(ctx, disk)
        with _shared(ctx, disk) as state:
            if disk.here not in state.get("whole", []) and not force:
                raise BlockDeviceError(f"the copy of {disk.uuid} on node {ctx.node} is old")
            state["whole"] = [disk.here]
            state["open"] = {disk.here: {"path": path, "writes": True}}
        return OpenDisk(path)

    @hookimpl
    def demote(self, ctx: HookContext, disk: DiskSpec) -> None:
        with _shared(ctx, disk) as state:
            if disk.here in state.get("open", {}):
                state["open"][disk.here]["writes"] = False

    @hookimpl
    def close(self, ctx: HookContext, disk: DiskSpec) -> None:
        _settle(ctx, disk)
        processes.end(ctx, disk.uuid, patience=5)
        with _shared(ctx, disk) as state:
            state.get("open", {}).pop(disk.here, None)
        if disk.children:
            _child(ctx, disk, "close")

    @hookimpl
    def status(self, ctx: HookContext, disk: DiskSpec) -> DiskStatus:
        if not _note(ctx, disk).exists():
            return DiskStatus(exists=False)
        _die_sometimes(ctx, disk)
        below: DiskStatus = _child(ctx, disk, "status")
        with _shared(ctx, disk, reads=True) as state:
            whole = _whole(ctx, disk, state)
        missing = [node for node in disk.nodes if node.uuid not in whole]
        used = bool(state.get("open"))
        percent = next((found for node in missing if (found := _percent(ctx, disk, node))
                        is not None), None)
        fresh = not state.get("whole") and not used
        local = "ok" if fresh or disk.here in whole else "sync" if percent is not None else "stale"
        is_open = disk.here in state.get("open", {})
        reason = f"no whole copy on {', '.join(node.name for node in missing)}" if missing else ""
        return DiskStatus(
            True, below.path if is_open else "", below.size, is_open=is_open, local=local,
            degraded=bool(missing) and used, sync_percent=percent if used else None, reason=reason)

    @hookimpl
    def grow(self, ctx: HookContext, disk: DiskSpec, size: int) -> None:
        _child(ctx, disk, "grow", size=size)


def _child(ctx: HookContext, disk: DiskSpec, hook: str, **arguments: Any) -> Any:
    child = disk.children[0]
    return ctx.driver("disk_templates", child.template, hook, disk=child, **arguments)


def _note(ctx: HookContext, disk: DiskSpec) -> Path:
    """This node's part of the disk: the number that was drawn for it."""
    return ctx.keep / f"{Path(disk.uuid).name}.twin"


def _wire(ctx: HookContext) -> Path:
    """What the two nodes know of each other."""
    folder = ctx.root / "srv/ganeti/shared-file-storage/.twin"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


@contextmanager
def _shared(ctx: HookContext, disk: DiskSpec, *, reads: bool = False) -> Iterator[dict[str, Any]]:
    """The state that both nodes agree on, locked."""
    file = _wire(ctx) / f"{disk.uuid}.json"
    handle = os.open(_wire(ctx) / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        state: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
        yield state
        if not reads:
            draft = file.with_suffix(".new")
            draft.write_text(json.dumps(state))
            draft.rename(file)
    finally:
        os.close(handle)


def _follow(ctx: HookContext, disk: DiskSpec, state: dict[str, Any], path: str) -> None:
    """Begin to fill the copy here as soon as another node writes, unless it is whole."""
    if disk.here in _whole(ctx, disk, state) or disk.uuid in processes.kept(ctx):
        return
    pace = ctx.root / "etc/ganeti/twin-pace"
    progress = _wire(ctx) / f"{disk.uuid}.{disk.here}.percent"
    progress.write_text("0")
    processes.begin(
        ctx, disk.uuid, [sys.executable, "-c", COPY, _wire(ctx) / f"{disk.uuid}.json", disk.here,
                         path, progress, pace.read_text() if pace.exists() else "0"])


def _die_sometimes(ctx: HookContext, disk: DiskSpec) -> None:
    """Be one of so many looks, while copies are filled, at which the process here dies."""
    left = ctx.root / "etc/ganeti/twin-dies"
    filling = any((_percent(ctx, disk, node) or 0.0) > 0.0 for node in disk.nodes)
    if filling and left.exists() and (count := int(left.read_text())):
        left.write_text(str(count - 1))
        os._exit(1)


def _percent(ctx: HookContext, disk: DiskSpec, node: NodeRef) -> float | None:
    try:
        return float(json.loads((_wire(ctx) / f"{disk.uuid}.{node.uuid}.percent").read_text()))
    except (FileNotFoundError, ValueError):
        return None


def _whole(ctx: HookContext, disk: DiskSpec, state: dict[str, Any]) -> set[str]:
    """The nodes whose copy is whole, those included that have just been filled."""
    filled = {node.uuid for node in disk.nodes
              if node.uuid in state.get("open", {}) and _percent(ctx, disk, node) == 100.0}
    return {*state.get("whole", []), *filled}


def _settle(ctx: HookContext, disk: DiskSpec) -> None:
    """Write down that the copy here is whole, if it has been filled; forget how far it was."""
    progress = _wire(ctx) / f"{disk.uuid}.{disk.here}.percent"
    if not progress.exists():
        return
    with _shared(ctx, disk) as state:
        if disk.here in _whole(ctx, disk, state):
            state["whole"] = sorted({*state.get("whole", []), disk.here})
    progress.unlink(missing_ok=True)
