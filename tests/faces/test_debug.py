"""``gnt-debug``: the job queue as a client sees it, and secrets that arrive and stay nowhere."""

from __future__ import annotations

import json

from virtual_cluster import VirtualCluster


def test_the_job_queue_passes_its_test(cluster: VirtualCluster) -> None:
    ran = cluster.gnt("gnt-debug", "test-jobqueue", timeout=170.0)
    titles = [line for line in ran.lines if line.startswith("Testing ")]
    assert titles == [
        "Testing job submission", "Testing job dependencies", "Testing job success",
        "Testing multiple successful opcodes", "Testing job failure",
        "Testing partial job failure"]
    assert ran.lines.count("Ignoring error for 'job fail' test: Opcode failure was requested") == 1
    assert "Ignoring error for 'job fail' test: partial failure (opcode 2): Opcode failure was" \
           " requested" in ran.lines
    assert ran.lines[-1] == "Job queue test successful"
    assert ran.stdout.count(" - INFO: Sending log message 7") == 7


def test_the_wait_for_locks_cannot_be_notified_of(cluster: VirtualCluster) -> None:
    refused = cluster.try_("gnt-debug", "submit-job", "/dev/stdin", stdin=json.dumps(
        [{"OP_ID": "OP_TEST_JQUEUE", "notify_waitlock": True}]))
    assert "The parameter 'notify_waitlock' is not available in this version" in (
        refused.stdout + refused.stderr)


def test_secrets_arrive_and_are_not_shown(cluster: VirtualCluster) -> None:
    ran = cluster.gnt("gnt-debug", "test-osparams", "--os-parameters-secret",
                      "root=hunter2,key=x")
    assert ran.stdout.endswith("Secret OS parameters: key, root\n")
    for file in cluster.paths().data.rglob("*"):
        if file.is_file():
            assert b"hunter2" not in file.read_bytes(), file
    none = cluster.try_("gnt-debug", "test-osparams")
    assert (none.status, none.stderr) == (
        1, "Failure: command execution error:\nOpcode needs secret parameters\n")


def test_what_there_is_of_the_configuration_daemon(cluster: VirtualCluster) -> None:
    assert cluster.gnt("gnt-debug", "wconfd", "echo", "hello").stdout == "Answer: hello\n"
    assert cluster.gnt("gnt-debug", "wconfd", "listalllocks").stdout.startswith("Answer: [")
    assert cluster.gnt("gnt-debug", "wconfd", "listalllocksowners").stdout.startswith("Answer: [")
    for words, why in (
            (["echo"], "Command 'echo' takes only precisely argument.\n"),
            (["listalllocks", "x"], "Command 'listalllocks' takes no arguments.\n"),
            (["flushconfig"], "Command 'flushconfig' has nothing to do here: what a job has"
                              " reported is on disk, and locks end with their jobs\n"),
            (["explode"], "Command 'explode' not supported (there are: echo, listalllocks,"
                          " listalllocksowners)\n")):
        ran = cluster.try_("gnt-debug", "wconfd", *words)
        assert (ran.status, ran.stderr) == (1, why)
