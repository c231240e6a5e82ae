"""Each hook of a disk template and of an ExtStorage provider does on a node what its contract says.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from on_a_node import OnANode, api0

from ganeti_core.plugin_api import Description, DiskSpec, HookContext, NodeRef, hookimpl
from ganeti_core.plugin_api.data import DiskRequest, OpenDisk, StorageUnit, Volume
from ganeti_core.plugin_api.disk import (
    ADOPTION,
    DISK_TEMPLATES,
    GROWABLE,
    MIRRORED,
    SNAPSHOTS,
    WRAPS,
    DiskTemplateSpec,
    WrapSpec,
)
from ganeti_core.plugin_api.disk_steps import DiskStep
from ganeti_core.plugin_api.extstorage import EXTSTORAGE, VolumeSpec
from ganeti_core.plugin_api.node_findings import Agreement
from ganeti_core.plugin_api.testing.streams import giving, receiving

disks, volumes = api0("disk_templates"), api0("extstorage")
NODES = (NodeRef("u-1", "node1.example.com", "127.0.0.1"),)
REQUEST = DiskRequest("d15c0000-0000-4000-8000-000000000000", 0, 8, "inst1.example.com")
VOLUME = VolumeSpec("e2700000-0000-4000-8000-000000000001", "vol1", 8)


class Template(disks.Oldest):
    """Makes snapshots, and can be promoted, too."""

    @hookimpl
    def describe(self) -> Description:
        return Description(0, "For tests", capabilities=frozenset(
            {GROWABLE, SNAPSHOTS, MIRRORED, ADOPTION, WRAPS}))

    @hookimpl
    def agreements(self) -> list[Agreement]:
        return [Agreement("the day", "Monday", "ENODESETUP"),
                Agreement("how large", 8, "ENODESETUP", margin=0.1)]

    @hookimpl
    def adopts(self, disk: DiskSpec) -> str:
        return str(disk.params["adopt"])

    @hookimpl
    def adoptable(self, ctx: HookContext, disk: DiskSpec) -> int:
        return (ctx.keep / disk.params["adopt"]).stat().st_size >> 20

    @hookimpl
    def adopt(self, ctx: HookContext, disk: DiskSpec) -> None:
        (ctx.keep / disk.params["adopt"]).rename(ctx.keep / disk.logical_id[0])

    @hookimpl
    def give_back(self, ctx: HookContext, disk: DiskSpec) -> None:
        (ctx.keep / disk.logical_id[0]).rename(ctx.keep / disk.params["adopt"])

    @hookimpl
    def around(self, disk: DiskSpec, device: DiskSpec) -> int | None:
        return 0 if device.template == "file" else None

    @hookimpl
    def wrap(self, ctx: HookContext, disk: DiskSpec) -> None:
        (ctx.keep / f"{disk.logical_id[0]}.notes").touch()

    @hookimpl
    def unwrap(self, ctx: HookContext, disk: DiskSpec) -> None:
        (ctx.keep / f"{disk.logical_id[0]}.notes").unlink(missing_ok=True)

    @hookimpl
    def promote(self, ctx: HookContext, disk: DiskSpec, force: bool) -> OpenDisk:
        return self.open(ctx, disk, exclusive=not force)

    @hookimpl
    def demote(self, ctx: HookContext, disk: DiskSpec) -> None:
        self.close(ctx, disk)

    @hookimpl
    def renew(self, ctx: HookContext, disk: DiskSpec) -> None:
        self.remove(ctx, disk)
        self.create(ctx, disk)

    @hookimpl
    def snapshot(self, ctx: HookContext, disk: DiskSpec, name: str) -> str:
        copy = ctx.keep / f"{disk.logical_id[0]}.{name}"
        shutil.copy(ctx.keep / disk.logical_id[0], copy)
        return str(copy)

    @hookimpl
    def remove_snapshot(self, ctx: HookContext, disk: DiskSpec, name: str) -> None:
        (ctx.keep / f"{disk.logical_id[0]}.{name}").unlink(missing_ok=True)


    @hookimpl
    def renamed(self, disk: DiskSpec, instance_name: str) -> DiskSpec:
        return replace(disk, logical_id=(f"{instance_name}.{disk.logical_id[0]}",))

    @hookimpl
    def rename(self, ctx: HookContext, disk: DiskSpec, to: DiskSpec) -> None:
        (ctx.keep / disk.logical_id[0]).rename(ctx.keep / to.logical_id[0])

    @hookimpl
    def volumes(self, ctx: HookContext) -> list[Volume]:
        return [Volume(str(ctx.keep), path.name, str(path), path.stat().st_size >> 20, path.name)
                for path in sorted(ctx.keep.iterdir())]

    @hookimpl
    def storage_units(self, ctx: HookContext, storage_type: str) -> list[StorageUnit]:
        return [StorageUnit(f"{storage_type} 1", 8, 3, 5, allocatable=False)]

    @hookimpl
    def modify_storage(
        self, ctx: HookContext, storage_type: str, name: str, changes: dict[str, object]
    ) -> None:
        (ctx.state / "changes").write_text(f"{storage_type} {name} {changes}")

    @hookimpl
    def repair_storage(self, ctx: HookContext, name: str) -> None:
        (ctx.state / "repaired").write_text(name)


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
    return template(node).layout(
        request=REQUEST, nodes=NODES, granted={}, settings={}, plan_child=plan_child)


def template(node: OnANode) -> DiskTemplateSpec:
    """The driver's hooks that run on the master."""
    return node.world.host.driver(DISK_TEMPLATES, "mine")


def plan_child(name: str, request: DiskRequest) -> DiskSpec:
    return DiskSpec(request.uuid, request.index, name, request.size)


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


def test_hook_disk_template_agreements(node: OnANode) -> None:
    assert node.call("agreements") == [
        Agreement("the day", "Monday", "ENODESETUP"), Agreement("how large", 8, "ENODESETUP", 0.1)]


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
    assert Path(created.call("open", disk=disk, exclusive=True).path).exists()


def test_hook_disk_template_close(created: OnANode, disk: DiskSpec) -> None:
    created.call("open", disk=disk, exclusive=True)
    created.call("close", disk=disk)
    assert created.call("status", disk=disk).exists


def test_hook_disk_template_status(node: OnANode, disk: DiskSpec) -> None:
    assert not node.call("status", disk=disk).exists


@pytest.fixture
def adopting(node: OnANode, disk: DiskSpec) -> DiskSpec:
    """A disk that is to be made of another, which is made for it."""
    old = replace(disk, logical_id=("old",))
    node.call("create", disk=old)
    return replace(disk, params={**disk.params, "adopt": "old"})


def test_hook_disk_template_adopts(node: OnANode, adopting: DiskSpec) -> None:
    assert template(node).adopts(disk=adopting) == "old"  # type: ignore[attr-defined]


def test_hook_disk_template_adoptable(node: OnANode, adopting: DiskSpec) -> None:
    assert node.call("adoptable", disk=adopting) == 8


def test_hook_disk_template_adopt(node: OnANode, adopting: DiskSpec) -> None:
    node.call("adopt", disk=adopting)
    assert node.call("status", disk=adopting).exists
    assert [volume.name for volume in node.call("volumes")] == [adopting.logical_id[0]]


def test_hook_disk_template_give_back(node: OnANode, adopting: DiskSpec) -> None:
    node.call("adopt", disk=adopting)
    node.call("give_back", disk=adopting)
    assert [volume.name for volume in node.call("volumes")] == ["old"]


def test_hook_disk_template_grow(created: OnANode, disk: DiskSpec) -> None:
    created.call("grow", disk=disk, size=16)
    assert created.call("status", disk=disk).size == 16


def test_hook_disk_template_renamed(node: OnANode, disk: DiskSpec) -> None:
    renamed = template(node).renamed(disk=disk, instance_name="other")
    assert renamed.logical_id == (f"other.{disk.logical_id[0]}",)


def test_hook_disk_template_rename(created: OnANode, disk: DiskSpec) -> None:
    renamed = template(created).renamed(disk=disk, instance_name="other")
    created.call("rename", disk=disk, to=renamed)
    assert not created.call("status", disk=disk).exists
    assert created.call("status", disk=renamed).exists


def test_hook_disk_template_send_data(created: OnANode, disk: DiskSpec) -> None:
    here = created.call("open", disk=disk, exclusive=True)
    found = bytearray()
    with receiving(created.with_streams(), found.extend) as (offer, done):
        sent = created.call("send_data", disk=replace(disk, path=here.path), offer=offer)
        assert sent == done.result(60) == len(found) == 8 << 20


def test_hook_disk_template_receive_data(created: OnANode, disk: DiskSpec) -> None:
    here = created.call("open", disk=disk, exclusive=True)
    with giving(created.with_streams(), [bytes(1 << 20), b"what another disk held"]) as (offer, _):
        created.call("receive_data", disk=replace(disk, path=here.path), offer=offer)
    assert Path(here.path).read_bytes()[1 << 20:].startswith(b"what another disk held\0")
    assert Path(here.path).stat().st_blocks * 512 < 1 << 20, "holes stay holes"


def test_hook_disk_template_volumes(created: OnANode, disk: DiskSpec) -> None:
    (found,) = created.call("volumes")
    assert (found.name, found.size) == (disk.logical_id[0], 8)


def test_hook_disk_template_storage_units(node: OnANode) -> None:
    assert node.call("storage_units", storage_type="part") == [
        StorageUnit("part 1", 8, 3, 5, allocatable=False)]


def test_hook_disk_template_modify_storage(node: OnANode) -> None:
    node.call("modify_storage", storage_type="part", name="unit", changes={"allocatable": False})
    assert [path.read_text() for path in node.world.local.paths.root.rglob("changes")] == [
        "part unit {'allocatable': False}"]


def test_hook_disk_template_repair_storage(node: OnANode) -> None:
    node.call("repair_storage", storage_type="part", name="unit")
    assert [path.read_text() for path in node.world.local.paths.root.rglob("repaired")] == ["unit"]


def test_hook_disk_template_wipe(created: OnANode, disk: DiskSpec) -> None:
    path = Path(created.call("open", disk=disk, exclusive=True).path)
    with path.open("r+b") as file:
        file.write(b"\1" * (3 << 20))
    created.call("wipe", disk=replace(disk, path=str(path)), start=1)
    assert path.read_bytes() == b"\1" * (1 << 20) + bytes(7 << 20)


def test_hook_disk_template_steps(node: OnANode, disk: DiskSpec) -> None:
    def no_child(*given: object) -> list[DiskStep]:
        raise AssertionError(f"there is no child to plan: {given}")

    planned = template(node).steps(
        verb="create", disk=disk, nodes=NODES, arguments={}, child_steps=no_child)
    assert [(step.node, step.hook, step.undo) for step in planned] == [
        (NODES[0].uuid, "create", "remove")]


def test_hook_disk_template_storage_of(node: OnANode, disk: DiskSpec) -> None:
    assert template(node).storage_of(disk=disk) == ""


def test_hook_disk_template_promote(created: OnANode, disk: DiskSpec) -> None:
    assert Path(created.call("promote", disk=disk, force=False).path).exists()


def test_hook_disk_template_demote(created: OnANode, disk: DiskSpec) -> None:
    for _ in range(2):
        created.call("demote", disk=disk)


def test_hook_disk_template_renew(created: OnANode, disk: DiskSpec) -> None:
    path = Path(created.call("open", disk=disk, exclusive=True).path)
    path.write_bytes(b"old")
    for _ in range(2):
        created.call("renew", disk=disk)
    assert b"old" not in path.read_bytes()


def test_hook_disk_template_around(node: OnANode, disk: DiskSpec) -> None:
    def place(name: str) -> int | None:
        wraps: WrapSpec = node.world.host.driver(DISK_TEMPLATES, "mine")
        return wraps.around(disk=disk, device=replace(disk, template=name))

    assert (place("file"), place("mine")) == (0, None)


def test_hook_disk_template_wrap(created: OnANode, disk: DiskSpec) -> None:
    for _ in range(2):
        created.call("wrap", disk=disk)
    assert created.call("status", disk=disk).exists


def test_hook_disk_template_unwrap(created: OnANode, disk: DiskSpec) -> None:
    created.call("wrap", disk=disk)
    for _ in range(2):
        created.call("unwrap", disk=disk)
    assert created.call("status", disk=disk).exists


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
    assert list(made.world.local.paths.plugin_state.rglob("open"))


def test_hook_extstorage_close(made: OnANode) -> None:
    made.call("open", volume=VOLUME, exclusive=True)
    for _ in range(2):
        made.call("close", volume=VOLUME)
    assert not list(made.world.local.paths.plugin_state.rglob("open"))
