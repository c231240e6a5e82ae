"""The tests of plugins that are installed, found through their distribution's entry points.

A distribution names its own test class in the group ``ganeti.conformance`` (``KIND:NAME = class``),
with the fixtures that its plugin needs. For a plugin without one a class with plain fixtures is
made; what needs to know the plugin is skipped then.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any, ClassVar

import pytest

from ganeti_core.plugin_api.all_kinds import KINDS
from ganeti_core.plugin_api.context import HookContext
from ganeti_core.plugin_api.data import DiskSpec, InstanceSpec, NicSpec

from .base import PluginContract
from .contexts import declared_folders, declared_settings, make_context
from .contracts import (
    AuthenticatorContract,
    CollectorContract,
    DiskTemplateContract,
    ExtStorageContract,
    HypervisorContract,
    IallocatorContract,
    NetworkBackendContract,
    NetworkServiceContract,
    OsContract,
)

GROUP = "ganeti.conformance"


class _Plain:
    """Fixtures that suit plugins without needs of their own."""

    load: ClassVar[Callable[[], Any]]

    @pytest.fixture
    def driver(self) -> object:
        return type(self).load()()

    @pytest.fixture
    def ctx(self, tmp_path: Path, driver: object) -> HookContext:
        ctx = make_context(tmp_path / "node1", config=declared_settings(driver))
        for folder in declared_folders(driver):
            (ctx.root / folder.lstrip("/")).mkdir(parents=True)
        return ctx

    @pytest.fixture
    def instance(self, tmp_path: Path) -> InstanceSpec:
        return _instance(())

    @pytest.fixture
    def unbootable(self) -> InstanceSpec:
        pytest.skip(f"the distribution names no class in {GROUP}, which would know such a one")


class _PlainOs(_Plain):
    @pytest.fixture
    def instance(self, tmp_path: Path) -> InstanceSpec:
        disk = tmp_path / "disk"
        with disk.open("wb") as file:
            file.truncate(64 * 1024**2)
        return _instance((DiskSpec("d15c", 0, "any", 64, path=str(disk)),))

    @pytest.fixture
    def uninstallable(self) -> InstanceSpec:
        return _instance((DiskSpec("d15c", 0, "any", 64, path="/no/such/disk"),))


class _PlainNetwork(_Plain):
    @pytest.fixture
    def instance(self) -> InstanceSpec:
        return _instance(())

    @pytest.fixture
    def nic(self) -> NicSpec:
        pytest.skip(f"the distribution names no class in {GROUP}, which would know a link")


class _PlainAuthenticator(_Plain):
    @pytest.fixture
    def user(self) -> tuple[str, str]:
        pytest.skip(f"the distribution names no class in {GROUP}, which would know a user")


def _instance(disks: tuple[DiskSpec, ...]) -> InstanceSpec:
    return InstanceSpec(
        uuid="c0ffee00-0000-4000-8000-000000000001", name="inst1.example.com", hypervisor="any",
        beparams={"maxmem": 128, "minmem": 128, "vcpus": 1}, disks=disks)


_PLAIN: dict[str, tuple[type, ...]] = {
    "hypervisors": (_Plain, HypervisorContract),
    "disk_templates": (_Plain, DiskTemplateContract),
    "network_backends": (_PlainNetwork, NetworkBackendContract),
    "network_services": (_Plain, NetworkServiceContract),
    "extstorage": (_Plain, ExtStorageContract),
    "os": (_PlainOs, OsContract),
    "collectors": (_Plain, CollectorContract),
    "iallocators": (_Plain, IallocatorContract),
    "authenticators": (_PlainAuthenticator, AuthenticatorContract),
}


def contracts_of(distribution: str) -> dict[str, type[PluginContract]]:
    """A test class for each plugin of an installed distribution, by a name that pytest collects."""
    entries = metadata.distribution(distribution).entry_points
    own = {entry.name: entry for entry in entries if entry.group == GROUP}
    found: dict[str, type[PluginContract]] = {}
    for kind in KINDS.values():
        for entry in entries.select(group=kind.group):
            key = f"{kind.name}:{entry.name}"
            name = f"Test_{kind.name}_{entry.name}"
            found[name] = own[key].load() if key in own else type(
                name, _PLAIN[kind.name], {"load": staticmethod(entry.load)})
    return found
