"""A cluster that is upgraded node by node, by packages: guests run and jobs go on meanwhile.

Version N is the package, N-1 the same code of a lower version, or the package that
``GANETI_OLD_DEB`` names, such as one of the release before.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hosts import Host, Hosts, why_not
from packages import as_version

pytestmark = [pytest.mark.lab, pytest.mark.timeout(2400),
              pytest.mark.skipif(bool(why_not()), reason=why_not())]
OLD, NEW = "0.0.9", "0.1.9"
INSTALL = "cd; apt-get install -y --no-install-recommends ./{0}/ganeti-core_*_amd64.deb > /root/apt"
WORK = """
# Jobs of all sorts, one after the other: on the master alone, and on each node.
cd; rm -f stop; n=0
while ! test -e stop; do
    n=$((n + 1))
    for node in host1 host2 host3; do
        gnt-debug delay --submit --no-master -n $node.example.com 0.2
    done
    gnt-instance modify --submit -B memory=$((60 + n % 5))M two.example.com
    sleep 0.5
done > work.log 2>&1
touch stopped
"""


@pytest.fixture(scope="module")
def hosts(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosts]:
    folder = Path("/dev/shm") / f"ganeti-up-{os.getpid()}"
    made = tmp_path_factory.mktemp("packages")
    given = os.environ.get("GANETI_OLD_DEB")
    try:
        old = Path(given) if given else as_version(package, OLD, made)
        new = as_version(package, NEW, made)
        with Hosts(folder, 3, bridge="gntup") as all_hosts:
            for host in all_hosts.all.values():
                for name, file in (("old", old), ("new", new)):
                    (host.folder / "root.up" / name).mkdir()
                    shutil.copy(file, host.folder / "root.up" / name)
            yield all_hosts
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(made, ignore_errors=True)


def did(host: Host, script: str) -> str:
    ran = host.run(script)
    assert ran.status == 0, f"on {host.name}:\n{script}\n{ran.output}"
    return ran.output


def all_is_well(host: Host) -> None:
    """Ask until it is: where the master's address was before is known for a minute (ARP)."""
    did(host, "until gnt-cluster verify > /root/verify 2>&1; do sleep 2; "
              "test $((n = ${n:-0} + 1)) -lt 60 || { cat /root/verify; exit 1; }; done")


def guests(hosts: Hosts) -> dict[str, int]:
    """The process of each guest."""
    found = {}
    for host in hosts.all.values():
        for pid in host.processes():
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            if b"-name" in words and b"qemu" in Path(f"/proc/{pid}/exe").resolve().name.encode():
                found[words[words.index(b"-name") + 1].decode().partition(",")[0]] = pid
    return found


def versions(host: Host) -> list[tuple[str, str]]:
    """What each node runs and has, as the master sees it."""
    ran = host.run("gnt-cluster upgrade --check --no-headers --separator='|'")
    return [tuple(line.split("|")[1:3]) for line in ran.output.splitlines()
            if line.count("|") == 4]


def test_guests_and_jobs_go_on_while_each_node_in_turn_gets_the_new_version(hosts: Hosts) -> None:
    one, two, three = hosts.all.values()
    for host in hosts.all.values():
        did(host, INSTALL.format("old") + "; ip link add br0 type bridge; ip link set br0 up")
    did(one, "ssh -o StrictHostKeyChecking=accept-new root@host2.example.com true\n"
             "ssh -o StrictHostKeyChecking=accept-new root@host3.example.com true\n"
             "gnt-cluster init --enabled-hypervisors=kvm --enabled-disk-templates=file "
             "--nic-parameters mode=bridged,link=br0 -H kvm:kernel_path= cluster.example.com\n"
             "gnt-node add host2.example.com; gnt-node add host3.example.com")
    add = ("gnt-instance add -t file -s 10M -o tiny -B memory=32M --no-nics --no-ip-check "
           "--no-name-check -n host{0}.example.com {1}.example.com")
    did(one, "\n".join(add.format(*pair) for pair in ((1, "one"), (2, "two"), (3, "three"))))
    running = guests(hosts)
    assert running.keys() == {f"{name}.example.com" for name in ("one", "two", "three")}
    for host in hosts.all.values():
        did(host, "for d in confd mond; do test -e /run/ganeti/ganeti-$d.pid || ganeti-$d; done")
    (one.folder / "root.up/work").write_text(WORK)
    did(one, "setsid --fork bash /root/work < /dev/null > /dev/null 2>&1")

    # The old master with a new node, and a guest that is made by both.
    did(three, INSTALL.format("new"))
    did(one, add.format(3, "mixed") + "; gnt-instance console --show-cmd mixed.example.com\n"
        "gnt-instance reboot three.example.com; gnt-instance list > /dev/null")
    running |= {name: pid for name, pid in guests(hosts).items()
                if name in ("mixed.example.com", "three.example.com")}
    all_is_well(one)
    did(two, INSTALL.format("new"))
    assert guests(hosts) == running

    # A new master with an old node.
    did(one, "touch /root/stop; until test -e /root/stopped; do sleep 0.2; done")
    did(two, "gnt-cluster master-failover")
    did(two, add.format(1, "late") + "; gnt-instance stop --timeout 1 late.example.com\n"
        "gnt-instance move -f -n host3.example.com late.example.com\n"
        "gnt-instance move -f -n host1.example.com late.example.com\n"
        "gnt-instance remove -f late.example.com")
    all_is_well(two)
    did(one, INSTALL.format("new"))

    assert versions(two) == [(NEW, NEW)] * 3
    did(two, "gnt-cluster upgrade --check")
    all_is_well(two)
    assert guests(hosts) == running
    statuses = did(two, "gnt-instance list --no-headers -o status").split()
    assert statuses == ["running"] * 4


def test_no_job_was_lost_and_those_that_met_a_restart_say_so(hosts: Hosts) -> None:
    """Each of them has ended, and only what a node daemon was to do in that moment may fail."""
    one, two, _ = hosts.all.values()
    submitted = re.findall(r"JobID: (\d+)", did(one, "cat /root/work.log"))
    assert len(submitted) > 20
    listed = {cells[0]: cells[1:] for line in did(
        two, "gnt-job list --no-headers --separator='|' -o id,status,summary,opresult"
    ).splitlines() if (cells := line.split("|", 3))}
    assert {listed[job][0] for job in submitted} <= {"success", "error"}
    wrong = [listed[job] for job in submitted if listed[job][0] == "error"]
    assert len(wrong) < len(submitted) / 4
    for _, summary, result in wrong:
        assert "TEST_DELAY" in summary
        assert re.search("cannot be asked|restart|not answer|lost", result), result


def test_daemons_that_were_not_restarted_are_by_command(hosts: Hosts) -> None:
    """Something kept a package from restarting them: the metadata alone are another version's."""
    two = hosts.all["host2"]
    for host in hosts.all.values():
        did(host, "cd /usr/lib/ganeti-core/lib/python3*/site-packages; "
                  f"mv ganeti_core-{NEW}.dist-info ganeti_core-0.1.10.dist-info; "
                  "sed -i 's/^Version: .*/Version: 0.1.10/' ganeti_core-0.1.10.dist-info/METADATA")
    assert versions(two) == [(NEW, "0.1.10")] * 3
    before = guests(hosts)
    said = did(two, "gnt-cluster upgrade --to 0.1.10")
    assert re.findall(r"Restarting .*", said) == [
        "Restarting the daemons of host1.example.com",
        "Restarting the daemons of host3.example.com",
        "Restarting the daemons of host2.example.com", "Restarting ganeti-masterd",
        "Restarting ganeti-rapi"], said
    assert versions(two) == [("0.1.10", "0.1.10")] * 3
    assert guests(hosts) == before
