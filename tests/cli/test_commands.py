"""What Ganeti does not have, or was not recorded doing."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from ganeti_core.cli.instance.console import command_line
from ganeti_core.cli.tools import TOOLS
from ganeti_core.daemons import confd, masterd, mond, noded, rapi
from ganeti_core.daemons.watcher import command
from ganeti_core.paths import Paths

CONSOLE = {"kind": "ssh", "instance": "i1", "host": "node2", "user": "root", "port": None,
           "display": None, "message": None, "command": ["socat", "-", "UNIX:/a b"]}


def console_answer(console) -> list:
    return ["Query", ["instance", ["name", "console", "oper_state"], "*"],
            {"fields": [], "data": [[[0, "i1"], [0, console], [0, True]]]}]


def test_every_command_of_every_tool_exists_and_has_help(run) -> None:
    for program, tool in TOOLS.items():
        for name in tool.commands:
            ran = run([program, name, "--help"])
            assert ran.status == 0, (program, name)
            assert ran.out.startswith(f"Usage\n=====\n  {program} {name}"), (program, name)
        assert set(tool.aliases.values()) <= tool.commands.keys()


def test_an_unknown_command_shows_what_there_is(run) -> None:
    ran = run(["gnt-job", "nosuch"])
    assert ran.status == 1
    assert ran.out.startswith("Usage: gnt-job {command} [options...] [argument...]\n")
    assert " why             - Explain what a job waits for\n" in ran.out
    assert ran.err == "gnt-job: error: there is no command 'nosuch'\n"
    assert run(["gnt-job"]).status == 1
    assert run(["gnt-job", "--help"]).status == 0


def test_version_names_the_release_that_scripts_compare(run) -> None:
    assert run(["gnt-cluster", "--version"]).out.split()[-1] == "3.0.2"


def test_a_release_of_ganeti_is_no_version_to_upgrade_to(run) -> None:
    ran = run(["gnt-cluster", "upgrade", "--to", "3.0.2"])
    assert ran.status == 1
    assert "upgrades count versions of ganeti-core" in ran.err


def test_version_tells_both_counts(run) -> None:
    versions = {"software_version": "3.0.2", "protocol_version": 3000000, "os_api_version": 20,
                "config_version": 3000000, "export_version": 0,
                "vcs_version": "(ganeti) version 3.0.2"}
    of_before = run(["gnt-cluster", "version"], ["QueryClusterInfo", "*", versions])
    assert of_before.out.splitlines()[0] == "Software version: 3.0.2"
    ran = run(["gnt-cluster", "version"],
              ["QueryClusterInfo", "*", versions | {"core_version": "0.1.0"}])
    assert ran.out.startswith(of_before.out)
    assert ran.out.splitlines()[-1].startswith("ganeti-core: 0.1.0 (what gnt-cluster upgrade")


@pytest.mark.parametrize("program", [masterd, noded, confd, mond, rapi, command])
def test_daemons_tell_their_version(
    program: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        program.make_parser().parse_args(["--version"])
    assert caught.value.code == 0
    assert re.fullmatch(r"ganeti-\w+ \(ganeti-core [\d.]+\) 3\.0\.2\n", capsys.readouterr().out)


def test_options_after_arguments_are_pointed_out(run) -> None:
    ran = run(["gnt-instance", "remove", "i1", "-f"])
    assert ran.status == 1
    assert ran.err == ("Error: Command remove expects 1 argument(s)\n"
                       "Options must stand before the arguments: -f\n")


def test_locks_cannot_be_watched_without_a_pause(run) -> None:
    ran = run(["gnt-debug", "locks", "--interval", "-1"])
    assert ran.status == 1
    assert "Invalid interval: -1" in ran.err


@pytest.mark.parametrize(("given", "why"), [
    ("99999999999:size=1G", "'99999999999' is too large"),
    ("\u00b2:size=1G", "is not a number"),
    ("0:size=1G,spindles=\u00b2", "for spindles"),
])
def test_indexes_of_disks_are_small_numbers(run, given: str, why: str) -> None:
    ran = run(["gnt-instance", "add", "-t", "file", "--disk", given, "i1"])
    assert ran.status == 1
    assert why in ran.err


def test_the_console_runs_here_or_through_ssh() -> None:
    assert command_line(CONSOLE, here=True) == ["socat", "-", "UNIX:/a b"]
    assert command_line(CONSOLE, here=False) == [
        "ssh", "-q", "-t", "root@node2", "socat - 'UNIX:/a b'"]
    assert command_line(CONSOLE | {"port": 2222}, here=False)[3:6] == ["-p", "2222", "root@node2"]


def test_the_console_command_is_shown(run, tmp_path) -> None:
    (tmp_path / "var/lib/ganeti").mkdir(parents=True)
    (tmp_path / "var/lib/ganeti/node.json").write_text('{"name": "node2", "address": "::7"}')
    here = run(["gnt-instance", "console", "--show-cmd", "i1"], console_answer(CONSOLE))
    assert here.out == "socat - 'UNIX:/a b'\n"
    there = run(["gnt-instance", "console", "--show-cmd", "i1"],
                console_answer(CONSOLE | {"host": "node3"}))
    assert there.out == "ssh -q -t root@node3 'socat - '\"'\"'UNIX:/a b'\"'\"''\n"


def test_other_consoles_are_told(run) -> None:
    vnc = CONSOLE | {"kind": "vnc", "port": 5901, "display": 1}
    ran = run(["gnt-instance", "console", "i1"], console_answer(vnc))
    assert ran.out == ("Instance i1 has VNC listening on node2:5901 (display 1), URL"
                       " <vnc://node2:5901/>\n")
    spice = CONSOLE | {"kind": "spice", "host": "::1", "port": 5902}
    ran = run(["gnt-instance", "console", "--show-cmd", "i1"], console_answer(spice))
    assert ran.out == "Instance i1 has SPICE listening on ::1:5902, URL <spice://[::1]:5902/>\n"


@pytest.mark.parametrize(("console", "state", "why"), [
    ([0, CONSOLE], [0, False], "Instance i1 is not running, can't get console"),
    ([2, None], [0, False], "Instance i1 is not running, can't get console"),
    ([2, None], [0, True], "Console information for instance i1 is unavailable\n"),
    ([4, None], [4, None], "instance i1 is unavailable: its node does not answer"),
])
def test_what_has_no_console_is_refused_before_anything_runs(
    run, console: list, state: list, why: str
) -> None:
    answer = ["Query", "*", {"fields": [], "data": [[[0, "i1"], console, state]]}]
    for words in (["i1"], ["--show-cmd", "i1"]):
        ran = run(["gnt-instance", "console", *words], answer)
        assert ran.status == 1
        assert why in ran.err


def test_a_message_in_the_place_of_a_console_is_shown_of_a_stopped_instance_too(run) -> None:
    answer = console_answer({"kind": "msg", "instance": "i1", "message": "There is none"})
    answer[2]["data"][0][2] = [0, False]
    assert run(["gnt-instance", "console", "i1"], answer).out == "There is none\n"


@pytest.mark.parametrize(("offline", "alarms", "shown"), [
    (False, {}, []), (True, None, []), (False, {"load": "too high"}, ["    - load: too high"]),
    (False, None, ["    - not known: the node did not answer"])])
def test_a_node_that_does_not_answer_is_not_one_without_alarms(
    run, offline: bool, alarms: dict[str, str] | None, shown: list[str]
) -> None:
    node = {"name": "n1", "pip": "192.0.2.1", "sip": "192.0.2.1", "master_candidate": True,
            "drained": False, "offline": offline, "master_capable": True, "vm_capable": True,
            "pinst_list": [], "sinst_list": [], "ndparams": {}, "custom_ndparams": {},
            "powered": None}
    ran = run(["gnt-node", "info", "n1"],
              ["Query", ["node", list(node), "*"],
               {"fields": [], "data": [[[0, value] for value in node.values()]]}],
              ["Debts", "*", []], ["CollectorAlarms", [["n1"]], {"n1": alarms}])
    assert ran.status == 0, ran.err
    assert [line for line in ran.out.splitlines() if line.startswith("    - ")] == shown


PLUGINS = [
    {"kind": "hypervisors", "name": "kvm", "api": 0, "version": "1.10", "distribution": "core",
     "health": "ok", "problem": ""},
    {"kind": "disk_templates", "name": "zfs", "api": None, "version": "2", "distribution": "zz",
     "health": "rejected", "problem": "no create"},
]


def test_plugins_are_a_table(run) -> None:
    ran = run(["gnt-cluster", "plugins"], ["PluginStatus", [], PLUGINS])
    header, rule, zfs, kvm = ran.out.splitlines()
    assert header.split() == ["Kind", "Name", "API", "Version", "Distribution", "Health"]
    assert set(rule) == {"-", " "}
    assert zfs.split() == ["disk_templates", "zfs", "-", "2", "zz", "no", "create"]
    assert kvm.split() == ["hypervisors", "kvm", "0", "1.10", "core", "ok"]
    plain = run(["gnt-cluster", "plugins", "--no-headers", "--separator=|"],
                ["PluginStatus", [], PLUGINS])
    assert plain.out.splitlines()[1] == "hypervisors|kvm|0|1.10|core|ok"


def test_nodes_know_the_master_without_asking_it(tmp_path, run) -> None:
    from ganeti_core.cli.main import run_tool
    from ganeti_core.paths import Paths

    assert run_tool("gnt-cluster", ["getmaster"], Paths(tmp_path)) == 1
    (tmp_path / "var/lib/ganeti").mkdir(parents=True)
    (tmp_path / "var/lib/ganeti/ssconf_master_node").write_text("node7\n")
    assert run_tool("gnt-cluster", ["getmaster"], Paths(tmp_path)) == 0


def test_without_a_master_it_is_said_how_to_start_one(tmp_path, capsys) -> None:
    from ganeti_core.cli.main import run_tool
    from ganeti_core.paths import Paths

    assert run_tool("gnt-instance", ["list"], Paths(tmp_path)) == 1
    assert "ganeti-masterd" in capsys.readouterr().err


def test_init_refuses_all_that_is_not_available_at_once(run) -> None:
    ran = run(["gnt-cluster", "init", "--hypervisor-state", "kvm:mem_node=1", "--vg-name=xenvg",
               "--install-image=/i", "--zeroing-image=/x", "--primary-ip-version=6", "c"])
    assert ran.status == 1
    assert ("Not available in this version: --primary-ip-version=6\n"
            ) in ran.err


def test_why_prints_the_explanation(run) -> None:
    ran = run(["gnt-job", "why", "7"], ["ExplainJob", [7], ["waits for lock node/a",
                                                          "held by job 6"]])
    assert ran.out == "waits for lock node/a\nheld by job 6\n"


def start(program: str, *argv: str, root: str, **more) -> subprocess.Popen[bytes]:
    # Whoever runs the tests in the background ignores SIGINT, and so would what they start.
    code = (f"import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
            f"from ganeti_core.cli.main import {program}; sys.exit({program}())")
    return subprocess.Popen([sys.executable, "-c", code, *argv],
                            env=os.environ | {"GANETI_ROOT": root}, **more)


def test_a_reader_that_goes_away_ends_the_command_quietly(tmp_path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with start("instance", "--help", root=str(tmp_path), stdout=writer,
               stderr=subprocess.PIPE) as process:
        os.close(writer)
        _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (1, b"")


def test_an_interrupt_says_that_jobs_go_on(tmp_path) -> None:
    from fake_master import FakeMaster

    running = {"status": "running", "opstatus": ["running"], "opresult": [None],
               "log": [[1, [1, 1], "message", "started"]]}
    with FakeMaster(tmp_path, [["wait", 5, running]]), start(
            "job", "watch", "5", root=str(tmp_path), stdout=subprocess.PIPE,
            stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        while b"started" not in process.stdout.readline():
            pass
        process.send_signal(signal.SIGINT)
        try:
            _, err = process.communicate(timeout=30)
        finally:
            process.kill()
    assert process.returncode == 1
    assert err.startswith(b"Aborted. Note that if the operation created any jobs")


@pytest.mark.parametrize(("status", "code"), [("set", True), ("unset", False)])
def test_the_queue_can_be_closed_and_opened(run, status, code) -> None:
    action = "drain" if code else "undrain"
    assert run(["gnt-cluster", "queue", action], ["SetDrainFlag", [code], True]).status == 0
    shown = run(["gnt-cluster", "queue", "info"], ["QueryConfigValues", [["drain_flag"]], [code]])
    assert shown.out == f"The drain flag is {status}\n"


@pytest.mark.parametrize("argv", [
    ["gnt-instance", "remove", "nosuch"], ["gnt-instance", "migrate", "nosuch"],
    ["gnt-instance", "failover", "nosuch"]])
def test_nobody_is_asked_about_an_instance_that_does_not_exist(run, argv: list[str]) -> None:
    ran = run(argv, ["QueryInstances", [["nosuch"], ["name"], False], []])
    assert ran.status == 1
    assert ran.err.splitlines()[1:] == [
        "error type: unknown_entity, error details:", "Instance 'nosuch' does not exist"]


def _node(tmp_path, name: str) -> dict[str, str]:
    paths = Paths(tmp_path)
    paths.data.mkdir(parents=True)
    paths.ssconf.mkdir(parents=True, exist_ok=True)
    (paths.data / "node.json").write_text(f'{{"name": "{name}", "address": "192.0.2.7"}}')
    (paths.ssconf / "ssconf_master_node").write_text("node1.example.com\n")
    return os.environ | {"GANETI_ROOT": str(tmp_path)}


@pytest.mark.parametrize("argv", [
    ["gnt-instance", "list"], ["gnt-plugin", "enable", "hypervisor:kvm"]])
def test_another_node_tells_which_one_is_the_master(tmp_path, argv: list[str]) -> None:
    done = _program(argv, _node(tmp_path, "node2.example.com"))
    assert done.returncode == 1
    assert "This is not the master node, please connect to node 'node1.example.com'" in done.stderr


def test_the_master_itself_tells_that_its_daemon_is_down(tmp_path) -> None:
    done = _program(["gnt-instance", "list"], _node(tmp_path, "node1.example.com"))
    assert done.stderr.startswith("Cannot communicate with the master daemon.")


def test_a_host_without_cluster_is_not_called_damaged(tmp_path) -> None:
    done = _program(["gnt-cluster", "master-failover"],
                    os.environ | {"GANETI_ROOT": str(tmp_path)})
    assert done.returncode == 1
    assert done.stderr.startswith("Failure: this host belongs to no cluster")


@pytest.mark.parametrize("argv", [["gnt-job", "--help"], ["gnt-plugin", "info"]])
def test_output_that_cannot_be_written_is_one_line_of_error(argv: list[str]) -> None:
    with open("/dev/full", "w") as full:
        done = _program(argv, stdout=full)
    assert done.returncode == 1
    assert done.stderr == f"{argv[0]}: No space left on device\n"


def _program(argv: list[str], env=None, stdout=subprocess.PIPE) -> subprocess.CompletedProcess[str]:
    return subprocess.run([Path(sys.executable).with_name(argv[0]), *argv[1:]], env=env, text=True,
                          stdout=stdout, stderr=subprocess.PIPE, timeout=60, check=False)


def test_a_name_that_is_unknown_is_told_and_the_others_are_done(run) -> None:
    """Ganeti left it out without a word, and reported success."""
    known = ["QueryInstances", [["inst1", "inst9"], ["name"], False], [["inst1"]]]
    unknown = ["QueryInstances", [["inst9"], ["name"], False], []]
    for words, op_id in ((["startup"], "OP_INSTANCE_STARTUP"),
                         (["reinstall", "-f"], "OP_INSTANCE_REINSTALL")):
        ran = run(["gnt-instance", *words, "inst1", "inst9"], known, unknown,
                  ["job", op_id, {"status": "success", "opstatus": ["success"],
                                  "opresult": [None], "log": []}])
        assert ran.status == 1
        assert ran.err == "Instance 'inst9' does not exist\n"
        assert "for inst1 ..." in ran.out


@pytest.mark.parametrize("bounds", ["no_min", "-max"])
def test_bounds_without_amounts_are_refused(run, bounds: str) -> None:
    ran = run(["gnt-group", "modify", f"--ipolicy-bounds-specs={bounds}", "default"])
    assert (ran.status, ran.err[:16]) == (1, "Parameter Error:")
