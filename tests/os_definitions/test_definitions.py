"""The OS definitions that come with the distribution."""

import base64
import os
import shutil
import stat
import subprocess
from dataclasses import replace
from pathlib import Path

import ganeti_os_definitions
import pytest

from ganeti_core.plugin_api import DiskSpec, HookContext, InstanceSpec, OsScriptError
from ganeti_core.plugin_api.testing.contexts import make_context
from ganeti_plugins.os_scripts import OsScriptDirectories
from ganeti_plugins.os_scripts.driver import OsScripts

FOLDER = ganeti_os_definitions.FOLDER
NAMES = ("busybox", "cloudimage", "container", "debootstrap", "noop", "tiny")
NEEDED = {"cloudimage": {"image": str(FOLDER / "noop/README.md"), "seed": "none"}}
"""Parameters without which a definition does nothing."""
CONTENT = bytes(range(256)) * 32


@pytest.fixture
def ctx(tmp_path: Path) -> HookContext:
    return make_context(tmp_path / "node1")


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """A disk that holds something."""
    path = tmp_path / "disk0"
    path.write_bytes(CONTENT)
    return path


@pytest.fixture
def instance(disk: Path) -> InstanceSpec:
    spec = DiskSpec("d15c0000-0000-4000-8000-000000000001", 0, "file", 1, path=str(disk))
    return InstanceSpec(
        uuid="c0ffee00-0000-4000-8000-000000000001", name="inst1.example.com", hypervisor="kvm",
        beparams={"maxmem": 16, "vcpus": 1}, disks=(spec,))


def os_named(name: str) -> OsScripts:
    return dict(OsScriptDirectories().drivers(Path("/"), {"os_search_path": ["/no/such"]}))[name]


@pytest.mark.parametrize("name", NAMES)
def test_each_is_found_and_usable(ctx: HookContext, name: str) -> None:
    info = os_named(name).info(ctx)
    assert info.problem == ""
    assert info.path == str(FOLDER / name)
    os_named(name).validate(ctx, "", NEEDED.get(name, {}), False)


@pytest.mark.parametrize("name", NAMES)
def test_each_tells_what_it_is(name: str) -> None:
    assert (FOLDER / name / "README.md").read_text().startswith(f"# {name}\n")


@pytest.mark.parametrize("name", NAMES)
def test_each_works_without_disks(
    ctx: HookContext, instance: InstanceSpec, name: str
) -> None:
    diskless = replace(instance, disks=(), osparams=NEEDED.get(name, {}))
    if name in ("cloudimage", "container", "debootstrap", "tiny"):
        with pytest.raises(OsScriptError, match="needs a disk"):
            os_named(name).create(ctx, diskless, "", False)
        return
    os_named(name).create(ctx, diskless, "", False)
    os_named(name).rename(ctx, diskless, "", "old.example.com")


def test_noop_leaves_the_disk(ctx: HookContext, instance: InstanceSpec, disk: Path) -> None:
    os_named("noop").create(ctx, instance, "", False)
    os_named("noop").rename(ctx, instance, "", "old.example.com")
    assert disk.read_bytes() == CONTENT


@pytest.mark.parametrize("reinstall", [False, True])
def test_tiny_writes_its_boot_sector_and_spares_the_rest(
    ctx: HookContext, instance: InstanceSpec, disk: Path, reinstall: bool
) -> None:
    os_named("tiny").create(ctx, instance, "", reinstall)
    now = disk.read_bytes()
    assert now[:512] == base64.b64decode((FOLDER / "tiny/boot-sector.b64").read_text())
    assert now[512:1024] == (CONTENT[512:1024] if reinstall else bytes(512))
    assert now[1024:] == CONTENT[1024:]


@pytest.mark.parametrize("reinstall", [False, True])
def test_busybox_marks_the_disk_and_spares_the_rest(
    ctx: HookContext, instance: InstanceSpec, disk: Path, reinstall: bool
) -> None:
    os_named("busybox").create(ctx, instance, "", reinstall)
    now = disk.read_bytes()
    mark = f"ganeti busybox guest\nname={instance.name}\nuuid={instance.uuid}\n"
    assert now[:512] == mark.encode().ljust(512, b"\0")
    assert now[512:1024] == (CONTENT[512:1024] if reinstall else bytes(512))
    assert now[1024:] == CONTENT[1024:]


def test_busybox_learns_its_new_name_and_keeps_its_count(
    ctx: HookContext, instance: InstanceSpec, disk: Path
) -> None:
    os_named("busybox").rename(ctx, instance, "", "old.example.com")
    assert b"name=inst1.example.com\n" in disk.read_bytes()[:512]
    assert disk.read_bytes()[512:] == CONTENT[512:]


@pytest.mark.parametrize("name", ["cloudimage", "container", "debootstrap", "tiny", "busybox"])
def test_a_disk_that_cannot_be_written_is_told(
    ctx: HookContext, instance: InstanceSpec, tmp_path: Path, name: str
) -> None:
    gone = replace(instance.disks[0], path=str(tmp_path / "no/such/disk"))
    with pytest.raises(OsScriptError, match="no/such/disk"):
        os_named(name).create(ctx, replace(
            instance, disks=(gone,), osparams=NEEDED.get(name, {})), "", False)


def test_export_and_import_carry_a_disk_over(disk: Path, tmp_path: Path) -> None:
    other = tmp_path / "disk1"
    other.write_bytes(bytes(len(CONTENT) + 512))
    path = {"PATH": os.environ["PATH"]}
    stream = subprocess.run(
        ["./export"], cwd=FOLDER / "noop", env={**path, "EXPORT_DEVICE": str(disk)},
        stdout=subprocess.PIPE, check=True).stdout
    subprocess.run(["./import"], cwd=FOLDER / "noop", input=stream, check=True,
                   env={**path, "IMPORT_DEVICE": str(other)})
    assert other.read_bytes() == CONTENT + bytes(512)


@pytest.mark.parametrize("name", NAMES)
def test_an_import_onto_a_smaller_disk_is_refused(name: str, tmp_path: Path) -> None:
    small = tmp_path / "disk"
    small.write_bytes(bytes(len(CONTENT) - 1))
    ran = subprocess.run(
        ["./import"], cwd=FOLDER / name, input=CONTENT, check=False, capture_output=True,
        env={"PATH": os.environ["PATH"], "IMPORT_DEVICE": str(small)})
    assert ran.returncode == 1
    assert f"larger than the disk, which has {len(CONTENT) - 1} bytes" in ran.stderr.decode()
    assert small.stat().st_size == len(CONTENT) - 1


@pytest.mark.skipif(not (shutil.which("as") and shutil.which("ld")), reason="needs binutils")
def test_the_boot_sector_is_its_source_assembled(tmp_path: Path) -> None:
    thing, binary = tmp_path / "o", tmp_path / "bin"
    subprocess.run(["as", "--32", "-o", thing, FOLDER / "tiny/boot-sector.S"], check=True)
    subprocess.run(["ld", "-m", "elf_i386", "-Ttext", "0x7c00", "--oformat", "binary", "-o",
                    binary, thing], check=True)
    shipped = base64.b64decode((FOLDER / "tiny/boot-sector.b64").read_text())
    assert binary.read_bytes() == shipped
    assert len(shipped) == 512


def test_programs_are_executable_and_lists_are_not() -> None:
    for path in FOLDER.glob("*/*"):
        if path.is_file():
            is_program = path.read_bytes()[:2] == b"#!"
            assert bool(path.stat().st_mode & stat.S_IXUSR) == is_program, path
