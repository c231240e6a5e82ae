"""The plugins as the core meets them: found by entry point, wrapped, refusing what they lack."""

from pathlib import Path

import pytest

from ganeti_core.errors import BlockDeviceError, NotSupported
from ganeti_core.plugin_api import Description, DiskSpec, HookContext, InstanceSpec, hookimpl
from ganeti_core.plugin_api.collector import COLLECTORS
from ganeti_core.plugin_api.disk import DISK_TEMPLATES, SnapshotSpec
from ganeti_core.plugin_api.hypervisor import HYPERVISORS, HotplugSpec
from ganeti_core.plugin_api.iallocator import IALLOCATORS
from ganeti_core.plugin_api.os import OS_DEFINITIONS
from ganeti_core.plugin_api.testing.contexts import declared_settings, make_context
from ganeti_core.plugin_api.testing.faults import FaultInjection, write_faults
from ganeti_core.plugins import PluginHost
from ganeti_plugins.disk_file import FileTemplate

DISK = DiskSpec(uuid="d1", index=0, template="file", size=1,
                logical_id=("loop", "/srv/ganeti/file-storage/inst1/d1.file.disk0"))


def test_they_are_found_and_healthy() -> None:
    host = PluginHost()
    host.load([HYPERVISORS, DISK_TEMPLATES])
    assert "fake" in host.names(HYPERVISORS)
    assert {"file", "sharedfile", "diskless"} <= set(host.names(DISK_TEMPLATES))
    assert host.defaults(HYPERVISORS, "fake") == {"migration_mode": "live"}


def test_allocator_programs_of_a_node_are_found(tmp_path: Path) -> None:
    program = tmp_path / "usr/lib/ganeti/iallocators/best"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    host = PluginHost()
    host.load([IALLOCATORS])
    host.refresh_sources(tmp_path, {})
    assert "best" in host.names(IALLOCATORS)
    program.unlink()
    host.refresh_sources(tmp_path, {})
    assert "best" not in host.names(IALLOCATORS)


def test_what_a_source_lists_again_stays_in_use_until_it_says_something_else(
    tmp_path: Path,
) -> None:
    definition = tmp_path / "srv/ganeti/os/mine"
    definition.mkdir(parents=True)
    (definition / "ganeti_api_version").write_text("20\n")
    host = PluginHost()
    host.load([OS_DEFINITIONS])
    host.refresh_sources(tmp_path, {})
    first = host.driver(OS_DEFINITIONS, "mine")
    host.refresh_sources(tmp_path, {})
    assert host.driver(OS_DEFINITIONS, "mine") is first
    (definition / "parameters.list").write_text("mirror where packages come from\n")
    host.refresh_sources(tmp_path, {})
    assert host.driver(OS_DEFINITIONS, "mine") is not first
    assert set(host.describe(OS_DEFINITIONS, "mine").parameters["properties"]) == {"mirror"}


def test_what_is_not_promised_is_refused(tmp_path: Path) -> None:
    host = PluginHost()
    host.load([HYPERVISORS, DISK_TEMPLATES])
    ctx = make_context(tmp_path)
    instance = InstanceSpec(uuid="u1", name="inst1", hypervisor="fake")
    hypervisor: HotplugSpec = host.driver(HYPERVISORS, "fake")  # type: ignore[assignment] # an extension of the kind
    with pytest.raises(NotSupported, match="fake does not offer plug_nic"):
        hypervisor.plug_nic(ctx=ctx, instance=instance, nic=None)
    template: SnapshotSpec = host.driver(DISK_TEMPLATES, "file")  # type: ignore[assignment] # as above
    with pytest.raises(NotSupported, match="file does not offer snapshot"):
        template.snapshot(ctx=ctx, disk=DISK, name="s")
    with pytest.raises(NotSupported, match="diskless does not offer grow"):
        host.driver(DISK_TEMPLATES, "diskless").grow(ctx=ctx, disk=DISK, size=2)


def test_a_misspelt_hook_is_told_with_the_one_that_may_be_meant() -> None:
    class Typo:
        @hookimpl
        def describe(self) -> Description:
            return Description(0, "Typo")

        @hookimpl
        def colect(self, ctx: HookContext) -> None:
            return

    host = PluginHost()
    assert not host.try_add(COLLECTORS, "typo", Typo())
    (status,) = host.status()
    assert status.problem == "collectors typo: unknown hook 'colect' (is collect meant?)"


def test_any_driver_can_be_made_to_fail(tmp_path: Path) -> None:
    host = PluginHost()
    host.wrap(DISK_TEMPLATES.name, FaultInjection(DISK_TEMPLATES))
    host.add(DISK_TEMPLATES, "file", FileTemplate())
    ctx = make_context(tmp_path, config=declared_settings(FileTemplate()))
    (tmp_path / "srv/ganeti/file-storage").mkdir(parents=True)
    template = host.driver(DISK_TEMPLATES, "file")
    write_faults(tmp_path / "etc/ganeti/disk_templates-faults.json",
                 {"create": {"mode": "fail", "when": "after", "times": 1, "instance": DISK.uuid}})
    with pytest.raises(BlockDeviceError, match="create fails on order"):
        template.create(ctx=ctx, disk=DISK)
    assert template.status(ctx=ctx, disk=DISK).exists
    template.remove(ctx=ctx, disk=DISK)
    template.create(ctx=ctx, disk=DISK)
