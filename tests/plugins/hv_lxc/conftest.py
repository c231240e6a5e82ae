"""Containers for the tests of lxc: a root file system with busybox, in a file."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ganeti_core.plugin_api import DiskSpec, HookContext, InstanceSpec
from ganeti_core.plugin_api.testing.contexts import make_context, neighbours
from ganeti_plugins.hv_lxc import LxcHypervisor
from ganeti_plugins.hv_lxc.conformance import make_image, obstacle
from ganeti_plugins.net_linux import BridgedNetwork, RoutedNetwork


@pytest.fixture(scope="session")
def lxc_image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A disk as the OS definition makes it. Tests that use it need a host that runs containers."""
    folder = tmp_path_factory.mktemp("lxc")
    if reason := obstacle(folder):
        pytest.skip(reason)
    make_image(folder / "image")
    return folder / "image"


@pytest.fixture
def new_disk(lxc_image: Path, tmp_path: Path) -> Callable[[str], DiskSpec]:
    """Make a copy of that disk."""
    def make(name: str) -> DiskSpec:
        path = tmp_path / f"{name}.raw"
        shutil.copyfile(lxc_image, path)
        return DiskSpec(f"d15c0000-0000-4000-8000-{len(name):012}", 0, "file", 16, path=str(path))

    return make


@pytest.fixture
def container_instance(new_disk: Callable[[str], DiskSpec]) -> InstanceSpec:
    return InstanceSpec(
        uuid="c0ffee00-0000-4000-8000-000000000001", name="inst1.example.com", hypervisor="lxc",
        beparams={"maxmem": 64, "minmem": 32, "vcpus": 1}, disks=(new_disk("disk0"),))


@pytest.fixture
def lxc() -> LxcHypervisor:
    return LxcHypervisor()


@pytest.fixture
def lxc_ctx(tmp_path: Path, lxc: LxcHypervisor) -> Iterator[HookContext]:
    """A node; its containers end with the test."""
    context = with_networks(make_context(tmp_path / "node1", "node1.example.com"))
    yield context
    for folder in context.state.iterdir():
        lxc.stop(context, InstanceSpec("", folder.name, "lxc"), True, 0.0)


def with_networks(context: HookContext) -> HookContext:
    """The node with network back ends."""
    return replace(context, driver=neighbours(context, {
        ("network_backends", "bridged"): BridgedNetwork(),
        ("network_backends", "routed"): RoutedNetwork()}))
