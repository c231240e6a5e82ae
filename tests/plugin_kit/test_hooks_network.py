"""Each hook of a network back end does on a node what its contract says; and a guest uses one."""

from __future__ import annotations

import base64
import os
import shutil
from dataclasses import replace
from pathlib import Path

import ganeti_os_definitions
import pytest
from on_a_node import OnANode, api0

from ganeti_core.plugin_api import DiskSpec, InstanceSpec, NetworkLink, NicSpec, OpExecError
from ganeti_core.plugin_api.hypervisor import HYPERVISORS
from ganeti_core.plugin_api.network import NETWORK_BACKENDS
from ganeti_plugins.hv_kvm import KvmHypervisor

segments = api0("network_backends")
NIC = NicSpec("41c00000-0000-4000-8000-000000000001", 0, "aa:00:00:11:22:33", mode="mine",
              link="office")
INSTANCE = InstanceSpec(
    uuid="c0ffee00-0000-4000-8000-000000000001", name="inst1.example.com", hypervisor="mine",
    beparams={"maxmem": 16, "minmem": 16, "vcpus": 1}, nics=(NIC,))
CARD = {"nic": NIC, "instance": INSTANCE, "device": "tap0"}


@pytest.fixture
def node(tmp_path: Path) -> OnANode:
    found = OnANode.with_driver(tmp_path, NETWORK_BACKENDS, segments.Oldest())
    folder = tmp_path / segments.SEGMENTS
    folder.mkdir(parents=True)
    (folder / "office").touch()
    return found


def attached(node: OnANode) -> list[str]:
    """What the back end has noted of its cards."""
    state = node.world.local.paths.plugin_state / "network_backends/mine"
    return [path.read_text().strip() for path in state.iterdir()]


def test_hook_network_backend_describe(node: OnANode) -> None:
    assert node.call("describe").capabilities == {"device_link"}


def test_hook_network_backend_check(node: OnANode) -> None:
    assert node.call("check", links=(NetworkLink("office"),)) == []
    assert "nowhere" in node.call("check", links=(NetworkLink("nowhere"),))[0]


def test_hook_network_backend_attach(node: OnANode) -> None:
    node.call("attach", **CARD)
    assert attached(node) == ["aa:00:00:11:22:33 on office"]
    with pytest.raises(OpExecError, match="Missing segment nowhere"):
        node.call("attach", **CARD | {"nic": replace(NIC, link="nowhere")})


def test_hook_network_backend_detach(node: OnANode) -> None:
    node.call("attach", **CARD)
    for _ in range(2):
        node.call("detach", **CARD)
    assert attached(node) == []


def test_hook_network_backend_environment(node: OnANode) -> None:
    assert node.call("environment", **CARD) == {
        "INSTANCE": "inst1.example.com", "MAC": "aa:00:00:11:22:33", "MODE": "mine",
        "INTERFACE": "tap0", "INTERFACE_INDEX": "0", "INTERFACE_UUID": NIC.uuid, "TAGS": "",
        "VLAN": "", "LINK": "office"}


@pytest.mark.needs_root
@pytest.mark.needs_qemu
@pytest.mark.skipif(not shutil.which("qemu-system-x86_64") or os.geteuid() != 0,
                    reason="needs QEMU, and root for tap devices")
def test_a_guests_card_is_attached_by_a_third_partys_back_end(node: OnANode) -> None:
    node.world.host.add(HYPERVISORS, "mine", KvmHypervisor())
    hypervisor = OnANode(node.world, HYPERVISORS)
    disk = node.world.local.paths.root / "disk0"
    boot_sector = ganeti_os_definitions.FOLDER / "tiny/boot-sector.b64"
    disk.write_bytes(base64.b64decode(boot_sector.read_text()).ljust(1 << 20, b"\0"))
    instance = replace(
        INSTANCE, hvparams={"kernel_path": "", "kvm_flag": "disabled"},
        disks=(DiskSpec("d15c0000-0000-4000-8000-000000000001", 0, "file", 1, path=str(disk)),))
    hypervisor.call("start", instance=instance, paused=False)
    try:
        assert attached(node) == ["aa:00:00:11:22:33 on office"]
    finally:
        hypervisor.call("stop", instance=instance, force=True, timeout=0.0)
    assert attached(node) == []
    with pytest.raises(Exception, match="Missing segment nowhere"):
        hypervisor.call("start", paused=False, instance=replace(
            instance, nics=(replace(NIC, link="nowhere"),)))
    assert attached(node) == []
