"""Hosts whose first process is systemd: units, users, watchdogs, and power that fails."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cluster_of_machines import PATIENCE, MachineCluster
from machines.image import why_not
from machines.machine import Machine
from machines.sorts import SYSTEMD

pytestmark = [pytest.mark.lab, pytest.mark.timeout(3600),
              pytest.mark.skipif(bool(why_not()), reason=why_not())]
NAME = "web.example.com"
ON_A_NODE = ("ganeti-noded", "ganeti-confd", "ganeti-mond")
ON_THE_MASTER = (*ON_A_NODE, "ganeti-masterd", "ganeti-rapi")
USERS = {"ganeti-noded": "root", "ganeti-masterd": "root", "ganeti-rapi": "gnt-rapi",
         "ganeti-confd": "gnt-confd", "ganeti-mond": "gnt-mond"}
BACK_SECONDS = 900.0
"""Two boots, and the watcher, whose timer lets them settle for two minutes."""
PREPARE = """
systemctl -q disable --now ganeti-watcher.timer
# An emulated processor may take minutes to import what another one does in a second.
mkdir -p /etc/systemd/system/ganeti-.service.d
printf '[Service]\\nTimeoutStartSec=900\\n' > /etc/systemd/system/ganeti-.service.d/lab.conf
systemctl daemon-reload
for program in ganeti-noded ganeti-masterd ganeti-mond ganeti-confd ganeti-rapi gnt-cluster; do
    $program --help > /dev/null
done
"""
"""What was read once is in the memory that is saved."""
CAPABILITIES = {"CAP_CHOWN": 0, "CAP_DAC_OVERRIDE": 1, "CAP_FOWNER": 3}


@pytest.fixture(scope="module")
def cluster(package: Path) -> Iterator[MachineCluster]:
    """Two machines: the second one has a guest that was started."""
    with MachineCluster.lent("s", 2, package, PREPARE, "-H", "kvm:kernel_path=",
                             templates="file", hypervisor="kvm", sort=SYSTEMD) as made:
        if not made.gnt("gnt-instance", "list", "--no-headers"):
            for machine in made.machines:
                machine.run("systemctl -q enable --now ganeti-watcher.timer")
            made.gnt("gnt-instance", "add", "-t", "file", "-s", "10M", "-o", "tiny", "-n",
                     "node2.example.com", "-B", "memory=16M", "--no-nics", "--no-ip-check",
                     "--no-name-check", NAME)
        yield made


def said(machine: Machine, script: str) -> str:
    ran = machine.run(script, seconds=PATIENCE)
    assert ran.status == 0, f"{script}\n{ran.output}"
    return ran.output


def shown(machine: Machine, unit: str, *names: str) -> dict[str, str]:
    lines = said(machine, f"systemctl show {unit} -p {','.join(names)}").splitlines()
    return dict(line.split("=", 1) for line in lines)


def main_pid(machine: Machine, unit: str) -> int:
    return int(shown(machine, unit, "MainPID")["MainPID"])


def guest(machine: Machine) -> tuple[int, str]:
    """The process of the guest, and its control group."""
    # Not the shell that looks: a pattern that does not match itself.
    pid = said(machine, f"pgrep -f -- '[-]name {NAME}'").split()[0]
    return int(pid), said(machine, f"cat /proc/{pid}/cgroup").strip()


def test_all_units_serve_and_have_ganetis_names(cluster: MachineCluster) -> None:
    for machine, daemons in ((cluster.on(1), ON_THE_MASTER), (cluster.on(2), ON_A_NODE)):
        for daemon in daemons:
            cluster.wait(machine.number, f"systemctl is-active {daemon}", f"{daemon} serves")
            found = shown(machine, daemon, "Type", "NRestarts", "WatchdogUSec")
            assert (found["Type"], found["WatchdogUSec"]) == ("notify", "2min"), daemon
        assert said(machine, "systemctl --failed --no-legend") == ""
    for alias in ("ganeti-luxid", "ganeti-wconfd"):
        assert shown(cluster.on(1), alias, "Id") == {"Id": "ganeti-masterd.service"}
    assert shown(cluster.on(2), "ganeti-masterd", "ActiveState")["ActiveState"] != "active"


def test_each_daemon_is_its_user_and_can_do_no_more_than_it_needs(
    cluster: MachineCluster,
) -> None:
    machine = cluster.on(1)
    for daemon in ON_THE_MASTER:
        status = said(machine, f"cat /proc/{main_pid(machine, daemon)}/status")
        found = dict(re.findall(r"(?m)^(\w+):\t(.*)$", status))
        user = said(machine, f"id -un {found['Uid'].split()[0]}").strip()
        assert user == USERS[daemon]
        rights = int(found["CapEff"], 16)
        if daemon == "ganeti-masterd":
            assert rights == sum(1 << number for number in CAPABILITIES.values())
        elif daemon != "ganeti-noded":
            assert rights == 0, daemon
        if daemon != "ganeti-noded":
            assert found["NoNewPrivs"] == "1", daemon
            assert shown(machine, daemon, "ProtectSystem")["ProtectSystem"] == "strict"


def test_the_remote_api_lets_users_in(cluster: MachineCluster) -> None:
    """Its authenticators run, in folders that are theirs, though the system is read-only. It may
    ask the master, also when another daemon was started after that."""
    said(cluster.on(1), "systemctl restart ganeti-noded ganeti-mond")
    said(cluster.on(1), "echo secret | gnt-rapi-user set someone write")
    cluster.wait(1, "python3 -c \"import base64, ssl, urllib.request as u; "
                    "c = ssl._create_unverified_context(); "
                    "r = u.Request('https://127.0.0.1:5080/2/query/node?fields=name', "
                    "headers={'Authorization': 'Basic ' + base64.b64encode(b'someone:secret')"
                    ".decode()}); u.urlopen(r, context=c)\"", "the user is let in")


def test_confd_answers_from_its_copy_as_a_user_of_its_own(cluster: MachineCluster) -> None:
    for number in (1, 2):
        master = json.loads(said(cluster.on(number), "gnt-confd master"))
        assert master["name"] == "node1.example.com"
    cluster.gnt("gnt-cluster", "add-tags", "seen")
    cluster.wait(2, "gnt-confd config /cluster/tags | grep -q seen", "a change is answered")
    cluster.gnt("gnt-cluster", "remove-tags", "seen")


def test_a_guest_has_a_scope_and_outlives_a_restart_of_every_daemon(
    cluster: MachineCluster,
) -> None:
    machine = cluster.on(2)
    before = guest(machine)
    assert re.fullmatch(r"0::/ganeti\.slice/ganeti-guests\.slice/ganeti-web\.example\.com-"
                        r"[0-9a-f]{8}\.scope", before[1])
    for number, daemons in ((1, ON_THE_MASTER), (2, ON_A_NODE)):
        for daemon in daemons:
            pid = main_pid(cluster.on(number), daemon)
            said(cluster.on(number), f"systemctl restart {daemon}")
            assert main_pid(cluster.on(number), daemon) not in (0, pid)
    assert guest(machine) == before
    said(machine, "systemctl stop ganeti-noded; systemctl start ganeti-noded")
    assert guest(machine) == before
    listed = cluster.gnt("gnt-instance", "list", "--no-headers", "-o", "status")
    assert listed.strip() == "running"


@pytest.mark.parametrize("daemon", ON_THE_MASTER)
def test_a_daemon_that_hangs_is_killed_and_started_again(
    cluster: MachineCluster, daemon: str
) -> None:
    machine = cluster.on(1)
    folder = f"/run/systemd/system/{daemon}.service.d"
    said(machine, f"mkdir -p {folder}; printf '[Service]\\nWatchdogSec=20\\n' > {folder}/w.conf; "
                  f"systemctl daemon-reload; systemctl restart {daemon}")
    try:
        pid = main_pid(machine, daemon)
        said(machine, f"kill -STOP {pid}")
        cluster.wait(1, f"p=$(systemctl show {daemon} -p MainPID --value); "
                        f"[ $p != 0 ] && [ $p != {pid} ] && systemctl is-active {daemon}",
                     "another one serves")
        assert f"{daemon}.service: Watchdog timeout" in said(
            machine, f"journalctl -q --no-pager -u {daemon} -n 60")
    finally:
        said(machine, f"rm -r {folder}; systemctl daemon-reload; systemctl restart {daemon}")


def test_after_a_power_cut_of_the_whole_cluster_everything_is_back(
    cluster: MachineCluster,
) -> None:
    """With its guest: the watcher starts it. The units start in their order on each machine."""
    for machine in cluster.machines:
        said(machine, "sync")
    for machine in cluster.machines:
        machine.cut_power()
    with ThreadPoolExecutor() as pool:
        list(pool.map(Machine.start_again, cluster.machines))
    until = time.monotonic() + BACK_SECONDS
    # The whole answer: a master that is not there yet makes one with this word, too.
    while (listed := cluster.run(
            "gnt-instance", "list", "--no-headers", "-o", "status").output).strip() != "running":
        assert time.monotonic() < until, (listed, cluster.on(1).console()[-2000:])
        time.sleep(2.0)
    guest(cluster.on(2))
    began = {}
    for daemon in ON_THE_MASTER:
        cluster.wait(1, f"systemctl is-active {daemon}", f"{daemon} serves")
        name = "ExecMainStartTimestampMonotonic"
        began[daemon] = int(shown(cluster.on(1), daemon, name)[name])
    noded = "ActiveEnterTimestampMonotonic"
    assert began["ganeti-noded"] < began["ganeti-masterd"] < began["ganeti-rapi"]
    assert int(shown(cluster.on(1), "ganeti-noded", noded)[noded]) <= began["ganeti-confd"]
    assert "ERROR" not in cluster.gnt("gnt-cluster", "verify")
