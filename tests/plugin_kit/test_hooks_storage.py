"""Each hook of a disk template and of an ExtStorage provider does on a node what its contract says.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from on_a_node import OnANode, api0

from ganeti_core.plugin_api import Description, DiskSpec, HookContext, NodeRef, hookimpl
from ganeti_core.plugin_api.data import DiskRequest
from ganeti_core.plugin_api.disk import DISK_TEMPLATES, GROWABLE, SNAPSHOTS
from ganeti_core.plugin_api.extstorage import EXTSTORAGE, VolumeSpec

disks, volumes = api0("disk_templates"), api0("extstorage")
NODES = (NodeRef("u-1", "node1.example.com", "127.0.0.1"),)
REQUEST = DiskRequest("d15c0000-0000-4000-8000-000000000000", 0, 8, "inst1.example.com")
VOLUME = VolumeSpec("e2700000-0000-4000-8000-000000000001", "vol1", 8)


class Template(disks.Oldest):
    """Makes snapshots, too."""

    @hookimpl
    def describe(self) -> Description:
        return Description(0, "For tests", capabilities=frozenset({GROWABLE, SNAPSHOTS}))

    @hookimpl
    def snapshot(self, ctx: HookContext, disk: DiskSpec, name: str) -> str:
        copy = ctx.keep / f"{disk.logical_id[0]}.{name}"
        shutil.copy(ctx.keep / disk.logical_id[0], copy)
        return str(copy)

    @hookimpl
    def remove_snapshot(self, ctx: HookContext, disk: DiskSpec, name: str) -> None:
        (ctx.keep / f"{disk.logical_id[0]}.{name}").unlink(missing_ok=True)


class Provider(volumes.Oldest):
    """Offers everything that is optional, in the simplest way."""

    @hookimpl
    def set_info(self, ctx: HookContext, volume: VolumeSpec, text: str) -> None:
        (ctx.keep / "info").write_text(text)

    @hookimpl
    def snapshot(self, ctx: HookContext, volume: VolumeSpec, name: str) -> None:
        shutil.copy(ctx.keep / volume.name, ctx.keep / name)

    @hookimpl
    def open(self, ctx: HookContext, volume: VolumeSpec, exclusive: bool) -> None:
        (ctx.state / "open").write_text(str(exclusive))

    @hookimpl
    def close(self, ctx: HookContext, volume: VolumeSpec) -> None:
        (ctx.state / "open").unlink(missing_ok=True)


@pytest.fixture
def node(tmp_path: Path) -> OnANode:
    return OnANode.with_driver(tmp_path, DISK_TEMPLATES, Template())


@pytest.fixture
def disk(node: OnANode) -> DiskSpec:
    found: DiskSpec = node.call(
        "layout", request=REQUEST, nodes=NODES, granted={}, settings={}).disk
    return found


@pytest.fixture
def created(node: OnANode, disk: DiskSpec) -> OnANode:
    node.call("create", disk=disk)
    return node


def test_hook_disk_template_describe(node: OnANode) -> None:
    assert SNAPSHOTS in node.call("describe").capabilities


def test_hook_disk_template_layout(disk: DiskSpec) -> None:
    assert (disk.uuid, disk.size, disk.template) == (REQUEST.uuid, 8, "oldest")


def test_hook_disk_template_space(node: OnANode) -> None:
    (space,) = node.call("space")
    assert 0 < space.free <= space.total


def test_hook_disk_template_verify(node: OnANode) -> None:
    assert node.call("verify") == []


def test_hook_disk_template_devices(created: OnANode, disk: DiskSpec) -> None:
    assert created.call("devices") == [created.call("identity", disk=disk)]


def test_hook_disk_template_identity(node: OnANode, disk: DiskSpec) -> None:
    assert REQUEST.uuid in node.call("identity", disk=disk)


def test_hook_disk_template_create(created: OnANode, disk: DiskSpec) -> None:
    created.call("create", disk=disk)
    assert created.call("status", disk=disk).exists


def test_hook_disk_template_remove(created: OnANode, disk: DiskSpec) -> None:
    for _ in range(2):
        created.call("remove", disk=disk)
    assert created.call("devices") == []


def test_hook_disk_template_open(created: OnANode, disk: DiskSpec) -> None:
    assert Path(created.call("open", disk=disk, exclusive=True)).exists()


def test_hook_disk_template_close(created: OnANode, disk: DiskSpec) -> None:
    created.call("open", disk=disk, exclusive=True)
    created.call("close", disk=disk)
    assert created.call("status", disk=disk).exists


def test_hook_disk_template_status(node: OnANode, disk: DiskSpec) -> None:
    assert not node.call("status", disk=disk).exists


def test_hook_disk_template_grow(created: OnANode, disk: DiskSpec) -> None:
    created.call("grow", disk=disk, size=16)
    assert created.call("status", disk=disk).size == 16


def test_hook_disk_template_snapshot(created: OnANode, disk: DiskSpec) -> None:
    assert Path(created.call("snapshot", disk=disk, name="one")).stat().st_size == 8 * 1024**2


def test_hook_disk_template_remove_snapshot(created: OnANode, disk: DiskSpec) -> None:
    copy = Path(created.call("snapshot", disk=disk, name="one"))
    for _ in range(2):
        created.call("remove_snapshot", disk=disk, name="one")
    assert not copy.exists()


@pytest.fixture
def storage(tmp_path: Path) -> OnANode:
    return OnANode.with_driver(tmp_path, EXTSTORAGE, Provider())


@pytest.fixture
def made(storage: OnANode) -> OnANode:
    storage.call("create", volume=VOLUME)
    return storage


def device(storage: OnANode) -> Path:
    return Path(storage.call("attach", volume=VOLUME).device)


def test_hook_extstorage_describe(storage: OnANode) -> None:
    assert storage.call("describe").title


def test_hook_extstorage_verify(storage: OnANode) -> None:
    storage.call("verify", params={})


def test_hook_extstorage_create(made: OnANode) -> None:
    assert device(made).stat().st_size == 8 * 1024**2


def test_hook_extstorage_remove(made: OnANode) -> None:
    gone = device(made)
    for _ in range(2):
        made.call("remove", volume=VOLUME)
    assert not gone.exists()


def test_hook_extstorage_attach(made: OnANode) -> None:
    assert device(made) == device(made)


def test_hook_extstorage_detach(made: OnANode) -> None:
    for _ in range(2):
        made.call("detach", volume=VOLUME)


def test_hook_extstorage_grow(made: OnANode) -> None:
    made.call("grow", volume=VOLUME, size=16)
    assert device(made).stat().st_size == 16 * 1024**2


def test_hook_extstorage_set_info(made: OnANode) -> None:
    made.call("set_info", volume=VOLUME, text="of inst1")
    assert (device(made).parent / "info").read_text() == "of inst1"


def test_hook_extstorage_snapshot(made: OnANode) -> None:
    made.call("snapshot", volume=VOLUME, name="copy")
    assert (device(made).parent / "copy").stat().st_size == 8 * 1024**2


def test_hook_extstorage_open(made: OnANode) -> None:
    made.call("open", volume=VOLUME, exclusive=True)
    assert list(made.world.place.paths.plugin_state.rglob("open"))


def test_hook_extstorage_close(made: OnANode) -> None:
    made.call("open", volume=VOLUME, exclusive=True)
    for _ in range(2):
        made.call("close", volume=VOLUME)
    assert not list(made.world.place.paths.plugin_state.rglob("open"))
