"""Guests for the tests of kvm: the boot sector of the OS definition ``tiny``, emulated.

Emulated everywhere, so that the tests do the same on every machine.
"""

import base64
import shutil
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import ganeti_os_definitions
import pytest

from ganeti_core.plugin_api import DiskSpec, HookContext, InstanceSpec
from ganeti_core.plugin_api.testing.contexts import make_context, neighbours
from ganeti_plugins.hv_kvm import KvmHypervisor
from ganeti_plugins.net_linux import BridgedNetwork, RoutedNetwork, UserNetwork

BOOT_SECTOR = ganeti_os_definitions.FOLDER / "tiny/boot-sector.b64"
QEMU = "qemu-system-x86_64"
HVPARAMS = {"kernel_path": "", "kvm_flag": "disabled"}


@pytest.fixture(autouse=True)
def _has_qemu(request: pytest.FixtureRequest) -> None:
    if request.node.get_closest_marker("needs_qemu") and not shutil.which(QEMU):
        pytest.skip(f"{QEMU} is not installed")


@pytest.fixture
def disk_file(tmp_path: Path) -> Path:
    """A disk that boots the counting boot sector."""
    path = tmp_path / "disk0.raw"
    path.write_bytes(base64.b64decode(BOOT_SECTOR.read_text()).ljust(1 << 20, b"\0"))
    return path


@pytest.fixture
def guest_instance(disk_file: Path) -> InstanceSpec:
    disk = DiskSpec(uuid="d15c0000-0000-4000-8000-000000000001", index=0, template="file", size=1,
                    path=str(disk_file))
    return InstanceSpec(
        uuid="c0ffee00-0000-4000-8000-000000000001", name="inst1.example.com", hypervisor="kvm",
        hvparams=HVPARAMS, beparams={"maxmem": 16, "minmem": 16, "vcpus": 1}, disks=(disk,))


@pytest.fixture
def kvm() -> KvmHypervisor:
    return KvmHypervisor()


@pytest.fixture
def ctx(tmp_path: Path, kvm: KvmHypervisor) -> Iterator[HookContext]:
    """A node; its guests end with the test."""
    context = with_networks(make_context(tmp_path / "node1", "node1.example.com"))
    yield context
    end_all(kvm, context)


@pytest.fixture
def other_ctx(tmp_path: Path, kvm: KvmHypervisor) -> Iterator[HookContext]:
    """A second node."""
    context = with_networks(make_context(tmp_path / "node2", "node2.example.com"))
    yield context
    end_all(kvm, context)


def with_networks(context: HookContext) -> HookContext:
    """The node with the network back ends that guests' cards need."""
    return replace(context, driver=neighbours(context, {
        ("network_backends", "bridged"): BridgedNetwork(),
        ("network_backends", "routed"): RoutedNetwork(),
        ("network_backends", "user"): UserNetwork()}))


def end_all(kvm: KvmHypervisor, context: HookContext) -> None:
    for folder in context.state.iterdir():
        kvm.stop(context, InstanceSpec("", folder.name, "kvm"), True, 0.0)


@pytest.fixture
def unused_port() -> int:
    """A port that a VNC server can have, from 5900 on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
