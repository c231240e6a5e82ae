"""Power of nodes: ``gnt-node power`` and ``health``, ``gnt-cluster epo``, with a program that keeps
the states in files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from virtual_cluster import VirtualCluster

HELPER = """#!/bin/sh
cd {folder} || exit 1
echo "$1 $2" >>calls
case $1 in
power-on) rm -f "$2.off" ;;
power-off) touch "$2.off" ;;
power-cycle) [ ! -e broken ] || {{ echo out of order >&2; exit 7; }} ;;
power-status) if [ -e "$2.off" ]; then echo '{{"powered": false}}'; else echo '{{"powered": true}}'; fi ;;
health) [ ! -e odd ] || {{ echo '[["fan", "LOUD"]]'; exit 0; }}
        echo '[["fan", "OK"], ["disk 1", "WARNING"]]' ;;
esac
"""  # noqa: E501  # a line of shell
PREREQ = "Failure: prerequisites not met for this operation:\nerror type: {}, error details:\n{}\n"


@pytest.fixture
def helper(cluster: VirtualCluster, tmp_path: Path) -> Iterator[Path]:
    """A program that switches the nodes node2 and node3; what it was called with is in `calls`."""
    program = tmp_path / "power"
    program.write_text(HELPER.format(folder=tmp_path))
    program.chmod(0o755)
    for node in ("node2", "node3"):
        cluster.gnt("gnt-node", "modify", "--node-parameters", f"oob_program={program}", node)
    yield tmp_path
    for node in ("node2", "node3"):
        cluster.gnt("gnt-node", "modify", "--node-powered=yes", "--offline=no", node)
        cluster.gnt("gnt-node", "modify", "--node-parameters", "oob_program=default", node)


def calls(helper: Path) -> list[str]:
    log = helper / "calls"
    found = log.read_text().splitlines() if log.exists() else []
    log.unlink(missing_ok=True)
    return found


def test_nodes_without_a_program(cluster: VirtualCluster) -> None:
    for words in (("power", "status"), ("health",)):
        ran = cluster.try_("gnt-node", *words)
        assert ran.status == 1
        assert ran.lines == ["Node              Status   ",
                             *(f"node{at}.example.com (unavail)" for at in (1, 2, 3, 4))]
    refused = cluster.try_("gnt-node", "modify", "--node-powered=no", "node2")
    assert refused.stderr == PREREQ.format(
        "wrong_state", "Unable to change powered state for node node2.example.com as it does not"
                       " support out-of-band handling")


def test_power_and_health_of_a_node(cluster: VirtualCluster, helper: Path) -> None:
    ran = cluster.try_("gnt-node", "power", "off", "node2")
    assert (ran.status, calls(helper)) == (1, []), "it asks before"
    off = cluster.gnt("gnt-node", "power", "-f", "--auto-promote", "off", "node2")
    assert off.lines[-2:] == ["Node              Status ", "node2.example.com invoked"]
    assert calls(helper) == ["power-off node2.example.com"]
    assert cluster.table("gnt-node", "list", "-o", "offline,powered", "node2") == [["Y", "N"]]
    early = cluster.try_("gnt-node", "modify", "--offline=no", "node2")
    assert early.stderr == PREREQ.format(
        "wrong_state", "Node node2.example.com needs to be turned on before its offline status can"
                       " be reset")
    status = cluster.try_("gnt-node", "power", "--separator=|", "status", "node3", "node2")
    assert (status.status, status.lines) == (0, [
        "Node|Status", "node2.example.com|unpowered", "node3.example.com|powered"])
    on = cluster.gnt("gnt-node", "power", "--no-headers", "--power-delay=0", "on", "node2")
    assert on.lines == ["node2.example.com invoked"]
    cluster.gnt("gnt-node", "modify", "--offline=no", "node2")
    calls(helper)
    health = cluster.gnt("gnt-node", "health", "node2")
    assert health.lines[0].endswith(
        " - WARNING: Item 'disk 1' on node 'node2.example.com' has status 'WARNING'")
    assert health.lines[1:] == ["Node              Status        ",
                                "node2.example.com fan=OK", "                  disk 1=WARNING"]


def test_what_a_program_says_wrong(cluster: VirtualCluster, helper: Path) -> None:
    (helper / "odd").touch()
    health = cluster.try_("gnt-node", "health", "--no-headers", "node3")
    assert health.status == 1
    assert "Payload returned by node 'node3.example.com' is not valid: pairs of an item and" in (
        health.stdout)
    assert health.lines[-1] == "node3.example.com (nodata)"
    (helper / "broken").touch()
    cycle = cluster.try_("gnt-node", "power", "-f", "--no-headers", "cycle", "node3")
    assert cycle.status == 1
    assert "Out-of-band RPC failed on node 'node3.example.com': " in cycle.stdout
    assert "out of order" in cycle.stdout
    assert cycle.lines[-1] == "node3.example.com (nodata)"


def test_what_is_refused(cluster: VirtualCluster, helper: Path) -> None:
    for words, why in ((["off"], "Please provide at least one node for this command\n"),
                       (["explode", "node2"], "power subcommand explode not supported.\n")):
        ran = cluster.try_("gnt-node", "power", *words)
        assert (ran.status, ran.stderr) == (1, why)
    master = cluster.try_("gnt-node", "power", "-f", "cycle", "node1")
    assert master.stderr == PREREQ.format(
        "wrong_input", "Operating on the master node node1.example.com is not allowed for"
                       " power-cycle; it does not support out-of-band operations")
    online = cluster.try_("gnt-debug", "submit-job", "/dev/stdin", stdin=(
        '[{"OP_ID": "OP_OOB_COMMAND", "command": "power-off", "node_names": ["node3"]}]'))
    assert "Cannot power off node node3.example.com because it is not marked offline" in (
        online.stdout + online.stderr)
    assert calls(helper) == []


def test_an_emergency_power_off_knows_whom_it_is_about(cluster: VirtualCluster) -> None:
    for words, said in ((("nosuch",), "Node name nosuch not found"),
                        (("--groups", "nosuch"), "Group name nosuch not found")):
        ran = cluster.try_("gnt-cluster", "epo", "--on", "-f", *words)
        assert (ran.status, ran.stdout) == (1, "")
        assert said in ran.stderr
    cluster.gnt("gnt-group", "add", "empty")
    try:
        ran = cluster.try_("gnt-cluster", "epo", "--on", "-f", "--groups", "empty")
        assert (ran.status, ran.stdout, ran.stderr) == (1, "", "There are no nodes in empty\n")
    finally:
        cluster.gnt("gnt-group", "remove", "empty")


def test_names_that_do_not_exist_are_refused(cluster: VirtualCluster) -> None:
    for *words, said in (("gnt-node", "list-debts", "Node name nosuch not found"),
                         ("gnt-group", "show-ispecs-cmd", "Group name nosuch not found")):
        ran = cluster.try_(*words, "nosuch")
        assert (ran.status, ran.stdout) == (1, "")
        assert said in ran.stderr


def test_an_emergency_power_off_and_back(cluster: VirtualCluster, helper: Path) -> None:
    both = cluster.try_("gnt-cluster", "epo", "--groups", "--all")
    assert (both.status, both.stderr) == (1, "Only one of --groups or --all are allowed\n")
    master = cluster.try_("gnt-cluster", "epo", "-f")
    assert master.status == 1
    assert master.stderr.startswith("node1.example.com is the master node, please do a")
    for name, words in (("up.example.com", ()), ("down.example.com", ("--no-start",))):
        cluster.gnt("gnt-instance", "add", "-t", "diskless", "-n", "node2", *words, "--no-install",
                    "--no-name-check", "--no-ip-check", "--no-nics", name)
    try:
        off = cluster.gnt("gnt-cluster", "epo", "-f", "--power-delay=0", "node2", "node3",
                          "node4")
        assert off.lines[0] == ("Node node4.example.com does not support out-of-band handling, it"
                                " can not be handled in a fully automated manner")
        assert [line for line in off.lines if "Submit" in line and "job" not in line] == [
            "Submit shutdown of instance up.example.com"]
        assert "All instances have been stopped successfully" in off.lines
        assert calls(helper) == ["power-off node2.example.com", "power-off node3.example.com"]
        assert cluster.instances("name", "admin_state", "oper_state") == [
            ["down.example.com", "down", "N"], ["up.example.com", "up", "N"]]
        on = cluster.gnt("gnt-cluster", "epo", "--on", "-f", "--power-delay=0", "node2", "node3")
        assert calls(helper) == ["power-on node2.example.com", "power-on node3.example.com"]
        assert "Waiting until all nodes are available again" in on.lines
        assert on.lines[-1] == "All instances have been started successfully"
        assert cluster.instances("name", "oper_state") == [
            ["down.example.com", "N"], ["up.example.com", "Y"]]
        again = cluster.gnt("gnt-cluster", "epo", "--on", "-f", "--groups", "default")
        assert "Node node2.example.com is already in desired power state, skipping" in again.lines
    finally:
        for name in ("up.example.com", "down.example.com"):
            cluster.gnt("gnt-instance", "remove", "-f", name)
