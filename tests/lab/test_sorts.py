"""Machines of other sorts: under Xen, and with a processor for virtual machines of their own."""

from __future__ import annotations

import os

import pytest
from machines.fleet import Fleet
from machines.image import why_not
from machines.sorts import SVM, XEN, Sort

pytestmark = [pytest.mark.lab, pytest.mark.timeout(1800),
              pytest.mark.skipif(bool(why_not()), reason=why_not())]


@pytest.mark.parametrize(("sort", "script", "expected"), [
    (XEN, "xl list | tail -n +2 | cut -d ' ' -f 1; xenstore-read /local/domain/0/name;"
          " pgrep -x xenstored > /dev/null; pgrep -x xenconsoled > /dev/null; ls /srv/guest",
     ["Domain-0", "Domain-0", "initrd", "kernel"]),
    (SVM, "modprobe kvm-amd; ls /dev/kvm", ["/dev/kvm"]),
], ids=["xen", "svm"])
def test_a_machine_has_what_its_sort_is_for(
    sort: Sort, script: str, expected: list[str]
) -> None:
    fleet = Fleet(f"s{os.getpid()}", sort=sort)
    try:
        (machine,) = fleet.up(1)
        ran = machine.run(script)
        assert (ran.status, ran.output.split()) == (0, expected)
        assert Fleet.found(fleet.name).sort == sort, "by hand it is found with its sort"
    finally:
        fleet.down()
