"""Disk files: the form the config has, and that nothing outside the storage is ever touched."""

import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ganeti_core.errors import BlockDeviceError, OpPrereqError
from ganeti_core.plugin_api import DiskSpec, HookContext, NodeRef
from ganeti_core.plugin_api.data import DiskRequest
from ganeti_core.plugin_api.testing.contexts import declared_settings, make_context
from ganeti_plugins.disk_file import FileTemplate, SharedFileTemplate

NODE = NodeRef("n1", "node1.example.com", "192.0.2.1")
REQUEST = DiskRequest(uuid="b705a0c8", index=1, size=64, instance_name="inst2.example.com")
FILE, SHARED = FileTemplate(), SharedFileTemplate()
SETTINGS = declared_settings(FILE, SHARED)


@pytest.fixture
def ctx(tmp_path: Path) -> HookContext:
    return make_context(tmp_path, config=SETTINGS)


@pytest.fixture
def storage(ctx: HookContext) -> Path:
    folder = ctx.root / "srv/ganeti/file-storage"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def disk() -> DiskSpec:
    return FILE.layout(REQUEST, SETTINGS)


def at(path: str) -> DiskSpec:
    return DiskSpec(uuid="x", index=0, template="file", size=1, logical_id=("loop", path))


def test_the_logical_id_has_the_form_of_the_config(disk: DiskSpec) -> None:
    assert disk.logical_id == (
        "loop", "/srv/ganeti/file-storage/inst2.example.com/b705a0c8.file.disk1")
    shared = SHARED.layout(REQUEST, SETTINGS)
    assert shared.logical_id == (
        "loop", "/srv/ganeti/shared-file-storage/inst2.example.com/b705a0c8.sharedfile.disk1")


def test_files_are_sparse_private_and_lie_below_the_nodes_root(
    ctx: HookContext, storage: Path, disk: DiskSpec
) -> None:
    FILE.create(ctx, disk)
    file = storage / "inst2.example.com/b705a0c8.file.disk1"
    facts = file.stat()
    assert facts.st_size == 64 * 1024**2
    assert facts.st_blocks * 512 < 1024**2
    assert facts.st_mode & 0o777 == 0o600
    assert FILE.open(ctx, disk).path == str(file)


def test_the_instances_folder_goes_with_its_last_disk(
    ctx: HookContext, storage: Path, disk: DiskSpec
) -> None:
    second = FILE.layout(replace(REQUEST, uuid="c0", index=2), SETTINGS)
    FILE.create(ctx, disk)
    FILE.create(ctx, second)
    FILE.remove(ctx, disk)
    assert (storage / "inst2.example.com").is_dir()
    FILE.remove(ctx, second)
    assert list(storage.iterdir()) == []


@pytest.mark.parametrize("path", [
    "/etc/passwd", "/srv/ganeti/file-storage/x", "/srv/ganeti/file-storage/../../etc/x/y",
    "/srv/ganeti/file-storage/inst/../../../../etc/passwd", "/srv/ganeti/file-storage-2/inst/x",
    "srv/ganeti/file-storage/inst/x", "",
])
@pytest.mark.parametrize("hook", ["create", "remove", "close", "status"])
def test_a_path_outside_the_storage_is_refused(
    ctx: HookContext, storage: Path, path: str, hook: str
) -> None:
    with pytest.raises(BlockDeviceError, match="file_storage_dir"):
        getattr(FILE, hook)(ctx, at(path))


def test_a_link_on_the_way_into_a_folder_below_is_refused(
    ctx: HookContext, storage: Path, tmp_path: Path
) -> None:
    (tmp_path / "outside").mkdir()
    (storage / "gold").symlink_to(tmp_path / "outside")
    with pytest.raises(BlockDeviceError, match="symbolic link"):
        FILE.create(ctx, at("/srv/ganeti/file-storage/gold/inst/x.file.disk0"))
    assert FILE.devices(ctx) == []


def test_folders_below_go_with_the_last_disk(ctx: HookContext, storage: Path) -> None:
    below = at("/srv/ganeti/file-storage/gold/fast/inst/x.file.disk0")
    FILE.create(ctx, below)
    assert FILE.devices(ctx) == ["/srv/ganeti/file-storage/gold/fast/inst/x.file.disk0"]
    FILE.remove(ctx, below)
    assert list(storage.iterdir()) == []


def test_a_link_that_leads_outside_is_refused(
    ctx: HookContext, storage: Path, disk: DiskSpec, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    victim = outside / "b705a0c8.file.disk1"
    victim.write_text("precious")
    (storage / "inst2.example.com").symlink_to(outside)
    for act in (FILE.create, FILE.status):
        with pytest.raises(BlockDeviceError, match="symbolic link"):
            act(ctx, disk)
    (storage / "inst2.example.com").unlink()
    (storage / "inst2.example.com").mkdir()
    (storage / "inst2.example.com/b705a0c8.file.disk1").symlink_to(victim)
    with pytest.raises(BlockDeviceError, match="symbolic link"):
        FILE.open(ctx, disk)
    assert victim.read_text() == "precious"
    assert FILE.devices(ctx) == []


def test_the_storage_folder_itself_may_be_a_link(
    ctx: HookContext, tmp_path: Path, disk: DiskSpec
) -> None:
    real = tmp_path / "elsewhere"
    real.mkdir()
    link = ctx.root / "srv/ganeti/file-storage"
    link.parent.mkdir(parents=True)
    link.symlink_to(real)
    FILE.create(ctx, disk)
    assert FILE.devices(ctx) == [FILE.identity(disk)]
    assert list(real.iterdir())


def test_a_missing_storage_is_a_problem_with_advice(ctx: HookContext, disk: DiskSpec) -> None:
    problems = FILE.verify(ctx)
    assert len(problems) == 1
    assert "create it" in problems[0]
    with pytest.raises(BlockDeviceError, match="create it"):
        FILE.create(ctx, disk)
    with pytest.raises(BlockDeviceError, match="mounted"):
        FILE.remove(ctx, disk)
    assert FILE.devices(ctx) == []


@pytest.fixture
def read_only(storage: Path) -> Iterator[None]:
    """Nobody may write to the storage; root neither, whom permissions do not keep from it."""
    if os.geteuid() != 0:
        storage.chmod(0o500)
        yield
        return
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "none", storage],
                          capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"nothing can be mounted here: {done.stderr}")
    yield
    subprocess.run(["umount", storage], check=True)


@pytest.mark.usefixtures("read_only")
def test_a_storage_that_cannot_be_written_is_a_problem(ctx: HookContext) -> None:
    assert "cannot be written" in FILE.verify(ctx)[0]


@pytest.mark.parametrize("folder", ["", "relative/path", "/srv/../etc"])
def test_a_setting_without_an_absolute_path_is_named(tmp_path: Path, folder: str) -> None:
    with pytest.raises(OpPrereqError, match="file_storage_dir"):
        FILE.layout(REQUEST, SETTINGS | {"file_storage_dir": folder})
    ctx = make_context(tmp_path, config={"file_storage_dir": folder})
    assert "file_storage_dir" in FILE.verify(ctx)[0]


def test_a_cluster_without_file_storage_has_no_devices(tmp_path: Path) -> None:
    ctx = make_context(tmp_path, config={"file_storage_dir": ""})
    assert FILE.devices(ctx) == []
    assert FILE.space(ctx) == []


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden"])
def test_an_instance_name_is_never_a_path(name: str) -> None:
    with pytest.raises(OpPrereqError):
        FILE.layout(replace(REQUEST, instance_name=name), SETTINGS)


def test_a_disk_that_has_no_room_is_refused_with_numbers(
    ctx: HookContext, storage: Path, disk: DiskSpec
) -> None:
    free = FILE.space(ctx)[0].free
    with pytest.raises(BlockDeviceError, match="MiB free"):
        FILE.create(ctx, replace(disk, size=free * 10))
    assert list(storage.iterdir()) == []


def test_only_own_files_are_listed(ctx: HookContext, storage: Path, disk: DiskSpec) -> None:
    FILE.create(ctx, disk)
    folder = storage / "inst2.example.com"
    for name in ("notes.txt", "x.sharedfile.disk0", ".y.file.disk0.draft"):
        (folder / name).touch()
    assert FILE.devices(ctx) == [disk.logical_id[1]]


def test_a_shared_disk_is_the_same_on_every_node(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    nodes = [make_context(tmp_path / name, name, config=SETTINGS) for name in ("node1", "node2")]
    for ctx in nodes:
        (ctx.root / "srv/ganeti").mkdir(parents=True)
        (ctx.root / "srv/ganeti/shared-file-storage").symlink_to(shared)
    disk = SHARED.layout(REQUEST, SETTINGS)
    SHARED.create(nodes[0], disk)
    Path(SHARED.open(nodes[0], disk).path).write_bytes(b"data")
    assert Path(SHARED.open(nodes[1], disk).path).read_bytes() == b"data"
    assert SHARED.devices(nodes[0]) == SHARED.devices(nodes[1])


LONG = "a" * 256


def with_link(file: Path) -> None:
    (file.parent / "elsewhere").write_text("precious")
    file.symlink_to(file.parent / "elsewhere")


def with_dangling_link(file: Path) -> None:
    file.symlink_to(file)


def with_folder(file: Path) -> None:
    (file / "within").mkdir(parents=True)


@pytest.mark.parametrize("prepare", [with_link, with_dangling_link, with_folder])
def test_what_is_no_disk_file_is_no_error_to_undo(
    ctx: HookContext, storage: Path, disk: DiskSpec, prepare: Callable[[Path], None]
) -> None:
    file = storage / "inst2.example.com/b705a0c8.file.disk1"
    file.parent.mkdir()
    prepare(file)
    with pytest.raises(BlockDeviceError):
        FILE.open(ctx, disk)
    FILE.close(ctx, disk)
    FILE.remove(ctx, disk)
    assert not file.is_symlink(), "of a link only the link goes"
    if prepare is with_folder:
        assert (file / "within").is_dir(), "what is not ours stays"
    if prepare is with_link:
        assert (file.parent / "elsewhere").read_text() == "precious"


def test_nothing_is_removed_behind_a_linked_folder(
    ctx: HookContext, storage: Path, disk: DiskSpec, tmp_path: Path
) -> None:
    victim = tmp_path / "b705a0c8.file.disk1"
    victim.write_text("precious")
    (storage / "inst2.example.com").symlink_to(tmp_path)
    FILE.close(ctx, disk)
    FILE.remove(ctx, disk)
    assert victim.read_text() == "precious"


@pytest.mark.parametrize("path", [f"/srv/ganeti/file-storage/{LONG}/x.file.disk0",
                                  f"/srv/ganeti/file-storage/inst/{LONG}",
                                  f"/srv/ganeti/file-storage/inst/{LONG[:250]}"])
def test_a_name_that_no_file_can_have_is_refused_and_undone(
    ctx: HookContext, storage: Path, path: str
) -> None:
    with pytest.raises(BlockDeviceError):
        FILE.create(ctx, at(path))
    FILE.close(ctx, at(path))
    FILE.remove(ctx, at(path))
    assert list(storage.iterdir()) == []
