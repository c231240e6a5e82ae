"""A node with a program that stands in for xl, and an instance for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import fake_xl
import pytest
import stand_in

from ganeti_core.plugin_api import DiskSpec, HookContext, InstanceSpec
from ganeti_core.plugin_api.testing.contexts import make_context, neighbours
from ganeti_plugins.hv_xen import XenPvmHypervisor
from ganeti_plugins.net_linux import BridgedNetwork, RoutedNetwork


@pytest.fixture(name="fake_xl")
def installed_xl(tmp_path: Path) -> str:
    """The program; every node has domains of its own."""
    program = tmp_path / "xl"
    stand_in.install(program, fake_xl)
    return str(program)


@pytest.fixture
def domain_instance(tmp_path: Path) -> InstanceSpec:
    for name in ("vmlinuz", "disk0"):
        (tmp_path / name).write_bytes(bytes(512))
    disk = DiskSpec("d15c0000-0000-4000-8000-000000000001", 0, "file", 1,
                    path=str(tmp_path / "disk0"))
    return InstanceSpec(
        uuid="c0ffee00-0000-4000-8000-000000000001", name="inst1.example.com",
        hypervisor="xen-pvm", hvparams={"kernel_path": str(tmp_path / "vmlinuz")},
        beparams={"maxmem": 128, "minmem": 64, "vcpus": 2}, disks=(disk,))


@pytest.fixture
def xen(fake_xl: str) -> XenPvmHypervisor:
    return XenPvmHypervisor(fake_xl)


@pytest.fixture
def nodes(tmp_path: Path, xen: XenPvmHypervisor) -> Iterator[tuple[HookContext, HookContext]]:
    """Two nodes; their domains end with the test."""
    found = []
    for name in ("node1", "node2"):
        ctx = make_context(tmp_path / name, f"{name}.example.com")
        found.append(replace(ctx, driver=neighbours(ctx, {
            ("network_backends", "bridged"): BridgedNetwork(),
            ("network_backends", "routed"): RoutedNetwork()})))
    yield found[0], found[1]
    for ctx in found:
        for folder in ctx.state.iterdir():
            xen.stop(ctx, InstanceSpec("", folder.name, "xen-pvm"), True, 0.0)
