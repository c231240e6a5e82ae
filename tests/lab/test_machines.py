"""The lab's machines themselves: networks, cables, disks and power."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from machines.fleet import Fleet, Prepared
from machines.image import why_not
from machines.machine import Machine

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900),
              pytest.mark.skipif(bool(why_not()), reason=why_not())]
FLEET = Fleet(f"m{os.getpid()}")


@pytest.fixture(scope="module")
def pair() -> Iterator[tuple[Machine, Machine]]:
    try:
        one, other = FLEET.up(2, Prepared(
            "echo prepared > /root/note; cat fleet.py >> /root/note",
            (Path(__file__).parent / "machines/fleet.py",)))
        yield one, other
    finally:
        FLEET.down()


def test_machines_know_each_other_by_name(pair: tuple[Machine, Machine]) -> None:
    one, other = pair
    ran = one.run("hostname -f; ssh node2.example.com hostname -f; ping -qc1 10.80.0.12 >/dev/null")
    assert ran.output.splitlines() == ["node1.example.com", "node2.example.com"], ran
    assert other.run("ssh node1 hostname").output == "node1.example.com\n"


def test_all_have_what_was_prepared(pair: tuple[Machine, Machine]) -> None:
    for machine in pair:
        assert machine.run("head -1 /root/note; grep -c Fleet /root/note").output.startswith(
            "prepared\n")


def test_a_script_ends_at_its_first_failure_and_its_daemons_run_on(
    pair: tuple[Machine, Machine]
) -> None:
    one, _ = pair
    ran = one.run("echo before; false; echo after")
    assert (ran.status, ran.output) == (1, "before\n")
    assert one.run("sleep 600 & echo $! > /tmp/pid").status == 0
    assert one.run("kill $(cat /tmp/pid)").status == 0


def test_files_are_copied_with_folders_and_modes(
    pair: tuple[Machine, Machine], tmp_path: Path
) -> None:
    (tmp_path / "tree/within").mkdir(parents=True)
    (tmp_path / "tree/within/program").write_text("#!/bin/sh\necho it runs\n")
    (tmp_path / "tree/within/program").chmod(0o755)
    FLEET.copy([tmp_path / "tree"], pair[1], "/srv/new")
    assert pair[1].run("/srv/new/tree/within/program").output == "it runs\n"


def test_a_cable_is_pulled_and_plugged_in_again(pair: tuple[Machine, Machine]) -> None:
    one, other = pair
    reach = "ping -qc1 -W1 10.80.0.12 > /dev/null"
    other.plug(1, connected=False)
    assert one.run(reach).status == 1
    assert one.run("ping -qc1 node2 > /dev/null").status == 0, "the other cable is plugged in"
    other.plug(1, connected=True)
    assert one.run(f"for try in $(seq 30); do {reach} && exit; done; exit 1").status == 0


def test_power_fails_and_comes_back(pair: tuple[Machine, Machine]) -> None:
    _, other = pair
    made = other.run("echo flushed > /root/flushed; sync; pvcreate -q /dev/vdb;"
                     " vgcreate -q vg /dev/vdb; lvcreate -q -L 16m -n kept vg;"
                     " dd if=/root/flushed of=/dev/vg/kept conv=fsync status=none")
    assert made.status == 0, made.output
    other.cut_power()
    assert other.pid() is None
    other.start_again()
    found = other.run("hostname; cat /root/flushed; head -c 8 /dev/vg/kept")
    assert found.output == "node2.example.com\nflushed\nflushed\n"
    assert "LAB READY" in other.console()
