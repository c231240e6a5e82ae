"""Migrations of domains: what moves along, and what happens when one goes wrong."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import struct
import subprocess
import sys
import termios
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from virtual_cluster import wait_until

from ganeti_core.plugin_api import HookContext, HypervisorError, InstanceSpec
from ganeti_core.plugin_api.data import MigrationOffer, MigrationTarget, NodeRef
from ganeti_plugins.hv_xen import XenPvmHypervisor, relay
from ganeti_plugins.hv_xen.domains import Guest
from ganeti_plugins.hv_xen.migration import _arguments as arguments
from ganeti_plugins.hv_xen.toolstack import Xl

OTHER = NodeRef("6fd1c8c4-7e8c-4b4e-9c0e-0d3a0a9a1f02", "node2.example.com", "127.0.0.1")


def _sent(
    xen: XenPvmHypervisor, nodes: tuple[HookContext, HookContext], instance: InstanceSpec
) -> None:
    source, target = nodes
    xen.start(source, instance, False)
    xen.migrate_out(source, instance, xen.migration_prepare(
        target, instance, OTHER, xen.migration_offer(source, instance)), True)
    wait_until(lambda: xen.migration_status(source, instance).state != "active", "it is sent")
    assert xen.migration_status(source, instance).guest == "sent"


def _kill(ctx: HookContext, word: str) -> None:
    """Kill the processes of a node that have this word among their arguments."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            said = arguments(int(entry.name))
            if str(ctx.root) in said and word in said:
                with suppress(ProcessLookupError):
                    os.kill(int(entry.name), signal.SIGKILL)


def test_a_target_whose_relay_is_killed_still_runs_what_has_arrived(
    xen: XenPvmHypervisor, nodes: tuple[HookContext, HookContext], domain_instance: InstanceSpec
) -> None:
    _sent(xen, nodes, domain_instance)
    wait_until(lambda: "inst1.example.com--incoming" in xen._xl(nodes[1]).domains(), "it is there")
    _kill(nodes[1], "receive")
    xen.migration_finish(nodes[1], domain_instance, False, True)
    assert [guest.state for guest in xen.running(nodes[1])] == ["running"]
    xen.migration_finish(nodes[0], domain_instance, True, True)
    assert xen.running(nodes[0]) == []
    assert list(xen._xl(nodes[0]).domains()) == ["Domain-0"]


def test_a_source_whose_xl_is_killed_says_what_to_do_and_wakes_nothing(
    xen: XenPvmHypervisor, nodes: tuple[HookContext, HookContext], domain_instance: InstanceSpec
) -> None:
    _sent(xen, nodes, domain_instance)
    wait_until(lambda: "inst1.example.com--migratedaway" in xen._xl(nodes[0]).domains(), "sent")
    _kill(nodes[0], "migrat")
    xen.migration_finish(nodes[1], domain_instance, False, False)
    with pytest.raises(HypervisorError, match=r"stands still as inst1\.example\.com--migratedaway"):
        xen.migration_finish(nodes[0], domain_instance, True, False)
    assert xen.running(nodes[0]) == []


def test_a_source_that_is_kept_while_its_last_part_arrives_is_let_go_on(
    xen: XenPvmHypervisor, nodes: tuple[HookContext, HookContext], domain_instance: InstanceSpec,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It counts as sent from a moment on that may come at any."""
    _sent(xen, nodes, domain_instance)
    xen.migration_finish(nodes[1], domain_instance, False, False)
    seen, real = [False], Guest.was_sent
    monkeypatch.setattr(Guest, "was_sent", lambda guest: seen.pop() if seen else real(guest))
    xen.migration_finish(nodes[0], domain_instance, True, False)
    assert [one.state for one in xen.running(nodes[0])] == ["running"]


def test_a_source_that_stands_still_is_no_running_one(
    xen: XenPvmHypervisor, nodes: tuple[HookContext, HookContext], domain_instance: InstanceSpec
) -> None:
    """As when the xl that sends it is killed at the end."""
    here, name = nodes[0], domain_instance.name
    xen.start(here, domain_instance, False)
    guest = xen._guest(here, domain_instance)
    ended = replace(guest.xl.domains()[name], flags="---ss-", reason=2)
    told = guest.info({name: ended})
    assert told is not None
    assert told.state == "paused"
    xen.migrate_out(here, domain_instance, MigrationTarget("127.0.0.1", 1, {"token": ""}), True)
    wait_until(lambda: xen.migration_status(here, domain_instance).state == "failed", "it ends")
    guest.xl.run("suspended", name, timeout=20)
    with pytest.raises(HypervisorError, match="stands still as inst1"):
        xen.migration_finish(here, domain_instance, True, False)


def test_no_domain_is_listed_to_say_how_far_a_transfer_is(
    xen: XenPvmHypervisor, nodes: tuple[HookContext, HookContext], domain_instance: InstanceSpec,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The master asks often, and xl is busy."""
    here = nodes[0]
    xen.start(here, domain_instance, False)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        there = MigrationTarget("127.0.0.1", silent.getsockname()[1], {"token": "0" * 64})
        xen.migrate_out(here, domain_instance, there, True)
        with monkeypatch.context() as unlisted:
            unlisted.setattr(Xl, "run", lambda *_, **__: pytest.fail("xl was asked"))
            told = xen.migration_status(here, domain_instance)
        assert (told.state, told.guest) == ("active", "runs")
        xen.migration_abort(here, domain_instance)
        xen.migration_finish(here, domain_instance, True, False)
    assert [one.state for one in xen.running(here)] == ["running"]


def test_a_domain_moves_between_addresses_of_ipv6(
    xen: XenPvmHypervisor, nodes: tuple[HookContext, HookContext], domain_instance: InstanceSpec
) -> None:
    _sent(xen, (nodes[0], replace(nodes[1], config={"address": "::1"})), domain_instance)
    xen.migration_finish(nodes[1], domain_instance, False, True)
    assert [guest.state for guest in xen.running(nodes[1])] == ["running"]
    xen.migration_finish(nodes[0], domain_instance, True, True)


def test_memory_that_was_changed_moves_along(
    xen: XenPvmHypervisor, nodes: tuple[HookContext, HookContext], domain_instance: InstanceSpec
) -> None:
    source, target = nodes
    xen.start(source, domain_instance, False)
    xen.set_memory(source, domain_instance, 96)
    xen.migrate_out(source, domain_instance, xen.migration_prepare(
        target, domain_instance, OTHER, xen.migration_offer(source, domain_instance)), True)
    wait_until(lambda: xen.migration_status(source, domain_instance).guest == "sent", "it is sent")
    xen.migration_finish(target, domain_instance, False, True)
    assert [guest.memory for guest in xen.running(target)] == [96]
    assert xen._xl(target).domains()[domain_instance.name].memory == 96
    xen.migration_finish(source, domain_instance, True, True)


def test_a_disk_that_is_another_device_on_the_target_is_found_there(
    xen: XenPvmHypervisor, nodes: tuple[HookContext, HookContext], domain_instance: InstanceSpec,
    tmp_path: Path,
) -> None:
    """As images of Ceph, which have the next free device of each node; xl takes the source's
    configuration along."""
    source, target = nodes
    there = tmp_path / "rbd7"
    there.write_bytes(bytes(512))
    xen.start(source, domain_instance, False)
    xen.migration_prepare(target, replace(domain_instance, disks=(
        replace(domain_instance.disks[0], path=str(there)),)), OTHER, MigrationOffer())
    named = [node.state / domain_instance.name / "disks/0" for node in nodes]
    assert f"target={named[0]}" in xen._guest(source, domain_instance).config.read_text()
    assert [one.resolve() for one in named] == [Path(domain_instance.disks[0].path), there]


def test_a_stranger_cannot_send_a_domain(
    xen: XenPvmHypervisor, nodes: tuple[HookContext, HookContext], domain_instance: InstanceSpec
) -> None:
    source, target = nodes
    xen.start(source, domain_instance, False)
    there = xen.migration_prepare(target, domain_instance, OTHER, MigrationOffer())
    wrong = replace(there, details={"token": "0" * 64})
    xen.migrate_out(source, domain_instance, wrong, True)
    wait_until(lambda: xen.migration_status(source, domain_instance).state != "active", "it ends")
    assert xen.migration_status(source, domain_instance).state == "failed"
    assert "resuming at sender" in xen.migration_status(source, domain_instance).message
    assert [guest.state for guest in xen.running(source)] == ["running"]
    xen.migration_finish(source, domain_instance, True, False)
    xen.migrate_out(source, domain_instance, there, True)  # the receiver waits for the right one
    wait_until(lambda: xen.migration_status(source, domain_instance).guest == "sent", "it is sent")


def test_somebody_who_knocks_and_goes_away_does_not_end_the_receiver(
    xen: XenPvmHypervisor, nodes: tuple[HookContext, HookContext], domain_instance: InstanceSpec
) -> None:
    """As a scan of ports does."""
    source, target = nodes
    xen.start(source, domain_instance, False)
    there = xen.migration_prepare(target, domain_instance, OTHER, MigrationOffer())
    with socket.create_connection((there.address, there.port)) as scan:
        scan.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    xen.migrate_out(source, domain_instance, there, True)
    wait_until(lambda: xen.migration_status(source, domain_instance).state != "active", "it ends")
    assert xen.migration_status(source, domain_instance).guest == "sent"


def _same(seen: list[int], wire: socket.socket) -> bool:
    """Whether as much as at the last looks waits to be read."""
    seen[:] = [*seen[1:], int.from_bytes(
        fcntl.ioctl(wire, termios.FIONREAD, bytes(4)), sys.byteorder)]
    return seen[0] > 0 and len(set(seen)) == 1


def test_a_transfer_to_a_target_that_takes_nothing_can_be_given_up(tmp_path: Path) -> None:
    """As where its node has lost its power: no word of it comes."""
    (tmp_path / "token").write_text("0" * relay.TOKEN_BYTES)
    with socket.create_server(("127.0.0.1", 0)) as server, Path("/dev/zero").open("rb") as memory:
        words = [sys.executable, relay.__file__, "send", str(tmp_path), "127.0.0.1",
                 str(server.getsockname()[1])]
        with subprocess.Popen(words, stdin=memory) as sender:
            try:
                wire, _ = server.accept()
                with wire:
                    waiting = [0] * 5
                    wait_until(lambda: _same(waiting, wire), "nothing more can be sent")
                    relay.Notes(tmp_path).write("abort")
                    assert sender.wait(60) == 1
            finally:
                sender.kill()

