"""A disk on two nodes whose DRBD is a stand-in, called without a process of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from drbd_nodes import NO_PATIENCE, Kernels, node_settings, plan_volume

from ganeti_core.plugin_api import BlockDeviceError, DiskSpec, HookContext
from ganeti_core.plugin_api.data import DiskRequest, DiskStatus, NodeRef
from ganeti_core.plugin_api.disk_steps import Verb
from ganeti_core.plugin_api.testing.disk import NODES, drawn, plain_child_steps
from ganeti_core.plugin_api.testing.mirror import until
from ganeti_plugins.disk_drbd import DrbdTemplate

A, B = NODES


@dataclass
class Pair:
    """A disk on two nodes, and what the cluster knows of it."""

    driver: DrbdTemplate
    kernels: Kernels
    contexts: Mapping[str, HookContext]
    disk: DiskSpec
    stale: tuple[NodeRef, ...] = ()

    def work(self, verb: Verb, *nodes: NodeRef, **arguments: Any) -> Any:
        result: Any = None
        for step in self.driver.steps(verb, self.known, nodes, arguments, plain_child_steps):
            call = getattr(self.driver, step.hook)
            result = call(ctx=self.contexts[step.node], disk=step.disk, **step.arguments)
        return result

    @property
    def known(self) -> DiskSpec:
        return replace(self.disk, stale=tuple(node.uuid for node in self.stale))

    def state(self, node: NodeRef) -> DiskStatus:
        return self.driver.status(self.contexts[node.uuid], self.known.on(node.uuid))

    def in_sync(self) -> bool:
        return all(self.state(node).local == "ok" and not self.state(node).degraded
                   for node in NODES)

    def moved(self) -> None:
        """The instance is on the other node by now."""
        self.disk = replace(self.disk, nodes=self.disk.nodes[::-1])

    def write(self, node: NodeRef, text: bytes) -> None:
        with Path(self.device(node)).open("r+b") as device:
            device.write(text)

    def read(self, node: NodeRef) -> bytes:
        [data] = (self.contexts[node.uuid].root / "srv/ganeti/file-storage").rglob("data-*")
        return data.read_bytes().split(b"\0", 1)[0]

    def device(self, node: NodeRef) -> str:
        return str(self.contexts[node.uuid].root / f"dev/drbd{self.disk.on(node.uuid).minor}")

    def cut(self, *, joined: bool = False) -> None:
        self.kernels.cut(*self.contexts.values(), joined=joined)


def make_pair(kernels: Kernels, two_nodes: Mapping[str, HookContext]) -> Pair:
    """In sync, open, and written to on the first node."""
    driver = DrbdTemplate(kernels.run, NO_PATIENCE)
    children: list[DiskSpec] = []

    def child(template: str, request: DiskRequest) -> DiskSpec:
        children.append(replace(plan_volume(template, request), nodes=NODES))
        return children[-1]

    granted = drawn(driver.describe(), 0)
    planned = driver.layout(DiskRequest("d15c", 0, 1, "web.example.com"), node_settings(), child)
    disk = replace(planned, nodes=NODES, granted=granted, children=tuple(children))
    made = Pair(driver, kernels, two_nodes, disk)
    made.work("create", *NODES)
    made.work("open", *NODES)
    until(made.in_sync)
    made.write(A, b"first")
    made.kernels.change(lambda _: None)
    assert made.read(B) == b"first"
    return made


def refused(match: str) -> Any:
    return pytest.raises(BlockDeviceError, match=match)
