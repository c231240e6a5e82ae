"""Disks and NICs of a running guest, as QEMU sees them."""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from kvm_serial import COUNTS, Serial

from ganeti_core.plugin_api import (
    DiskSpec,
    HookContext,
    HypervisorError,
    InstanceSpec,
    NicSpec,
    OpPrereqError,
)
from ganeti_core.plugin_api.data import MigrationOffer
from ganeti_plugins.hv_kvm import KvmHypervisor, devices, guests, hotplug, network
from ganeti_plugins.hv_kvm.qmp import Qmp, QmpRefused

pytestmark = pytest.mark.needs_qemu


@pytest.fixture
def more(tmp_path: Path) -> DiskSpec:
    path = tmp_path / "disk1.raw"
    path.write_bytes(bytes(1 << 20))
    return DiskSpec("d15c1111-0000-4000-8000-000000000002", 1, "file", 1, path=str(path))


@pytest.fixture
def nic() -> Iterator[NicSpec]:
    """A NIC on a bridge of its own, so that the machine's bridges are left alone."""
    bridge = f"gnt{os.getpid()}"
    if subprocess.run(["ip", "link", "add", bridge, "type", "bridge"],
                      capture_output=True, check=False).returncode != 0:
        pytest.skip("a bridge cannot be made here")
    try:
        if not Path("/sys/class/net", bridge).exists():
            pytest.skip("/sys shows the devices of another network namespace")
        yield NicSpec("41c00000-0000-4000-8000-000000000001", 0, "aa:00:00:11:22:33",
                      "bridged", bridge, bridge=bridge)
    finally:
        subprocess.run(["ip", "link", "del", bridge], check=True)


def inside(ctx: HookContext, name: str) -> str:
    """What QEMU tells of the guest's block devices."""
    with Qmp.connect(ctx.state / name / "control") as qmp:
        return json.dumps(qmp.execute("query-named-block-nodes"))


def attached(ctx: HookContext, name: str) -> set[str]:
    """The disks that the guest has."""
    with Qmp.connect(ctx.state / name / "control") as qmp:
        return {one["name"] for one in qmp.execute("qom-list", {"path": "/machine/peripheral"})
                if one["name"].startswith("disk-")}


def macs(ctx: HookContext, name: str) -> set[str]:
    """The addresses of the guest's network cards."""
    with Qmp.connect(ctx.state / name / "control") as qmp:
        return {card["main-mac"] for card in qmp.execute("query-rx-filter")}


def on_bridge(nic: NicSpec) -> list[str]:
    shown = subprocess.run(["ip", "-j", "link", "show", "master", nic.link], check=True,
                           capture_output=True, text=True, timeout=10)
    return [item["ifname"] for item in json.loads(shown.stdout or "[]") if item]


def test_a_disk_can_be_added_and_is_remembered(
    kvm: KvmHypervisor, ctx: HookContext, guest_instance: InstanceSpec, more: DiskSpec
) -> None:
    kvm.start(ctx, guest_instance, False)
    for _ in range(2):
        kvm.plug_disk(ctx, guest_instance, more)
    assert more.path in inside(ctx, guest_instance.name)
    assert more.uuid in (ctx.state / guest_instance.name / "runtime.json").read_text()


def test_a_scsi_disk_can_be_added_where_its_controller_takes_it(
    kvm: KvmHypervisor, ctx: HookContext, guest_instance: InstanceSpec, more: DiskSpec
) -> None:
    params = {**guest_instance.hvparams, "disk_type": "scsi-hd"}
    for controller in ("virtio-scsi-pci", "lsi"):
        instance = replace(guest_instance, hvparams={**params, "scsi_controller_type": controller})
        kvm.start(ctx, instance, False)
        if controller == "lsi":
            with pytest.raises(HypervisorError, match="scsi-hd on the controller lsi cannot be"):
                kvm.plug_disk(ctx, instance, more)
            assert more.path not in inside(ctx, instance.name)
            break
        plugged = kvm.plug_disk(ctx, instance, more)
        assert (plugged.model, plugged.address) == ("scsi-hd", "SCSI id 1")
        assert more.path in inside(ctx, instance.name)
        with pytest.raises(HypervisorError, match="another disk at number 0 of its SCSI bus"):
            kvm.plug_disk(ctx, instance, replace(more, uuid=f"e{more.uuid[1:]}", index=0))
        both = replace(instance, disks=(*instance.disks, more))
        kvm.migration_offer(ctx, both)
        with pytest.raises(HypervisorError, match="order of disks"):
            kvm.migration_offer(ctx, replace(both, disks=(replace(more, index=0),)))
        kvm.unplug_disk(ctx, instance, more)  # the controller does not wait for its guest
        assert more.path not in inside(ctx, instance.name)
        kvm.stop(ctx, instance, True, 0.0)


def test_a_disk_that_is_missing_changes_nothing(
    kvm: KvmHypervisor, ctx: HookContext, guest_instance: InstanceSpec, more: DiskSpec
) -> None:
    kvm.start(ctx, guest_instance, False)
    before = (ctx.state / guest_instance.name / "runtime.json").read_text()
    gone = replace(more, path="/no/such/disk")
    with pytest.raises(HypervisorError, match="/no/such/disk"):
        kvm.plug_disk(ctx, guest_instance, gone)
    assert (ctx.state / guest_instance.name / "runtime.json").read_text() == before
    kvm.plug_disk(ctx, guest_instance, more)


def test_a_guest_with_a_disk_plugged_in_migrates_with_it(
    kvm: KvmHypervisor, ctx: HookContext, other_ctx: HookContext, guest_instance: InstanceSpec,
    more: DiskSpec,
) -> None:
    from test_kvm_migration import TARGET, Pair

    kvm.start(ctx, guest_instance, False)
    kvm.plug_disk(ctx, guest_instance, more)
    bigger = replace(guest_instance, disks=(*guest_instance.disks, more))
    pair = Pair(kvm, ctx, other_ctx, bigger)
    target = kvm.migration_prepare(other_ctx, bigger, TARGET, MigrationOffer())
    kvm.migrate_out(ctx, bigger, target, True)
    assert pair.wait().state == "completed"
    kvm.migration_finish(other_ctx, bigger, False, True)
    kvm.migration_finish(ctx, bigger, True, True)
    with Serial(other_ctx, bigger.name) as serial:
        serial.wait_for("count")


def test_a_guest_whose_config_was_changed_is_not_sent(
    kvm: KvmHypervisor, ctx: HookContext, guest_instance: InstanceSpec, more: DiskSpec
) -> None:
    from test_kvm_migration import TARGET

    kvm.start(ctx, guest_instance, False)
    changed = replace(guest_instance, beparams={"maxmem": 32, "vcpus": 1},
                      disks=(*guest_instance.disks, more))
    target = kvm.migration_prepare(
        replace(ctx, state=ctx.root), changed, TARGET, MigrationOffer())
    try:
        with pytest.raises(HypervisorError, match=(
                r"memory size \(16, configured 32\) and devices \(it lacks d15c1111")):
            kvm.migrate_out(ctx, changed, target, True)
    finally:
        kvm.stop(replace(ctx, state=ctx.root), changed, True, 0.0)


def test_a_disk_that_came_in_unnoticed_can_be_taken_out(
    kvm: KvmHypervisor, ctx: HookContext, guest_instance: InstanceSpec, more: DiskSpec
) -> None:
    """Who plugged it in was killed before it was noted."""
    params = {**guest_instance.hvparams, "disk_type": "scsi-hd",
              "scsi_controller_type": "virtio-scsi-pci"}
    instance = replace(guest_instance, hvparams=params)
    kvm.start(ctx, instance, False)
    noted = ctx.state / instance.name / "runtime.json"
    before = noted.read_text()
    kvm.plug_disk(ctx, instance, more)
    noted.write_text(before)
    for _ in range(2):
        kvm.unplug_disk(ctx, instance, more)
    assert more.path not in inside(ctx, instance.name)
    kvm.plug_disk(ctx, instance, more)
    assert more.path in inside(ctx, instance.name)


def test_a_disk_is_not_taken_for_the_one_whose_place_it_took(
    kvm: KvmHypervisor, ctx: HookContext, guest_instance: InstanceSpec, more: DiskSpec
) -> None:
    kvm.start(ctx, guest_instance, False)
    had = guest_instance.disks[0]
    found = guests.guest(ctx, guest_instance.name)
    runtime = found.load()
    assert runtime is not None
    found.save(replace(runtime, bearing={more.uuid: devices.device_id(had)},
                       slots={more.uuid: runtime.slots[had.uuid]},
                       spec=replace(runtime.spec, disks=(replace(more, index=0),))))
    kvm.unplug_disk(ctx, guest_instance, had)
    assert had.path in inside(ctx, guest_instance.name)


def test_a_card_that_came_in_unnoticed_can_be_taken_out(
    kvm: KvmHypervisor, ctx: HookContext, guest_instance: InstanceSpec
) -> None:
    """The boot sector lets go of no card, so there is only what is behind one."""
    kvm.start(ctx, guest_instance, False)
    card = NicSpec("41c00000-0000-4000-8000-000000000001", 0, "aa:00:00:11:22:33", "user", "")
    name = f"net-{devices.device_id(card)}"
    with Qmp.connect(ctx.state / guest_instance.name / "control") as qmp:
        qmp.execute("netdev_add", {"type": "user", "id": name})
    for _ in range(2):
        kvm.unplug_nic(ctx, guest_instance, card)
    kvm.plug_nic(ctx, guest_instance, card)
    assert macs(ctx, guest_instance.name) == {card.mac}


def _ask_in_vain(
    kvm: KvmHypervisor, ctx: HookContext, instance: InstanceSpec, disk: DiskSpec,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Plug a disk into a guest that does not listen, and ask it to let that go again."""
    monkeypatch.setattr(hotplug, "OBEY_LIMIT", 0.3)
    kvm.start(ctx, instance, False)
    kvm.plug_disk(ctx, instance, disk)
    with pytest.raises(HypervisorError, match="did not let go"):
        kvm.unplug_disk(ctx, instance, disk)


def test_a_guest_that_does_not_let_go_keeps_its_disk(
    kvm: KvmHypervisor, ctx: HookContext, guest_instance: InstanceSpec, more: DiskSpec,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The boot sector knows nothing of hotplug."""
    _ask_in_vain(kvm, ctx, guest_instance, more, monkeypatch)
    assert more.path in inside(ctx, guest_instance.name)


@pytest.mark.parametrize("behaviour", ["reboot", "exit"])
def test_a_reset_takes_no_disk_that_was_to_stay(
    kvm: KvmHypervisor, ctx: HookContext, guest_instance: InstanceSpec, more: DiskSpec,
    monkeypatch: pytest.MonkeyPatch, behaviour: str,
) -> None:
    """A request that a guest has not met QEMU meets when the machine is reset."""
    monkeypatch.setattr(hotplug, "OBEY_LIMIT", 0.3)
    instance = replace(
        guest_instance, hvparams={**guest_instance.hvparams, "reboot_behavior": behaviour})
    kvm.start(ctx, instance, False)
    with Serial(ctx, instance.name) as serial:
        serial.wait_for(COUNTS)
        kvm.plug_disk(ctx, instance, more)
        with pytest.raises(HypervisorError, match="will lack the device until gnt-instance reboot"):
            kvm.unplug_disk(ctx, instance, more)
        kvm.reboot(ctx, instance)
        serial.wait_for("TINY READY", fresh=True)
        serial.wait_for(COUNTS, fresh=True)
    assert attached(ctx, instance.name) == {
        devices.device_id(disk) for disk in (*instance.disks, more)}


def test_a_device_is_given_back_when_what_is_behind_it_is_let_go(
    kvm: KvmHypervisor, ctx: HookContext, guest_instance: InstanceSpec, more: DiskSpec,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """QEMU frees the name of a device first, and its disk a moment later."""
    _ask_in_vain(kvm, ctx, guest_instance, more, monkeypatch)
    refused: list[str] = []
    real = Qmp.execute

    def execute(self: Qmp, command: str, *words: Any, **more_words: Any) -> Any:
        if command == "device_add" and len(refused) < 3:
            refused.append(command)
            raise QmpRefused("QEMU refused device_add: Permission conflict")
        return real(self, command, *words, **more_words)

    monkeypatch.setattr(Qmp, "execute", execute)
    kvm.reboot(ctx, guest_instance)
    assert len(refused) == 3
    assert devices.device_id(more) in attached(ctx, guest_instance.name)


def test_a_guest_that_lost_a_disk_by_its_own_reset_says_so_and_gets_it_back(
    kvm: KvmHypervisor, ctx: HookContext, guest_instance: InstanceSpec, more: DiskSpec,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _ask_in_vain(kvm, ctx, guest_instance, more, monkeypatch)
    with Qmp.connect(ctx.state / guest_instance.name / "control") as qmp:
        qmp.execute("system_reset")
        qmp.wait_event("DEVICE_DELETED", 60.0, where={"device": devices.device_id(more)})
    both = replace(guest_instance, disks=(*guest_instance.disks, more))
    with pytest.raises(HypervisorError, match="lacks devices since it was reset"):
        kvm.migration_offer(ctx, both)
    kvm.plug_disk(ctx, guest_instance, more)
    assert devices.device_id(more) in attached(ctx, guest_instance.name)
    assert kvm.migration_offer(ctx, both).details


@pytest.mark.needs_root
def test_a_guest_with_a_nic_is_on_its_bridge_and_leaves_it(
    kvm: KvmHypervisor, ctx: HookContext, guest_instance: InstanceSpec, nic: NicSpec
) -> None:
    instance = replace(guest_instance, nics=(nic,))
    kvm.start(ctx, instance, False)
    assert len(on_bridge(nic)) == 1
    assert nic.mac in macs(ctx, instance.name)
    kvm.stop(ctx, instance, True, 0.0)
    assert on_bridge(nic) == []


@pytest.mark.needs_root
def test_a_failed_start_leaves_no_tap_device(
    kvm: KvmHypervisor, ctx: HookContext, guest_instance: InstanceSpec, nic: NicSpec
) -> None:
    bad = {**guest_instance.hvparams, "kvm_extra": "-no-such-option"}
    with pytest.raises(HypervisorError, match="no-such-option"):
        kvm.start(ctx, replace(guest_instance, nics=(nic,), hvparams=bad), False)
    assert on_bridge(nic) == []


@pytest.mark.needs_root
def test_a_nic_can_be_added(
    kvm: KvmHypervisor, ctx: HookContext, guest_instance: InstanceSpec, nic: NicSpec
) -> None:
    kvm.start(ctx, guest_instance, False)
    kvm.plug_nic(ctx, guest_instance, nic)
    assert len(on_bridge(nic)) == 1
    assert nic.mac in macs(ctx, guest_instance.name)


@pytest.mark.needs_root
def test_a_card_moves_to_another_bridge_while_its_guest_runs(
    kvm: KvmHypervisor, ctx: HookContext, guest_instance: InstanceSpec, nic: NicSpec
) -> None:
    """The boot sector knows nothing of hotplug, and need not know."""
    instance = replace(guest_instance, nics=(nic,))
    second = f"gnx{os.getpid()}"
    subprocess.run(["ip", "link", "add", second, "type", "bridge"], check=True, timeout=10)
    try:
        kvm.start(ctx, instance, False)
        (tap,) = on_bridge(nic)
        moved = replace(nic, link=second)
        for _ in range(2):
            assert kvm.modify_nic(ctx, instance, moved).model == "virtio-net-pci"
        assert (on_bridge(nic), on_bridge(moved)) == ([], [tap])
        with pytest.raises(HypervisorError, match="Missing bridges nobridge0"):
            kvm.modify_nic(ctx, instance, replace(nic, link="nobridge0"))
        assert on_bridge(moved) == [tap]
        kvm.stop(ctx, instance, True, 0.0)
        assert on_bridge(moved) == []
    finally:
        subprocess.run(["ip", "link", "del", second], check=True, timeout=10)


@pytest.mark.needs_root
def test_the_administrators_script_replaces_the_back_end(
    kvm: KvmHypervisor, ctx: HookContext, guest_instance: InstanceSpec, nic: NicSpec
) -> None:
    """As Ganeti's kvm-ifup lets it."""
    script = ctx.root / network.SCRIPT
    script.parent.mkdir(parents=True, exist_ok=True)
    script.write_text(f'#!/bin/sh\nprintenv > "{ctx.root}/said"\n')
    script.chmod(0o755)
    kvm.start(ctx, replace(guest_instance, nics=(nic,)), False)
    said = dict(line.split("=", 1) for line in (ctx.root / "said").read_text().splitlines())
    assert on_bridge(nic) == []
    assert {name: said.get(name) for name in ("INSTANCE", "MAC", "MODE", "BRIDGE", "LINK")} == {
        "INSTANCE": guest_instance.name, "MAC": nic.mac, "MODE": "bridged", "BRIDGE": nic.link,
        "LINK": nic.link}
    assert said["INTERFACE"].startswith("tap")


def test_a_card_in_user_mode_needs_nothing_of_the_node(
    kvm: KvmHypervisor, ctx: HookContext, guest_instance: InstanceSpec
) -> None:
    first = NicSpec("41c00000-0000-4000-8000-000000000007", 0, "aa:00:00:11:22:77", mode="user")
    second = replace(first, uuid="41c00001-0000-4000-8000-000000000008", index=1,
                     mac="aa:00:00:11:22:88")
    kvm.start(ctx, replace(guest_instance, nics=(first,)), False)
    kvm.plug_nic(ctx, guest_instance, second)
    assert macs(ctx, guest_instance.name) == {first.mac, second.mac}


def test_an_unknown_back_end_is_refused_by_name(
    kvm: KvmHypervisor, ctx: HookContext, guest_instance: InstanceSpec
) -> None:
    nic = NicSpec("41c00000-0000-4000-8000-000000000001", 0, "aa:00:00:11:22:33", mode="pigeon")
    with pytest.raises(HypervisorError, match=r"'pigeon' \(there are: bridged, routed, user\)"):
        kvm.start(ctx, replace(guest_instance, nics=(nic,)), False)
    assert not (ctx.state / guest_instance.name).exists()


@pytest.mark.needs_root
def test_a_routed_card_is_reached_here_only_once_its_guest_has_arrived(
    kvm: KvmHypervisor, ctx: HookContext, other_ctx: HookContext, guest_instance: InstanceSpec
) -> None:
    from test_kvm_migration import TARGET, Pair

    table = "3737"
    nic = NicSpec("41c00000-0000-4000-8000-000000000009", 0, "aa:00:00:11:22:99", mode="routed",
                  link=table, ip="192.0.2.9")
    instance = replace(guest_instance, nics=(nic,))
    name = network.Cards(other_ctx, other_ctx.state / instance.name).device(nic)
    pair = Pair(kvm, ctx, other_ctx, instance)
    kvm.start(ctx, instance, False)
    target = kvm.migration_prepare(other_ctx, instance, TARGET, MigrationOffer())
    assert name not in rules()
    kvm.migrate_out(ctx, instance, target, True)
    assert pair.wait().state == "completed"
    kvm.migration_finish(other_ctx, instance, False, True)
    assert name in rules()
    kvm.migration_finish(ctx, instance, True, True)
    kvm.stop(other_ctx, instance, True, 0.0)
    assert name not in rules()


def rules() -> str:
    return subprocess.run(["ip", "rule", "show"], check=True, capture_output=True, text=True,
                          timeout=10).stdout


def tap_queues(ctx: HookContext, name: str) -> int:
    """How many queues of tap devices the guest's QEMU has open."""
    folder = Path("/proc", (ctx.state / name / "pid").read_text().strip(), "fd")
    found = []
    for item in folder.iterdir():
        with suppress(FileNotFoundError):  # QEMU has closed it meanwhile
            found.append(os.readlink(item))
    return found.count("/dev/net/tun")


@pytest.mark.needs_root
@pytest.mark.parametrize(("queues", "count"), [("auto", 2), (3, 3), ("1", 1)])
def test_a_card_has_its_queues(
    kvm: KvmHypervisor, ctx: HookContext, guest_instance: InstanceSpec, queues: object, count: int
) -> None:
    """At the start and when it is plugged in."""
    first = NicSpec("41c00000-0000-4000-8000-00000000000a", 0, "aa:00:00:11:22:99", mode="routed",
                    link="3838", ip="192.0.2.9")
    second = replace(first, uuid="41c00001-0000-4000-8000-00000000000b", index=1,
                     mac="aa:00:00:11:22:9a", ip="192.0.2.10")
    params = {**guest_instance.hvparams, "virtio_net_queues": queues}
    instance = replace(guest_instance, nics=(first,), hvparams=params,
                       beparams={**guest_instance.beparams, "vcpus": 2})
    kvm.start(ctx, instance, False)
    assert tap_queues(ctx, instance.name) == count
    kvm.plug_nic(ctx, instance, second)
    assert tap_queues(ctx, instance.name) == 2 * count
    assert macs(ctx, instance.name) == {first.mac, second.mac}


@pytest.mark.skipif(network.VHOST.exists(), reason="this node has vhost_net")
def test_a_node_without_vhost_net_refuses_it_by_name(
    kvm: KvmHypervisor, ctx: HookContext
) -> None:
    with pytest.raises(OpPrereqError, match="vhost_net=True: /dev/vhost-net cannot be used"):
        kvm.validate(ctx, {"kernel_path": "", "vhost_net": True})


def test_the_kernels_servers_of_a_card_are_handed_over() -> None:
    words = {3: "a", 4: "b", 5: "c", 6: "d"}
    assert network.Tap((3,), (5,)).options(words) == {"fd": "a", "vhostfd": "c"}
    assert network.Tap((3, 4), (5, 6)).options(words) == {"fds": "a:b", "vhostfds": "c:d"}
