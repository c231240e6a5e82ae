"""The guide to an installation, followed to the letter on hosts that have nothing yet."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hosts import Hosts, why_not
from packages import as_version

TOP = Path(__file__).resolve().parents[2]
GUIDE = TOP / "docs/install.md"
EACH = "each host"

pytestmark = [pytest.mark.lab, pytest.mark.timeout(1500),
              pytest.mark.skipif(bool(why_not()), reason=why_not())]


def blocks() -> list[tuple[str, str]]:
    """Where, and what is typed there, in the order of the guide."""
    found = re.findall(r"^```sh\n# on ([^\n]+)\n(.*?)^```$", GUIDE.read_text(),
                       re.DOTALL | re.MULTILINE)
    assert len(found) == GUIDE.read_text().count("```sh"), "a block does not say where"
    return found


@pytest.fixture(scope="module")
def hosts(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosts]:
    # In memory: an overlay cannot lie on an overlay, which a container's disk may be.
    folder = Path("/dev/shm") / f"ganeti-lab-{os.getpid()}"
    newer = as_version(package, "99.0.0", tmp_path_factory.mktemp("newer"))
    try:
        with Hosts(folder, 3) as made:
            for host in made.all.values():
                shutil.copy(package, host.folder / "root.up")
                (host.folder / "root.up/new").mkdir()
                shutil.copy(newer, host.folder / "root.up/new")
            yield made
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(newer.parent, ignore_errors=True)


def test_the_guide_leads_to_a_cluster_with_a_running_guest(hosts: Hosts) -> None:
    said: dict[str, str] = {}
    for where, script in blocks():
        for host in hosts.all.values() if where == EACH else [hosts.all[where]]:
            ran = host.run(f"cd\n{script}")
            assert ran.status == 0, f"on {host.name}:\n{script}\n{ran.output}"
            said[script] = ran.output
    listings = [text for script, text in said.items() if "gnt-instance list" in script]
    assert [re.findall(r"(host\d)\.example\.com +(\w+)", text)[-1] for text in listings] == [
        ("host2", "running"), *[("host3", "running")] * 3]
    assert "All nodes run 99.0.0." in next(
        text for script, text in said.items() if "upgrade --check" in script)
    assert "ERROR" not in next(text for script, text in said.items() if "verify" in script)
    left = hosts.all["host3"].run("test -e /var/lib/ganeti/cluster.db; ! which gnt-node")
    assert left.status == 0


def test_a_guest_outlives_the_package_and_its_daemons(hosts: Hosts) -> None:
    """After the guide host3 has the guest, and no programs of ours any more."""
    host = hosts.all["host3"]
    names = {Path(f"/proc/{pid}/comm").read_text().strip() for pid in host.processes()}
    assert {name for name in names if "qemu" in name or name == "kvm"}
    again = host.run("cd; apt-get install -y --no-install-recommends ./ganeti-core_*_amd64.deb; "
                     "test -e /run/ganeti/ganeti-noded.pid || ganeti-noded")
    assert again.status == 0, again.output
    shown = hosts.all["host2"].run("gnt-instance list --no-headers -o status web.example.com")
    assert shown.output.strip() == "running"


def test_daemons_that_strangers_reach_are_not_root(hosts: Hosts) -> None:
    """On the master: each is a user of its own, and serves."""
    asked = hosts.all["host2"].run(
        "for daemon in mond confd rapi; do\n"
        "    test -s /run/ganeti/ganeti-$daemon.pid || ganeti-$daemon\n"
        "    stat -c %U /proc/$(cat /run/ganeti/ganeti-$daemon.pid)\n"
        "done\n"
        "gnt-confd master | grep '\"name\"'\n"
        "python3 -c 'import ssl; from urllib.request import urlopen\n"
        'print(urlopen("http://host2.example.com:1815/1/list/collectors").read().decode())\n'
        'print(urlopen("https://host2.example.com:5080/2/info", context='
        "ssl._create_unverified_context()).status)'")
    assert asked.status == 0, asked.output
    *users, master, collectors, status = asked.output.splitlines()
    assert users == ["gnt-mond", "gnt-confd", "gnt-rapi"]
    assert (master.split('"')[3], status) == ("host2.example.com", "200")
    assert '["diskstats", "storage", 0]' in collectors
