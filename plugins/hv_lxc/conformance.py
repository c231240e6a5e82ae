"""What the conformance kit needs to know of this hypervisor: real containers, where these run."""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ganeti_core.plugin_api import DiskSpec, InstanceSpec
from ganeti_core.plugin_api.testing.contexts import make_context
from ganeti_core.plugin_api.testing.contracts import HypervisorContract

from .driver import LxcHypervisor

DEFINITION: Path = importlib.import_module("ganeti_os_definitions").FOLDER / "container"
BUSYBOX = "/bin/busybox"
SIZE = 16
"""Of a disk, MiB."""


def obstacle(folder: Path) -> str:
    """Return why no containers can run here; empty where they can."""
    if not os.access(BUSYBOX, os.X_OK):
        return f"{BUSYBOX} is not installed (apt-get install busybox-static)"
    return "; ".join(LxcHypervisor().verify(make_context(folder)))


def make_image(path: Path) -> None:
    """Write a disk as the OS definition ``container`` makes it."""
    with path.open("wb") as file:
        file.truncate(SIZE << 20)
    subprocess.run([DEFINITION / "create"], cwd=DEFINITION, check=True, timeout=60, env={
        "PATH": os.environ["PATH"], "DISK_COUNT": "1", "DISK_0_PATH": str(path),
        "DISK_0_ACCESS": "rw", "INSTANCE_NAME": "inst1.example.com"})


class LxcConformance(HypervisorContract):
    """Runs containers of busybox."""

    @pytest.fixture
    def image(self, tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> Path:
        """A disk for copies, made once."""
        if reason := obstacle(tmp_path):
            pytest.skip(reason)
        path = tmp_path_factory.getbasetemp() / "container-image"
        if not path.exists():
            make_image(path.with_suffix(".new"))
            path.with_suffix(".new").replace(path)
        return path

    @pytest.fixture
    def driver(self, image: Path) -> LxcHypervisor:
        return LxcHypervisor()

    @pytest.fixture
    def instance(self, image: Path, tmp_path: Path) -> InstanceSpec:
        return InstanceSpec(
            uuid="c0ffee00-0000-4000-8000-000000000001", name="inst1.example.com",
            hypervisor="lxc", beparams={"maxmem": 64, "minmem": 32, "vcpus": 1},
            disks=(_copy(image, tmp_path / "disk0.raw"),))

    @pytest.fixture
    def other_instance(self, instance: InstanceSpec, image: Path, tmp_path: Path) -> InstanceSpec:
        return replace(instance, name="other.example.com",
                       disks=(_copy(image, tmp_path / "other.raw"),),
                       uuid="c0ffee00-0000-4000-8000-000000000002")

    @pytest.fixture
    def unbootable(self, instance: InstanceSpec, tmp_path: Path) -> InstanceSpec:
        gone = replace(instance.disks[0], path=str(tmp_path / "gone.raw"))
        return replace(instance, name="unbootable.example.com", disks=(gone,),
                       uuid="c0ffee00-0000-4000-8000-000000000003")

    @pytest.fixture
    def unusable_params(self) -> list[dict[str, Any]]:
        return [
            {"cpu_mask": "4096"}, {"cpu_mask": "2-1"}, {"cpu_mask": "all"}, {"devices": "sda"},
            {"drop_capabilities": "sys_admin,flying"}, {"extra_cgroups": "net_magic"},
            {"extra_config": "nonsense"}, {"extra_config": "lxc.rootfs.path = /"},
            {"num_ttys": -1}, {"startup_timeout": 1000}, {"no_such_parameter": 1}]


def _copy(image: Path, path: Path) -> DiskSpec:
    shutil.copyfile(image, path)
    return DiskSpec(f"d15c0000-0000-4000-8000-{len(path.name):012}", 0, "file", SIZE,
                    path=str(path))
