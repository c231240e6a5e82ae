"""``gnt-instance reinstall --select-os`` asks which operating system it is to be."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
from pathlib import Path

from jobs import fields, instance
from virtual_cluster import VirtualCluster

from ganeti_core.daemons.vcluster.layout import Layout

NAME = "chosen.example"


def asked(cluster: VirtualCluster, *answers: str) -> tuple[int, str]:
    """Run the command on a terminal; give its status, and what it showed."""
    master, terminal = pty.openpty()
    process = subprocess.Popen(
        [Path(sys.executable).parent / "gnt-instance", "reinstall", "-f", "--select-os", NAME],
        stdin=terminal, stdout=terminal, stderr=terminal, start_new_session=True,
        env=os.environ | Layout.load(cluster.root).node("node1").environment())
    os.close(terminal)
    seen = b""
    try:
        for answer in answers:
            before = len(seen)
            while b"(or x to abort):" not in seen[before:]:
                assert select.select([master], [], [], 120)[0], seen
                seen += os.read(master, 65536)
            if answer == "NOOP":
                (answer,) = (line.partition(":")[0].strip() for line in seen.decode().splitlines()
                             if line.endswith(": noop"))
            os.write(master, f"{answer}\n".encode())
        while select.select([master], [], [], 120)[0]:
            try:
                seen += os.read(master, 65536)
            except OSError:  # everybody else has closed it
                break
        return process.wait(120), seen.decode()
    finally:
        process.kill()
        process.wait()
        os.close(master)


def test_one_is_chosen_by_its_number(cluster: VirtualCluster) -> None:
    with instance(cluster, NAME):
        status, seen = asked(cluster, "99", "NOOP")
        assert status == 0, seen
        assert "Available OS templates:\r\n" in seen
        assert "Please answer with one of the numbers, or x." in seen
        assert fields(cluster, "instance", NAME, "os") == ["noop"]
        status, seen = asked(cluster, "x")
        assert status == 1
        assert seen.endswith("User aborted reinstall, exiting\r\n")
        without = cluster.try_("gnt-instance", "reinstall", "-f", "--select-os", NAME)
        assert (without.status, without.lines[0]) == (1, "Available OS templates:")
        assert "No terminal to ask on: not done; use -o instead." in without.stderr
        both = cluster.try_("gnt-instance", "reinstall", "-f", "--select-os", "-o", "noop", NAME)
        assert "-o and --select-os exclude each other" in both.stderr
