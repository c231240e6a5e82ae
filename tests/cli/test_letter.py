"""Outputs that scripts read, to the letter, where no recording has them."""

from __future__ import annotations

import json

import pytest

from ganeti_core.cli.failure import describe
from ganeti_core.errors import GanetiError, JobQueueDrained
from ganeti_core.luxi.client import LuxiClient, NoMasterError

JOB = [["id", "number", "ID"], ["received_ts", "other", "Received"],
       ["opstatus", "other", "OpCode_status"], ["opstart", "other", "OpCode_start"],
       ["oppriority", "other", "OpCode_prio"]]


def jobs(*rows) -> list:
    fields = [{"name": name, "kind": kind, "title": title, "doc": ""}
              for name, kind, title in JOB]
    return ["Query", "*", {"fields": fields, "data": [[[0, one] for one in row] for row in rows]}]


def test_a_submitted_job_has_its_number_on_stdout_when_that_is_asked_for(run) -> None:
    argv = ["gnt-debug", "delay", "--submit", "--print-jobid", "5"]
    ran = run(argv, ["submit", "OP_TEST_DELAY", 17])
    assert (ran.status, ran.out, ran.err) == (0, "17\n", "JobID: 17\n")
    argv.remove("--print-jobid")
    ran = run(argv, ["submit", "OP_TEST_DELAY", 17])
    assert (ran.status, ran.out, ran.err) == (0, "", "JobID: 17\n")


def test_lists_of_a_job_are_in_python_s_form(run) -> None:
    ran = run(["gnt-job", "list", "--no-headers", "--separator=|", "-o",
               "id,received_ts,opstatus,opstart,oppriority"],
              jobs([5, [1795873045, 118558], ["success", "error"], [[1795873045, 7], None], [0, 0]],
                   [6, None, ["queued"], [None], [-20]]))
    assert ran.out == (
        "5|[1795873045, 118558]|['success', 'error']|['2026-11-28 13:37:25.000007', '?']|[0, 0]\n"
        "6|None|['queued']|['?']|[-20]\n")


def test_the_log_of_a_job_has_one_line_an_entry(run) -> None:
    names = ["id", "status", "ops", "opresult", "opstatus", "oplog", "opstart", "opexec", "opend",
             "received_ts", "start_ts", "end_ts"]
    at = [1795873045, 118558]
    row = [5, "success", [{"OP_ID": "OP_TEST_DELAY"}], [None], ["success"],
           [[[1, at, "message", "two\nlines"], [2, at, "jqueue-test", ["x"]]]],
           [at], [at], [at], at, at, at]
    ran = run(["gnt-job", "info", "5"], ["Query", "*", {
        "fields": [{"name": name} for name in names], "data": [[[0, one] for one in row]]}])
    assert "Content: [1, message, two\\nlines]\n" in ran.out
    assert "Content: [2, jqueue-test, ['x']]\n" in ran.out


def test_a_rejected_job_says_by_what(run) -> None:
    ended = {"status": "canceled", "opstatus": ["canceled"], "log": [],
             "opresult": ["Job rejected by filter rule 17 (upgrade)"]}
    ran = run(["gnt-debug", "delay", "5"], ["job", "OP_TEST_DELAY", ended])
    assert ran.err == "Job was canceled: Job rejected by filter rule 17 (upgrade)\n"
    ended["opresult"] = ["Job canceled by request"]
    assert run(["gnt-debug", "delay", "5"], ["job", "OP_TEST_DELAY", ended]).err == (
        "Job was canceled\n")


def test_a_rule_that_loses_its_predicates_is_warned_of(run) -> None:
    uuid = "11111111-1111-4111-8111-111111111111"
    answer = ["ReplaceFilter", "*", uuid]
    ran = run(["gnt-filter", "replace", "--action=REJECT", uuid], answer)
    assert ran.status == 0
    assert "applies to every job" in ran.err
    predicates = json.dumps([["jobid", [">", "id", "watermark"]]])
    assert run(["gnt-filter", "replace", "--action=REJECT", "--predicates", predicates, uuid],
               answer).err == ""


def test_an_unknown_disk_template_is_named_before_its_disks(run) -> None:
    ran = run(["gnt-instance", "add", "-t", "nosuch", "-o", "noop", "i1"],
              ["QueryClusterInfo", "*", {"disk_template_needs": {"file": {}, "plain": {}}}])
    assert ran.status == 1
    assert "Unknown disk template 'nosuch' (there are: file, plain)" in ran.err
    ran = run(["gnt-instance", "add", "-t", "file", "-o", "noop", "i1"],
              ["QueryClusterInfo", "*", {"disk_template_needs": {"file": {"no_disks": False}}}])
    assert "No disk information specified" in ran.err


def test_settings_of_an_os_definition_are_settings_of_the_cluster(run) -> None:
    info = {"enabled_hypervisors": ["kvm"], "hvparams": {"kvm": {"acpi": True, "vga": ""}}}
    ran = run(["gnt-os", "modify", "-H", "kvm:acpi=no,-vga", "--hidden=yes", "--blacklisted=no",
               "-O", "-colour,size=3", "--submit", "image+x"],
              ["QueryClusterInfo", "*", info], ["submit", "OP_CLUSTER_SET_PARAMS", 9])
    assert (ran.status, ran.err) == (0, "JobID: 9\n")
    assert {name: value for name, value in ran.opcode.items() if "os" in name.split("_")
            or name.startswith("os")} == {
        "os_hvp": {"image+x": {"kvm": {"acpi": False, "vga": "default"}}},
        "osparams": {"image+x": {"colour": None, "size": "3"}},
        "hidden_os": [["add", "image+x"]], "blacklisted_os": [["remove", "image+x"]]}


@pytest.mark.parametrize(("argv", "why"), [
    (["gnt-cluster", "modify", "--candidate-pool-size", "0"], "0 is too small: 1 or more"),
    (["gnt-cluster", "modify", "--max-running-jobs", "-3"], "-3 is too small: 1 or more"),
    (["gnt-instance", "shutdown", "--timeout", "-1", "i"], "-1 is too small: 0 or more"),
    (["gnt-cluster", "modify", "--max-running-jobs", "x"], "invalid integer value: 'x'"),
])
def test_numbers_out_of_range_are_wrong_use(run, argv, why: str) -> None:
    ran = run(argv)
    assert ran.status == 2
    assert f"error: option {argv[2]}: {why}" in ran.err


def test_an_empty_name_is_wrong_use(run) -> None:
    ran = run(["gnt-group", "add", ""])
    assert (ran.status, ran.err) == (1, "Error: Command add takes no empty arguments\n")


def test_the_usage_text_leads_to_all_commands_and_options(run) -> None:
    assert "or gnt-job --man for all\n" in run(["gnt-job", "--help"]).out
    ran = run(["gnt-job", "--man"])
    assert ran.status == 0
    assert "\n### why\n\ngnt-job why <job-id>\n" in ran.out
    assert "- -f, --force: " in ran.out


def test_a_drained_queue_is_told_as_ganeti_does() -> None:
    assert describe(GanetiError.from_wire(JobQueueDrained().to_wire())).startswith(
        "Failure: the job queue is marked for drain and doesn't accept new requests\n")


def test_a_master_that_is_not_there_is_told_in_a_sentence_among_other_words(tmp_path) -> None:
    with pytest.raises(NoMasterError) as told, LuxiClient(tmp_path / "none") as client:
        client.debts()
    assert told.value.message == f"no master daemon answers at {tmp_path / 'none'}"
    assert f"(socket {tmp_path / 'none'})" in describe(told.value)


def test_instances_without_room_are_named(run, tmp_path) -> None:
    file = tmp_path / "instances.json"
    file.write_text(json.dumps([{"instance_name": "huge"}]))
    ended = {"status": "success", "opstatus": ["success"], "log": [],
             "opresult": [{"jobs": [], "allocatable": [], "failed": ["huge"]}]}
    ran = run(["gnt-instance", "batch-create", str(file)],
              ["job", "OP_INSTANCE_MULTI_ALLOC", ended])
    assert (ran.status, ran.out) == (1, "There are no nodes with room for huge.\n"
                                        "There were 1 errors during the creation.\n")
