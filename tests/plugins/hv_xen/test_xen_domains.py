"""Configurations of domains, what xl prints, and how domains live and end."""

from __future__ import annotations

import signal
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from virtual_cluster import wait_until

from ganeti_core.plugin_api import (
    CommandFailed,
    DiskSpec,
    HookContext,
    HypervisorError,
    InstanceSpec,
    NicSpec,
    processes,
)
from ganeti_core.plugin_api.data import HostFacts, NodeRef
from ganeti_core.plugin_api.run import DEFAULT_PATH
from ganeti_core.plugin_api.testing.contexts import make_context
from ganeti_plugins.hv_xen import XenPvmHypervisor
from ganeti_plugins.hv_xen.configuration import text
from ganeti_plugins.hv_xen.parameters import filled
from ganeti_plugins.hv_xen.toolstack import Domain, Xl, listed

BRIDGED = NicSpec("41c00000-0000-4000-8000-000000000001", 0, "aa:00:00:11:22:33", ip="192.0.2.7",
                  mode="bridged", link="br0", bridge="br0")
ROUTED = replace(BRIDGED, index=1, mode="routed", link="", bridge="")
OTHER = NodeRef("6fd1c8c4-7e8c-4b4e-9c0e-0d3a0a9a1f02", "node2.example.com", "127.0.0.1")


def lines(kind: str, instance: InstanceSpec) -> dict[str, str]:
    complete = replace(instance, hvparams=filled(kind, instance.hvparams))  # type: ignore[arg-type]
    return dict(line.split(" = ", 1) for line in text(
        kind, complete).splitlines())  # type: ignore[arg-type]


def test_a_paravirtual_domain_as_it_was_seen_to_run(domain_instance: InstanceSpec) -> None:
    """Names and forms are those of a domain that ran under Xen 4.17."""
    params = {**domain_instance.hvparams, "blockdev_prefix": "xvd", "initrd_path": "/root/initrd",
              "kernel_args": "console=hvc0 quiet", "root_path": None}
    got = lines("pv", replace(domain_instance, hvparams=params, nics=(BRIDGED,)))
    disk, kernel = domain_instance.disks[0].path, params["kernel_path"]
    assert got == {
        "name": '"inst1.example.com"', "uuid": f'"{domain_instance.uuid}"', "type": '"pv"',
        "memory": "128", "maxmem": "128", "vcpus": "2", "cpu_weight": "256",
        "kernel": f'"{kernel}"', "ramdisk": '"/root/initrd"', "extra": '"console=hvc0 quiet"',
        "disk": f'[ "format=raw,vdev=xvda,access=rw,target={disk}" ]',
        "vif": '[ "mac=aa:00:00:11:22:33,ip=192.0.2.7,bridge=br0" ]',
        "on_poweroff": '"preserve"', "on_reboot": '"restart"', "on_crash": '"restart"'}


def test_parameters_of_paravirtual_domains_arrive(domain_instance: InstanceSpec) -> None:
    got = lines("pv", replace(domain_instance, nics=(BRIDGED, ROUTED), hvparams={
        "use_bootloader": True, "bootloader_path": "/usr/bin/pygrub", "bootloader_args": '-q "a b"',
        "cpu_mask": "0-1:all", "cpu_cap": 150, "cpuid": "host,tm=0", "reboot_behavior": "exit",
        "vif_script": "/etc/xen/scripts/vif-ganeti"}))
    assert "kernel" not in got
    assert (got["bootloader"], got["bootloader_args"]) == ('"/usr/bin/pygrub"', '[ "-q", "a b" ]')
    assert (got["cpus"], got["cap"], got["cpuid"]) == (
        '[ "0-1", "all" ]', "150", '"host,tm=0"')
    assert (got["on_reboot"], got["root"]) == ('"destroy"', '"/dev/xvda1"')
    assert got["vif"].count("script=/etc/xen/scripts/vif-ganeti") == 2


def test_parameters_of_domains_with_hardware_support_arrive(
    domain_instance: InstanceSpec, tmp_path: Path
) -> None:
    (tmp_path / "password").write_text("s3cret\n")
    second = replace(domain_instance.disks[0], index=1, mode="ro")
    got = lines("hvm", replace(
        domain_instance, network_port=5903, nics=(BRIDGED,),
        disks=(*domain_instance.disks, second), hvparams={
            "vnc_password_file": str(tmp_path / "password"), "cdrom_image_path": "/srv/a.iso",
            "boot_order": "dc", "pci_pass": "04:00.0;04:00.1", "soundhw": "es1370",
            "acpi": False, "viridian": True, "use_localtime": True, "nic_type": "e1000"}))
    assert (got["type"], got["boot"], got["acpi"], got["pae"], got["viridian"],
            got["localtime"]) == ('"hvm"', '"dc"', "0", "1", "1", "1")
    assert (got["vncdisplay"], got["vncunused"], got["vncpasswd"], got["vnclisten"]) == (
        "3", "0", '"s3cret"', '"0.0.0.0"')
    assert (got["pci"], got["soundhw"]) == ('[ "04:00.0", "04:00.1" ]', '"es1370"')
    assert "vdev=hdb,access=ro" in got["disk"]
    assert 'vdev=hdc,access=ro,devtype=cdrom,target=/srv/a.iso" ]' in got["disk"]
    assert got["vif"].endswith('type=ioemu,model=e1000" ]')
    assert not {"firmware_override", "device_model_override", "kernel"} & got.keys()


@pytest.mark.parametrize(("change", "message"), [
    ({"nics": (ROUTED,)}, "one of mode routed needs vif_script"),
    ({"nics": (replace(BRIDGED, vlan=".10"),)}, "without VLANs; one of mode bridged needs"),
    ({"nics": (replace(BRIDGED, network={"tags": ["a", "mac-filtered", "ip-filtered"]}),)},
     "tagged mac-filtered, ip-filtered, and Xen's own script filters nothing"),
    ({"nics": (replace(BRIDGED, network={"tags": ["service:dnsmasq"]}),),
      "hvparams": {"vif_script": "/etc/xen/scripts/vif-ganeti"}},
     "its network has the service dnsmasq, and cards that Xen's scripts attach are not served"),
    ({"hvparams": {"cpu_mask": "0:1:2"}}, "has 2 virtual CPUs, and cpu_mask='0:1:2' is for 3"),
    ({"disks": (DiskSpec("d", 0, "ext", 1, uris={"kvm": "rbd:x"}),)}, "disk 0 is no device"),
])
def test_what_no_domain_can_have_is_refused(
    domain_instance: InstanceSpec, change: dict[str, object], message: str
) -> None:
    with pytest.raises(HypervisorError, match=message):
        lines("pv", replace(domain_instance, **change))  # type: ignore[arg-type]


def test_listings_are_read_as_xl_prints_them() -> None:
    """Forms of Xen 4.0 and 4.17; a domain without a name is being made or ended."""
    found = listed("""\
Name                                        ID   Mem VCPUs      State   Time(s)
Domain-0                                     0  1023     1     r----- 154706.1
server01.example.com                         1  1024     1     -b---- 167643.2
testinstance.example.com                     2  2048     2     --p---     43.0
down.example.com                             7   128     1     ---s--      1.2
(null)                                   28441   789     1     --psc-      1.2
""")
    assert sorted(found) == ["Domain-0", "down.example.com", "server01.example.com",
                             "testinstance.example.com"]
    one = found["testinstance.example.com"]
    assert (one.number, one.memory, one.vcpus, one.is_paused) == (2, 2048, 2, True)
    assert found["down.example.com"].has_shut_down
    assert found["server01.example.com"].cpu_seconds == 167643.2


def test_one_that_has_ended_for_any_reason_is_read() -> None:
    """The last letter but one of its state is the reason: reboot, suspend, crash, watchdog, Soft
    reset, or one that xl does not know."""
    found = listed("".join(
        f"{letter}.example.com   {number}   128     1     ---s{letter}-      1.2"
        f" 00000000-0000-0000-0000-000000000000        {number}                -\n"
        for number, letter in enumerate("rscwS?", 1)))
    assert [(one.reason, one.has_shut_down) for one in found.values()] == [
        (number, True) for number in range(1, 7)]


LISTED = """\
Name                                        ID   Mem VCPUs\tState\tTime(s)
Domain-0                                     0   640     1     r-----    1161.9
web.example.com                              4    96     1     -b----      34.1
new.example.com                              1   128     1     ------      22.8
down.example.com                             5    96     1     ---s--      38.0
paused.example.com                           6   128     1     --p---       0.0
"""
INFORMED = """\
host                   : node1.example.com
release                : 6.1.0-57-amd64
version                : #1 SMP PREEMPT_DYNAMIC Debian 6.1.192-3 (2026-11-26)
machine                : x86_64
nr_cpus                : 1
max_cpu_id             : 0
nr_nodes               : 1
cores_per_socket       : 1
threads_per_core       : 1
cpu_mhz                : 2596.131
hw_caps                : 078bfbfd:80982201:20100800:00000001:00000000:00000000:00000000:00000000
virt_caps              : pv gnttab-v1 gnttab-v2
total_memory           : 1535
free_memory            : 748
sharing_freed_memory   : 0
sharing_used_memory    : 0
outstanding_claims     : 0
free_cpus              : 0
xen_major              : 4
xen_minor              : 17
xen_extra              : .7
xen_version            : 4.17.7
xen_caps               : xen-3.0-x86_64
xen_scheduler          : credit
xen_pagesize           : 4096
xen_changeset          :
xen_commandline        : dom0_mem=640M,max:640M dom0_max_vcpus=1 com1=115200,8n1 console=com1
"""
"""Both as Xen 4.17.7 of Debian 12 printed them in the lab."""


VERBOSE = (
    "Name                                        ID   Mem VCPUs\tState\tTime(s)"
    "   UUID                            Reason-Code\tSecurity Label\n"
    "Domain-0                                     0   640     1     r-----     427.2"
    " 00000000-0000-0000-0000-000000000000        -                -\n")


def test_domains_are_read_as_real_xl_lists_them() -> None:
    assert [(one.number, one.memory, one.reason) for one in listed(VERBOSE).values()] == [
        (0, 640, 0)]
    found = listed(LISTED)
    assert [(one.number, one.memory, one.flags, one.has_shut_down, one.is_paused)
            for one in found.values()] == [
        (0, 640, "r-----", False, False), (4, 96, "-b----", False, False),
        (1, 128, "------", False, False), (5, 96, "---s--", True, False),
        (6, 128, "--p---", False, True)]


def test_the_host_is_read_as_real_xl_describes_it(tmp_path: Path) -> None:
    """A guest of 128 MiB runs there."""
    (tmp_path / "info").write_text(INFORMED)
    (tmp_path / "list").write_text(LISTED)
    program = tmp_path / "xl"
    program.write_text(f'#!/bin/sh\nexec cat "{tmp_path}/$1"\n')
    program.chmod(0o755)
    xl = Xl(make_context(tmp_path / "node"), str(program))
    facts = xl.facts(xl.domains(), 128)
    assert facts == HostFacts(
        memory_total=1535, memory_free=748, memory_host=659, cpu_total=1, cpu_sockets=1,
        cpu_nodes=1, version="4.17", cpu_host=1)


def test_where_xen_has_no_shadow_paging_no_domain_is_sent(
    tmp_path: Path, domain_instance: InstanceSpec
) -> None:
    """As Debian's Xen 4.17.7: xl begins, and ends with 'Failed to enable logdirty'."""
    (tmp_path / "info").write_text(INFORMED)
    program = tmp_path / "xl"
    program.write_text(f'#!/bin/sh\nexec cat "{tmp_path}/$1"\n')
    program.chmod(0o755)
    with pytest.raises(HypervisorError, match="without shadow paging"):
        XenPvmHypervisor(str(program)).migration_offer(
            make_context(tmp_path / "node"), domain_instance)


def test_scripts_find_the_variables_of_cards_where_ganeti_puts_them(
    xen: XenPvmHypervisor, nodes: tuple[HookContext, HookContext], domain_instance: InstanceSpec
) -> None:
    instance = replace(domain_instance, nics=(BRIDGED,))
    xen.start(nodes[0], instance, False)
    folder = nodes[0].root / "var/run/ganeti/xen-hypervisor/nic"
    told = (folder / instance.name / "0").read_text().splitlines()
    assert {"MAC=aa:00:00:11:22:33", "MODE=bridged", "LINK=br0", "IP=192.0.2.7"} <= set(told)
    xen.stop(nodes[0], instance, True, 0.0)
    assert not folder.exists()


def test_a_guest_that_powers_off_is_told_from_one_that_is_gone(
    xen: XenPvmHypervisor, nodes: tuple[HookContext, HookContext], domain_instance: InstanceSpec,
    fake_xl: str,
) -> None:
    here = nodes[0]
    xen.start(here, domain_instance, False)
    xen._xl(here).run("shutdown", domain_instance.name, timeout=20)
    assert [guest.state for guest in xen.running(here)] == ["user-down"]
    xen.start(here, domain_instance, False)
    assert [guest.state for guest in xen.running(here)] == ["running"]


@pytest.mark.parametrize(("reason", "message"), [(1, "has ended to be rebooted"),
                                                 (3, "has crashed")])
def test_a_guest_that_reboots_or_crashes_is_made_anew_or_shown_as_crashed(
    xen: XenPvmHypervisor, nodes: tuple[HookContext, HookContext], domain_instance: InstanceSpec,
    reason: int, message: str,
) -> None:
    """xl makes it anew where it still is there; in between, there is no domain at all."""
    here, name = nodes[0], domain_instance.name
    xen.start(here, domain_instance, False)
    guest = xen._guest(here, domain_instance)
    ended = {name: replace(guest.xl.domains()[name], flags="---s--", reason=reason)}
    processes.begin(here, name, ["sleep", "600"])
    wait_until(guest.has_programs, "xl is at work")
    for domains in (ended, {}):
        told = guest.info(domains)
        assert told is not None
        assert (told.state, told.memory, told.vcpus) == ("running", 128, 2)
    processes.send(here, name, signal.SIGKILL)
    wait_until(lambda: not guest.has_programs(), "xl is gone")
    told = guest.info(ended)
    assert told is not None
    assert (told.state, told.is_over) == ("crashed", True)
    assert message in told.reason
    assert guest.info({}) is None
    xen.start(here, domain_instance, False)
    assert [one.state for one in xen.running(here)] == ["running"]


def test_a_daemon_that_starts_does_not_end_a_guest_that_is_rebooting(
    xen: XenPvmHypervisor, nodes: tuple[HookContext, HookContext], domain_instance: InstanceSpec
) -> None:
    here, name = nodes[0], domain_instance.name
    xen.start(here, domain_instance, False)
    processes.begin(here, name, ["sleep", "600"])  # its xl, which is about to make it anew
    xen._xl(here).destroy(name, 20)
    assert xen.recover(here) == [f"found {name} again"]
    assert [one.state for one in xen.running(here)] == ["running"]
    processes.end(here, name)
    assert xen.recover(here) == [f"cleared away what {name} left"]


def test_a_reboot_is_over_when_the_new_domain_runs(
    xen: XenPvmHypervisor, nodes: tuple[HookContext, HookContext], domain_instance: InstanceSpec,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Until then it has no console; and xl, which is busy, may not answer in time."""
    here, name = nodes[0], domain_instance.name
    xen.start(here, domain_instance, False)
    before = xen._xl(here).domains()[name]
    made = replace(before, number=9, flags="--p---")
    seen: list[dict[str, Domain] | None] = [
        {name: before}, {name: before}, {}, None, {name: made}, {name: replace(made, flags="r")}]

    def next_seen(xl: Xl) -> dict[str, Domain]:
        if (found := seen.pop(0)) is None:
            raise HypervisorError("the domains cannot be listed")
        return found

    with monkeypatch.context() as patch:
        patch.setattr(Xl, "domains", next_seen)
        xen.reboot(here, domain_instance)
    assert seen == []


@pytest.mark.parametrize(("behavior", "left"), [("reboot", ["running"]), ("exit", [])])
def test_a_reboot_needs_no_xl_that_watches_the_domain(
    xen: XenPvmHypervisor, nodes: tuple[HookContext, HookContext], domain_instance: InstanceSpec,
    behavior: str, left: list[str],
) -> None:
    """It may have been killed; older ones end with a transfer that suspends it and fails."""
    here, name = nodes[0], domain_instance.name
    alone = replace(domain_instance, hvparams={
        **domain_instance.hvparams, "kernel_args": "alone", "reboot_behavior": behavior})
    xen.start(here, alone, False)
    xen.set_memory(here, alone, 96)
    xen.reboot(here, alone)
    assert [one.state for one in xen.running(here)] == left
    assert [one.memory for one in xen._xl(here).domains().values()][1:] == [96] * len(left)
    if left:
        xen._xl(here).run("shutdown", name, timeout=20)
    with pytest.raises(HypervisorError, match="does not run"):
        xen.reboot(here, alone)


def test_a_paused_domain_goes_on_when_somebody_looks_at_its_console(
    xen: XenPvmHypervisor, nodes: tuple[HookContext, HookContext], domain_instance: InstanceSpec
) -> None:
    here = nodes[0]
    for paused in (True, False):
        xen.start(here, domain_instance, paused)
        said = subprocess.run(
            xen.console(here, domain_instance, OTHER).command, cwd=here.state, check=True,
            env={"PATH": DEFAULT_PATH}, capture_output=True, text=True).stdout
        assert said.startswith(f"on the console of {domain_instance.name}\n")
        assert ("goes on now" in said) is paused
        assert [one.state for one in xen.running(here)] == ["running"]


def test_one_that_does_not_listen_is_destroyed_after_its_time(
    xen: XenPvmHypervisor, nodes: tuple[HookContext, HookContext], domain_instance: InstanceSpec
) -> None:
    deaf = replace(domain_instance, hvparams={**domain_instance.hvparams, "kernel_args": "deaf"})
    xen.start(nodes[0], deaf, False)
    xen.stop(nodes[0], deaf, False, 0.5)
    assert xen.running(nodes[0]) == []
    assert "Domain-0" in xen._xl(nodes[0]).domains()


def test_one_that_cannot_be_asked_keeps_its_time(
    xen: XenPvmHypervisor, nodes: tuple[HookContext, HookContext], domain_instance: InstanceSpec,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As where xl takes too long on a busy host."""
    xen.start(nodes[0], domain_instance, False)
    called, run = [], Xl.run

    def busy(xl: Xl, *words: str, **more: Any) -> str:
        called.append(words[0])
        if words[0] == "shutdown" and called.count("shutdown") == 1:
            raise CommandFailed("xl took too long")
        return run(xl, *words, **more)

    monkeypatch.setattr(Xl, "run", busy)
    xen.stop(nodes[0], domain_instance, False, 120.0)
    assert called.count("shutdown") == 2
    assert xen.running(nodes[0]) == []


def test_domains_are_listed_anew_only_where_something_may_have_changed(
    xen: XenPvmHypervisor, nodes: tuple[HookContext, HookContext], domain_instance: InstanceSpec,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each listing is a process, of a program that has much to do on a busy host."""
    here, called, run = nodes[0], [], Xl.run

    def noted(xl: Xl, *words: str, **more: Any) -> str:
        called.append(words[0])
        return run(xl, *words, **more)

    xen.start(here, domain_instance, False)
    monkeypatch.setattr(Xl, "run", noted)
    xen.host_facts(here)
    xen.reboot(here, domain_instance)
    xen.stop(here, domain_instance, False, 120.0)
    assert called == ["list", "info", "list", "reboot", "list",
                      "list", "shutdown", "list", "list", "destroy", "list"]


def test_domains_of_others_are_left_alone(
    xen: XenPvmHypervisor, nodes: tuple[HookContext, HookContext], domain_instance: InstanceSpec
) -> None:
    xen.start(nodes[0], domain_instance, False)
    guest = xen._guest(nodes[0], domain_instance)
    config = guest.config.read_text().replace(domain_instance.name, "foreign")
    (nodes[0].keep / "foreign").write_text(config)
    guest.xl.run("create", str(nodes[0].keep / "foreign"), timeout=20)
    assert [one.name for one in xen.running(nodes[0])] == [domain_instance.name]
    xen.stop(nodes[0], InstanceSpec("", "foreign", "xen-pvm"), True, 0.0)
    assert "foreign" in guest.xl.domains()


def test_memory_beyond_the_most_is_refused_with_xls_words(
    xen: XenPvmHypervisor, nodes: tuple[HookContext, HookContext], domain_instance: InstanceSpec
) -> None:
    xen.start(nodes[0], domain_instance, False)
    with pytest.raises(HypervisorError, match="memory_dynamic_max must be less"):
        xen.set_memory(nodes[0], domain_instance, 4096)


def test_a_disk_that_is_not_there_is_named(
    xen: XenPvmHypervisor, nodes: tuple[HookContext, HookContext], domain_instance: InstanceSpec
) -> None:
    lost = replace(domain_instance.disks[0], path="/dev/xenvg/none")
    with pytest.raises(HypervisorError, match="disk 0: there is no /dev/xenvg/none"):
        xen.start(nodes[0], replace(domain_instance, disks=(lost,)), False)
    assert list(nodes[0].state.iterdir()) == []
