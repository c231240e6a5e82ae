"""The busybox guest: what its kernel and RAM disk are made of, and that it boots."""

import importlib.util
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import ganeti_os_definitions
import pytest

from ganeti_core.plugin_api import DiskSpec, InstanceSpec, unix_sockets
from ganeti_core.plugin_api.testing.contexts import make_context
from ganeti_plugins.hv_kvm import KvmHypervisor
from ganeti_plugins.os_scripts.driver import OsScripts

FOLDER = ganeti_os_definitions.FOLDER / "busybox"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
GUEST = Path(os.environ.get("GANETI_BUSYBOX_GUEST") or CACHE / "ganeti-core/busybox-guest")


@pytest.fixture(scope="module")
def initrd() -> ModuleType:
    spec = importlib.util.spec_from_file_location("busybox_initrd", FOLDER / "initrd.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    # The folder of an OS definition is no place for compiled files.
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    spec.loader.exec_module(module)
    sys.dont_write_bytecode = before
    return module


def test_modules_come_after_those_they_need(initrd: ModuleType, tmp_path: Path) -> None:
    needs = {"virtio_blk": "virtio,virtio-ring", "virtio": "", "virtio-ring": "virtio", "odd": ""}
    for name, others in needs.items():
        (tmp_path / f"{name}.ko").write_bytes(
            b"\x7fELF\0license=GPL\0depends=" + others.encode() + b"\0name=x\0")
    order = [name for name, _ in initrd.load_order(tmp_path, ("virtio_blk", "built_in"))]
    assert order == ["virtio", "virtio_ring", "virtio_blk"]


def test_the_archive_can_be_read_by_cpio(initrd: ModuleType, tmp_path: Path) -> None:
    if not any((Path(folder) / "cpio").exists() for folder in os.environ["PATH"].split(":")):
        pytest.skip("cpio is not installed")
    data = initrd.archive([
        initrd.Entry("bin", initrd.DIRECTORY), initrd.Entry("bin/x", initrd.REGULAR, b"hello"),
        initrd.Entry("console", initrd.CHARACTER, device=(5, 1))])
    listed = subprocess.run(["cpio", "-itv", "--quiet"], input=data, capture_output=True,
                            check=True).stdout.decode()
    assert re.search(r"drwxr-xr-x .* bin\n", listed)
    assert re.search(r"-rwxr-xr-x .* 5 .* bin/x\n", listed)
    assert re.search(r"crw------- .* 5, +1 .* console\n", listed)


def test_without_apt_the_user_is_told(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/python3").symlink_to(sys.executable)
    done = subprocess.run(
        [FOLDER / "fetch-kernel", tmp_path / "guest"], capture_output=True, text=True,
        env={"PATH": f"{tmp_path}/bin", "HOME": str(tmp_path)}, check=False)
    assert done.returncode == 1
    assert "apt-cache is needed" in done.stderr


@pytest.mark.needs_qemu
@pytest.mark.skipif(not (GUEST / "version").exists(),
                    reason="os_definitions/busybox/fetch-kernel was not run")
@pytest.mark.parametrize("machine", ["pc", "q35"])
def test_the_guest_knows_its_name_counts_sees_disks_come_go_and_grow_and_powers_down(
    tmp_path: Path, machine: str
) -> None:
    ctx, kvm = make_context(tmp_path / "node1"), KvmHypervisor()
    disk = tmp_path / "disk0"
    disk.write_bytes(bytes(1 << 20))
    instance = InstanceSpec(
        uuid="c0ffee00-0000-4000-8000-000000000001", name="inst1.example.com", hypervisor="kvm",
        hvparams={"kernel_path": str(GUEST / "vmlinux"), "initrd_path": str(GUEST / "initrd"),
                  "kernel_args": "quiet panic=-1 mitigations=off", "kvm_flag": "disabled",
                  "machine_version": machine},
        beparams={"maxmem": 128, "vcpus": 1},
        disks=(DiskSpec("d15c0000-0000-4000-8000-000000000001", 0, "file", 1, path=str(disk)),))
    (tmp_path / "disk1").write_bytes(bytes(1 << 20))
    more = DiskSpec("d15c1111-0000-4000-8000-000000000002", 1, "file", 1,
                    path=str(tmp_path / "disk1"))
    OsScripts("busybox", FOLDER).create(ctx, instance, "", False)
    kvm.start(ctx, instance, False)
    try:
        with unix_sockets.connect(ctx.state / instance.name / "serial", 50.0) as console:
            said = console.makefile("rb")
            ready = next(line for line in said if b"GUEST READY" in line).decode()
            assert f"name={instance.name} uuid={instance.uuid} before=nothing" in ready

            def inside(command: str) -> str:
                """What a command says in the guest's shell; the shell repeats what it is sent."""
                console.sendall(f'echo "=$({command})"\n'.encode())
                line = next(line for line in said if line.startswith(b"="))
                return line.decode().strip().removeprefix("=")

            assert inside("ls /sys/block") == "vda"
            kvm.plug_disk(ctx, instance, more)
            assert inside("while ! [ -b /dev/vdb ]; do usleep 9999; done; ls /sys/block | xargs"
                          ) == "vda vdb"
            kvm.unplug_disk(ctx, instance, more)
            assert inside("while [ -b /dev/vdb ]; do usleep 9999; done; ls /sys/block") == "vda"
            os.truncate(disk, 3 << 20)
            kvm.resize_disk(ctx, instance, replace(instance.disks[0], size=3))
            assert inside("while [ $(cat /sys/block/vda/size) = 2048 ]; do usleep 9999; done; "
                          "cat /sys/block/vda/size") == "6144"
        kvm.stop(ctx, instance, False, 30.0)
        assert re.match(rb"count \d+ *\n", disk.read_bytes()[512:1024])
    finally:
        kvm.stop(ctx, instance, True, 0.0)
