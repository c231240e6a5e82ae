"""Domains on real Xen: on one machine, and moved from one to another while they run."""

from __future__ import annotations

import json
import os
import re
import shlex
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from machines.fleet import Fleet, Prepared
from machines.image import why_not
from machines.machine import Machine
from machines.sorts import XEN
from of_pytest import of_pytest

from ganeti_core.plugin_api import HypervisorError, codec
from ganeti_core.plugin_api.data import MigrationOffer, MigrationTarget, NodeRef

pytestmark = [pytest.mark.lab, pytest.mark.timeout(3600),
              pytest.mark.skipif(bool(why_not()), reason=why_not())]
HERE = Path(__file__).parent
PYTHON = "GANETI_PATIENCE=10 PYTHONPATH=/srv/kit /usr/lib/ganeti-core/bin/python"
VOLUME = "pvcreate -q /dev/vdb; vgcreate -q xenvg /dev/vdb; lvcreate -q -W n -L 64m -n domain xenvg"


PATIENCE = 900.0
OTHER = NodeRef("c0ffee00-0000-4000-8000-0000000000a2", "node2.example.com", "10.79.0.12")


@pytest.fixture(scope="module")
def pair(package: Path) -> Iterator[tuple[Machine, Machine]]:
    """Two machines with the package, no daemons, and what the tests run there."""
    fleet = Fleet(f"x{os.getpid()}", sort=XEN)
    try:
        one, other = fleet.up(2, Prepared(
            f"dpkg -i {package.name} > /dev/null; {VOLUME}", (package,)))
        for machine in (one, other):
            fleet.copy([*(HERE / name for name in (
                "asked_by_json.py", "domain_of_lab.py", "domain_node.py", "kit_on_xen.py")),
                *of_pytest()], machine, "/srv/kit")
        yield one, other
    finally:
        fleet.down()


def called(machine: Machine, hook: str, **arguments: Any) -> Any:
    """Call a hook of the driver there; return its result, encoded."""
    asked = json.dumps({
        "hook": hook, "node": f"{machine.name}.example.com",
        "address": f"10.79.0.{10 + machine.number}",
        "arguments": {name: codec.encode(value) for name, value in arguments.items()}})
    ran = machine.run(f"{PYTHON} /srv/kit/domain_node.py {shlex.quote(asked)}", PATIENCE)
    assert ran.status == 0, ran.output
    told = json.loads(ran.output.splitlines()[-1])
    if "error" in told:
        raise HypervisorError(told["error"])
    return told["result"]


def domains(machine: Machine) -> list[str]:
    return machine.run("xl list | tail -n +2 | cut -d ' ' -f 1").output.split()


def ticks(machine: Machine) -> int:
    """How many seconds the guest has counted: it would begin anew if it were not the same."""
    seen = called(machine, "typed", line="ticks", expected="GUEST TICKS")
    machine.run("sleep 3")
    seen = called(machine, "typed", line="ticks", expected="GUEST TICKS")
    return int(re.findall(r"GUEST TICKS (\d+)", seen)[-1])


def sent(one: Machine, other: Machine) -> None:
    """Send the domain, up to where the master decides who runs it."""
    offer = codec.decode(MigrationOffer, called(one, "migration_offer"))
    target = codec.decode(MigrationTarget, called(
        other, "migration_prepare", node=OTHER, offer=offer))
    called(one, "migrate_out", target=target, live=True)
    until = time.monotonic() + PATIENCE
    while (status := called(one, "migration_status"))["state"] == "active":
        assert time.monotonic() < until, status
    assert status["guest"] == "sent", status


def test_domains_live_and_end_as_they_are_told(pair: tuple[Machine, Machine]) -> None:
    ran = pair[0].run(f"cd /srv/kit; {PYTHON} -m pytest -v -p no:cacheprovider --durations=20"
                      " kit_on_xen.py", seconds=3000.0)
    print(ran.output[-6000:])
    assert ran.status == 0


def has_shadow_paging(machine: Machine) -> bool:
    return "shadow" in machine.run("xl info | grep virt_caps").output


def test_a_domain_is_not_sent_where_xen_cannot_do_that(pair: tuple[Machine, Machine]) -> None:
    one = pair[0]
    if has_shadow_paging(one):
        pytest.skip("this Xen can")
    called(one, "start", paused=False)
    with pytest.raises(HypervisorError, match="without shadow paging"):
        called(one, "migration_offer")
    assert domains(one) == ["Domain-0", "web.example.com"]
    called(one, "stop", force=True, timeout=0.0)


@pytest.fixture
def movable(pair: tuple[Machine, Machine]) -> tuple[Machine, Machine]:
    """Two machines between which domains can move while they run."""
    if not has_shadow_paging(pair[0]):
        pytest.skip("this Xen is built without shadow paging")
    return pair


def test_a_domain_moves_to_another_machine_while_it_runs(movable: tuple[Machine, Machine]) -> None:
    one, other = movable
    called(one, "start", paused=False)
    before = ticks(one)
    sent(one, other)
    called(other, "migration_finish", source=False, success=True)
    called(one, "migration_finish", source=True, success=True)
    assert (domains(one), domains(other)) == (["Domain-0"], ["Domain-0", "web.example.com"])
    assert ticks(other) > before
    called(other, "stop", force=False, timeout=300.0)
    assert domains(other) == ["Domain-0"]


def test_a_domain_that_the_master_does_not_let_go_runs_on(movable: tuple[Machine, Machine]) -> None:
    one, other = movable
    called(one, "start", paused=False)
    before = ticks(one)
    sent(one, other)
    called(other, "migration_finish", source=False, success=False)
    called(one, "migration_finish", source=True, success=False)
    assert (domains(one), domains(other)) == (["Domain-0", "web.example.com"], ["Domain-0"])
    assert ticks(one) > before
    called(one, "stop", force=True, timeout=0.0)
    assert domains(one) == ["Domain-0"]
