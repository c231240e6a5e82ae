"""Containers on a machine whose cgroups are of version 2 alone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from machines.fleet import Fleet, Prepared
from machines.image import why_not
from machines.sorts import CONTAINERS
from of_pytest import of_pytest

pytestmark = [pytest.mark.lab, pytest.mark.timeout(3600),
              pytest.mark.skipif(bool(why_not()), reason=why_not())]
KIT = Path(__file__).with_name("kit_on_containers.py")


def test_containers_keep_their_limits_under_cgroups_of_version_2(package: Path) -> None:
    fleet = Fleet(f"c{os.getpid()}", sort=CONTAINERS)
    try:
        (machine,) = fleet.up(1, Prepared(
            f"dpkg -i {package.name} > /dev/null; mount -t securityfs none /sys/kernel/security; "
            "apparmor_parser --replace /etc/apparmor.d/lxc-containers", (package,)))
        fleet.copy([KIT, *of_pytest()], machine, "/srv/kit")
        ran = machine.run("cd /srv/kit; PYTHONPATH=. /usr/lib/ganeti-core/bin/python -m pytest -v"
                          f" -p no:cacheprovider --durations=10 {KIT.name}", seconds=1800.0)
        print(ran.output[-6000:])
        assert ran.status == 0
    finally:
        fleet.down()
