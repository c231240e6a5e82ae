"""The disk template drbd on real kernels: power and networks fail, and no old side is promoted."""

from __future__ import annotations

import json
import os
import shlex
import sysconfig
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from machines.fleet import Fleet, Prepared
from machines.image import why_not
from machines.machine import Machine

from ganeti_core.errors import BlockDeviceError
from ganeti_core.plugin_api import DiskSpec, codec
from ganeti_core.plugin_api.data import DiskRequest, DiskStatus, NodeRef
from ganeti_core.plugin_api.disk import DISK_TEMPLATES
from ganeti_core.plugin_api.disk_steps import Verb
from ganeti_core.plugin_api.testing.base import defaults
from ganeti_core.plugin_api.testing.contexts import declared_settings
from ganeti_core.plugin_api.testing.disk import plain_child_steps
from ganeti_plugins.disk_drbd import DrbdTemplate
from ganeti_plugins.disk_lvm import LvmTemplate

pytestmark = [pytest.mark.lab, pytest.mark.timeout(1800),
              pytest.mark.skipif(bool(why_not()), reason=why_not())]
FLEET = Fleet(f"d{os.getpid() % 100000}")
TOP = Path(__file__).resolve().parents[2]
NODES = A, B = tuple(NodeRef(f"u-{number}", f"node{number}.example.com", f"10.79.0.1{number}",
                             f"10.80.0.1{number}") for number in (1, 2))
LOAD = "modprobe drbd minor_count=128 usermode_helper=/bin/true"
PREPARED = f"{LOAD}; pvcreate -q /dev/vdb; vgcreate -q xenvg /dev/vdb"
HELPER = "/srv/bin/ganeti-drbd-helper"
PARAMETER = "/sys/module/drbd/parameters/usermode_helper"
PROGRAM = """#!/bin/sh
echo "$*" >> /srv/bin/asked
[ "$1" = fence-peer ] || exit 0
while [ ! -e /srv/bin/verdict ]; do sleep 0.1; done
exit $(cat /srv/bin/verdict)
"""
PATIENCE = 120.0
SIZE = 32


@dataclass
class Pair:
    """A disk on two machines, and what the cluster would know of it."""

    machines: dict[str, Machine]
    disk: DiskSpec
    stale: tuple[NodeRef, ...] = ()

    def machine(self, node: NodeRef) -> Machine:
        return self.machines[node.uuid]

    def call(self, node: str, disk: DiskSpec, hook: str, **arguments: Any) -> Any:
        asked = json.dumps({"template": disk.template, "hook": hook, "disk": codec.encode(disk),
                            "arguments": arguments})
        ran = self.machines[node].run(
            f"PYTHONPATH=/srv/drbd python3 /srv/drbd/drbd_node.py {shlex.quote(asked)}", PATIENCE)
        assert ran.status == 0, ran.output
        told = json.loads(ran.output.splitlines()[-1])
        if "error" in told:
            raise BlockDeviceError(told["error"])
        return codec.decode_result(DISK_TEMPLATES.hooks()[hook], told["result"])

    @property
    def known(self) -> DiskSpec:
        return replace(self.disk, stale=tuple(node.uuid for node in self.stale))

    def work(self, verb: Verb, *nodes: NodeRef, **arguments: Any) -> None:
        for step in DrbdTemplate().steps(verb, self.known, nodes, arguments, plain_child_steps):
            self.call(step.node, step.disk, step.hook, **step.arguments)

    def state(self, node: NodeRef) -> DiskStatus:
        status: DiskStatus = self.call(node.uuid, self.known.on(node.uuid), "status")
        return status

    def until(self, node: NodeRef, *, degraded: bool) -> DiskStatus:
        end = time.monotonic() + PATIENCE
        while (status := self.state(node)).degraded != degraded or (
                not degraded and status.local != "ok"):
            assert time.monotonic() < end, status
            time.sleep(0.2)
        return status

    def write(self, node: NodeRef, text: str) -> None:
        ran = self.machine(node).run(
            f"printf %s {shlex.quote(text.ljust(512, '.'))} | dd of={self.device(node)} "
            "conv=notrunc,fsync status=none")
        assert ran.status == 0, ran.output

    def read(self, node: NodeRef) -> str:
        """What is on the primary device."""
        ran = self.machine(node).run(f"head -c 512 {self.device(node)}")
        assert ran.status == 0, ran.output
        return ran.output.rstrip(".")

    def device(self, node: NodeRef) -> str:
        return f"/dev/drbd{self.disk.on(node.uuid).minor}"

    def switch_on(self, node: NodeRef) -> None:
        self.machine(node).start_again()
        assert self.machine(node).run(LOAD).status == 0

    def show(self) -> str:
        return "".join(one.run("cat /proc/drbd").output for one in self.machines.values())


@pytest.fixture(scope="module")
def machines() -> Iterator[dict[str, Machine]]:
    site = Path(sysconfig.get_path("purelib"))
    try:
        up = FLEET.up(2, Prepared(PREPARED))
        for machine in up:
            FLEET.copy([*(site / name for name in (
                "attr", "attrs", "cattrs", "pluggy", "typing_extensions.py")),
                TOP / "ganeti_core", TOP / "plugins",
                *(TOP / "tests/lab" / name for name in ("asked_by_json.py", "drbd_node.py"))],
                machine, "/srv/drbd")
            assert machine.run("ln -s plugins /srv/drbd/ganeti_plugins").status == 0
        yield {node.uuid: machine for node, machine in zip(NODES, up, strict=True)}
    finally:
        FLEET.down()


@pytest.fixture
def pair(machines: dict[str, Machine]) -> Iterator[Pair]:
    """A new disk, in sync, with something written to it on the first node."""
    driver = DrbdTemplate()
    children: list[DiskSpec] = []

    def child(template: str, request: DiskRequest) -> DiskSpec:
        assert template == "plain"
        settings = declared_settings(LvmTemplate())
        asked = replace(request, uuid=f"{len(children)}-{request.uuid}",
                        params=defaults(LvmTemplate().describe()))
        children.append(replace(LvmTemplate().layout(asked, settings), nodes=NODES))
        return children[-1]

    asked = DiskRequest("d15c", 0, SIZE, "web.example.com", params=defaults(driver.describe()))
    planned = driver.layout(asked, declared_settings(driver), child)
    granted = {"minor": {A.uuid: 3, B.uuid: 5}, "port": 11003, "secret": "of the lab"}
    made = Pair(machines, replace(planned, nodes=NODES, granted=granted,
                                  children=tuple(children)))
    made.work("create", *NODES)
    made.work("open", *NODES)
    made.until(A, degraded=False)
    made.write(A, "first")
    yield made
    for node in NODES:
        if made.machine(node).pid() is None:
            made.switch_on(node)
        made.machine(node).plug(1, connected=True)
    made.work("close", *NODES)
    made.work("remove", *NODES)
    for machine in machines.values():
        assert machine.run("lvs --noheadings; tail -n +3 /proc/drbd").output == ""


@pytest.fixture
def called(machines: dict[str, Machine]) -> Iterator[None]:
    """The kernels call a program that ends when it gets its exit status."""
    for machine in machines.values():
        ran = machine.run(f"mkdir -p /srv/bin; printf %s {shlex.quote(PROGRAM)} > {HELPER}; "
                          f"chmod 755 {HELPER}; printf %s {HELPER} > {PARAMETER}")
        assert ran.status == 0, ran.output
    yield
    for machine in machines.values():
        machine.run(f"printf %s /bin/true > {PARAMETER}; rm -rf /srv/bin")


def refused(match: str) -> Any:
    return pytest.raises(BlockDeviceError, match=match)


def test_a_disk_lives(pair: Pair) -> None:
    pair.work("grow", *NODES, size=2 * SIZE)
    pair.disk = replace(pair.disk, size=2 * SIZE, children=(
        replace(pair.disk.children[0], size=2 * SIZE), pair.disk.children[1]))
    assert pair.until(A, degraded=False).size == 2 * SIZE
    pair.work("share", *NODES)
    pair.work("demote", A)
    pair.disk = replace(pair.disk, nodes=(B, A))
    pair.work("open", B, A)
    assert pair.read(B) == "first"
    with refused("it is in use on node node2"):
        pair.work("promote", A, force=False)
    pair.work("close", B, A)
    assert [pair.state(node).local for node in NODES] == ["ok", "ok"]
    pair.work("open", B, A)
    assert pair.read(B) == "first"


def test_a_snapshot_keeps_the_data_of_its_moment(pair: Pair) -> None:
    disk = pair.known.on(A.uuid)
    copy = pair.call(A.uuid, disk, "snapshot", name="export-1")
    pair.write(A, "second")
    pair.until(A, degraded=False)
    assert pair.machine(A).run(f"head -c 512 {copy}").output.rstrip(".") == "first"
    assert pair.read(A) == "second"
    for _ in range(2):
        pair.call(A.uuid, disk, "remove_snapshot", name="export-1")
    assert "export-1" not in pair.machine(A).run("lvs").output
    # Without its volume a device lives by the other one's: a snapshot would be of what is old.
    assert pair.machine(A).run(f"drbdsetup detach {disk.minor}").status == 0
    with refused("its data here are Diskless"):
        pair.call(A.uuid, disk, "snapshot", name="export-1")
    pair.work("open", *NODES)
    pair.until(A, degraded=False)


def test_a_copy_in_use_is_made_anew(pair: Pair) -> None:
    pair.call(A.uuid, pair.known.on(A.uuid), "renew")
    assert pair.read(A) == "first"
    pair.until(A, degraded=False)
    pair.work("close", *NODES)
    pair.work("open", *NODES)
    assert pair.read(A) == "first"


def test_power_fails_and_the_old_side_follows_when_it_is_back(pair: Pair) -> None:
    pair.machine(A).cut_power()
    pair.stale = (A,)
    pair.work("promote", B, force=False)
    assert pair.read(B) == "first"
    pair.write(B, "second")
    pair.disk = replace(pair.disk, nodes=(B, A))
    pair.switch_on(A)
    assert pair.state(A).local == "stale"
    with refused("was written to while the copy here could not follow"):
        pair.machine(B).plug(1, connected=False)
        pair.work("promote", A, force=False)
    pair.machine(B).plug(1, connected=True)
    pair.work("close", A)
    pair.work("open", B, A)
    pair.until(B, degraded=False)
    pair.stale = ()
    pair.work("close", B, A)
    pair.work("open", B, A)
    assert pair.read(B) == "second"


def test_a_split_brain_is_refused_and_repaired(pair: Pair) -> None:
    pair.machine(B).plug(1, connected=False)
    pair.until(A, degraded=True)
    pair.until(B, degraded=True)
    pair.work("promote", B, force=False)
    pair.write(A, "what A wrote")
    pair.write(B, "what B wrote")
    pair.machine(B).plug(1, connected=True)
    end = time.monotonic() + PATIENCE
    while "StandAlone" not in pair.state(A).reason:
        assert time.monotonic() < end, pair.show()
        time.sleep(0.5)
    assert "replace-disks -s web.example.com" in pair.state(A).reason
    pair.work("close", *NODES)
    with refused("StandAlone"):
        pair.work("open", *NODES)
    for verb in ("close", "remove", "create"):
        pair.work(verb, B)  # type: ignore[arg-type]  # verbs
    pair.work("open", *NODES)
    pair.until(A, degraded=False)
    assert pair.read(A) == "what A wrote"


@pytest.mark.usefixtures("called")
def test_writes_wait_for_the_program_that_the_kernel_calls(
    machines: dict[str, Machine], request: pytest.FixtureRequest,
) -> None:
    pair: Pair = request.getfixturevalue("pair")
    one, other = (machines[node.uuid] for node in NODES)
    verdict = "/srv/bin/verdict"
    pair.machine(B).plug(1, connected=False)
    pair.until(A, degraded=True)
    writes = (f"(printf %s {'later'.ljust(512, '.')} | dd of={pair.device(A)} conv=notrunc,fsync "
              "status=none; touch /srv/bin/written) > /dev/null 2>&1 &")
    assert one.run(writes).status == 0
    assert "writes wait until the master knows" in pair.state(A).reason
    assert one.run("sleep 3; test ! -e /srv/bin/written").status == 0, "nothing was written"
    # It is called when a synchronization begins and ends, too.
    assert one.run("grep ^fence-peer /srv/bin/asked").output.split() == [
        "fence-peer", f"resource{pair.disk.on(A.uuid).minor}"]
    assert one.run(f"echo 4 > {verdict}; for i in $(seq 100); do [ -e /srv/bin/written ] && exit "
                   "0; sleep 0.2; done; exit 1").status == 0, pair.show()
    # The other side is told that it must not, whatever its kernel thinks of its data.
    assert other.run(f"echo 1 > {verdict}").status == 0
    with refused("Refusing to be Primary"):
        pair.work("promote", B, force=False)
    pair.machine(B).plug(1, connected=True)
    pair.until(A, degraded=False)
    assert pair.read(A) == "later"
    # In good order: a copy that is closed while the other one is written to counts as old.
    pair.work("close", B)
    assert pair.state(B).reason == "it was outdated"
    pair.work("open", A, B)
    pair.until(A, degraded=False)
    # Alone and attached anew, its data count only when somebody says so.
    pair.work("close", *NODES)
    pair.stale = (B,)
    pair.work("open", A)
    assert pair.state(A).local == "ok"
    assert pair.read(A) == "later"
    pair.work("open", *NODES)
    pair.until(A, degraded=False)
