"""What an OS definition that is not trusted packs for its helper guest."""

from __future__ import annotations

import subprocess
import tarfile
from pathlib import Path

import pytest
from os_conftest import MakeOs

from ganeti_core.plugin_api import DiskSpec, HookContext, InstanceSpec, OsScriptError
from ganeti_plugins.os_scripts.driver import OsScripts

INSTANCE = InstanceSpec(
    uuid="c0ffee00-0000-4000-8000-000000000001", name="inst1.example.com", hypervisor="fake",
    beparams={"maxmem": 128, "vcpus": 1}, os="some+default",
    osparams={"motto": "it's; $HOME"},
    disks=tuple(DiskSpec(f"disk{at}", at, "file", 4, path=f"/x/{at}") for at in range(27)))


def test_hook_os_package(make_os: MakeOs, ctx: HookContext, tmp_path: Path) -> None:
    folder = make_os("some")
    (folder / "create").rename(folder / "create_untrusted")
    system = OsScripts("some", folder)
    info = system.info(ctx=ctx)
    assert (info.problem, info.trusted) == ("", False)
    path = tmp_path / "package"
    system.package(ctx=ctx, instance=INSTANCE, variant="default", reinstall=True, path=str(path))
    assert path.stat().st_size % 512 == 0
    with tarfile.open(path) as archive:
        archive.extractall(tmp_path / "guest", filter="data")
    told = subprocess.run(
        ["/bin/sh", "-c", ". ./environment; printf '%s\n' \"$OSP_MOTTO\" \"$DISK_0_PATH\" "
         "\"$DISK_25_PATH\" \"$INSTANCE_REINSTALL\" \"$OS_SCRIPT\"; ls -l os/create_untrusted"],
        cwd=tmp_path / "guest", capture_output=True, text=True, check=True).stdout.splitlines()
    assert told[:5] == ["it's; $HOME", "/dev/vdb", "/dev/vdaa", "1", "create_untrusted"]
    assert told[5].startswith("-rwx")
    assert "/x/" not in (tmp_path / "guest/environment").read_text(), "paths are the guest's"


def test_a_trusted_one_packs_nothing(make_os: MakeOs, ctx: HookContext, tmp_path: Path) -> None:
    system = OsScripts("some", make_os("some"))
    with pytest.raises(OsScriptError, match="installs on the node"):
        system.package(ctx=ctx, instance=INSTANCE, variant="", reinstall=False,
                       path=str(tmp_path / "package"))
