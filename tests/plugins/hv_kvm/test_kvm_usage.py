"""What guests have used: QEMU's counts of disks, the kernel's of cards and processor time."""

import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fake_qemu import fake_qemu
from kvm_serial import COUNTS, Serial
from virtual_cluster import wait_until

from ganeti_core.plugin_api import DiskSpec, HookContext, HypervisorError, InstanceSpec, NicSpec
from ganeti_core.plugin_api.interface_counters import nic_usage
from ganeti_core.plugin_api.usage import DiskUsage, GuestUsage, NicUsage
from ganeti_plugins.hv_kvm import KvmHypervisor, usage
from ganeti_plugins.hv_kvm.devices import device_id

DISKS = tuple(DiskSpec(f"d15c000{index}-0000-4000-8000-000000000001", index, "file", 1)
              for index in range(2))
SPEC = InstanceSpec("u", "inst1", "kvm", disks=DISKS)
STATS = {"rd_operations": 3, "rd_bytes": 1536, "wr_operations": 1, "wr_bytes": 512}
NET_DEV = """\
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo
    lo:     100       1    0    0    0     0          0         0      100       1    0    0    0
tapb00:    2000      20    0    0    0     0          0         0     1000      10    0    0    0
tapa00: 12345678901234 7   0    0    0     0          0         0        5       2    0    0    0
"""


def test_disks_are_found_by_their_names_in_qemu() -> None:
    answer = [{"device": "cd", "stats": STATS},
              {"device": "", "node-name": device_id(DISKS[1]), "stats": STATS}]
    assert usage.counted(SPEC, answer) == (DiskUsage(1, 3, 1536, 1, 512),)


@pytest.mark.parametrize("answer", [
    [{"node-name": "x"}], ["x"], [{"node-name": device_id(DISKS[0]), "stats": {"rd_bytes": 1}}],
    [{"node-name": device_id(DISKS[0]), "stats": STATS | {"rd_bytes": "many"}}]])
def test_another_form_of_the_answer_is_an_error(answer: Any) -> None:
    with pytest.raises(HypervisorError, match="QEMU of inst1 counts disks in another way"):
        usage.counted(SPEC, answer)


def test_cards_are_counted_from_the_side_of_their_guest(tmp_path: Path) -> None:
    (tmp_path / "dev").write_text(NET_DEV)
    assert nic_usage({"tapb00": 1, "tapa00": 0, "gone": 2}, tmp_path / "dev") == (
        NicUsage(0, 2, 5, 7, 12345678901234), NicUsage(1, 10, 1000, 20, 2000))


@pytest.fixture
def nic() -> Iterator[NicSpec]:
    bridge = f"gnu{os.getpid()}"
    subprocess.run(["ip", "link", "add", bridge, "type", "bridge"], check=True)
    try:
        yield NicSpec("41c00000-0000-4000-8000-000000000001", 0, "aa:00:00:11:22:33", "bridged",
                      bridge, bridge=bridge)
    finally:
        subprocess.run(["ip", "link", "del", bridge], check=True)


def only(found: list[GuestUsage]) -> GuestUsage:
    (one,) = found
    return one


@pytest.mark.needs_qemu
def test_a_guest_that_boots_has_read_its_disk(
    kvm: KvmHypervisor, ctx: HookContext, guest_instance: InstanceSpec
) -> None:
    assert kvm.usage(ctx) == []
    kvm.start(ctx, guest_instance, False)
    with Serial(ctx, guest_instance.name) as serial:
        serial.wait_for(COUNTS)
    found = only(kvm.usage(ctx))
    assert (found.name, found.uuid, found.nics) == (guest_instance.name, guest_instance.uuid, ())
    assert found.cpu_seconds > 0
    assert found.memory > 1
    assert [disk.index for disk in found.disks] == [0]
    assert found.disks[0].reads >= 1
    assert found.disks[0].read_bytes >= 512
    assert found.disks[0].written_bytes == 0


@pytest.mark.needs_qemu
@pytest.mark.needs_root
def test_a_guest_that_boots_from_the_network_has_sent_something(
    kvm: KvmHypervisor, ctx: HookContext, guest_instance: InstanceSpec, nic: NicSpec
) -> None:
    kvm.start(ctx, replace(guest_instance, nics=(nic,), disks=(), hvparams={
        **guest_instance.hvparams, "boot_order": "network"}), False)

    def sent() -> bool:
        (card,) = only(kvm.usage(ctx)).nics
        return card.index == 0 and card.sent_packets >= 1 and card.sent_bytes >= 60

    wait_until(sent, "its firmware asks for an address", 120)


@pytest.mark.needs_qemu
def test_a_qemu_that_hangs_is_counted_as_far_as_the_kernel_does(
    kvm: KvmHypervisor, ctx: HookContext, guest_instance: InstanceSpec
) -> None:
    kvm.start(ctx, guest_instance, False)
    query = ctx.state / guest_instance.name / "query"
    query.unlink()
    with fake_qemu(query, lambda command, arguments: [None]):
        found = only(kvm.usage(ctx))
    assert found.disks == ()
    assert found.memory > 1
