"""``gnt-debug``: the job queue as a client sees it, and secrets that arrive and stay nowhere."""

from __future__ import annotations

from virtual_cluster import VirtualCluster, wait_until


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


def test_a_dummy_submits_jobs(cluster: VirtualCluster) -> None:
    inner = {"OP_ID": "OP_TEST_DUMMY", "result": 7}

    def ended(**op: object) -> tuple[str, list[object]]:
        with cluster.luxi() as client:
            job = client.submit_job([{"OP_ID": "OP_TEST_DUMMY", **op}])
            return wait_until(lambda: (lambda row: row if row[0] in ("success", "error") else None)(
                client.query_jobs([job], ["status", "opresult"])[0]), "the job ends")

    status, [result] = ended(result="x", submit_jobs=[[inner, inner], [inner]])
    assert status == "success"
    assert result["result"] == "x"
    ids = [job for fine, job in result["jobs"] if fine]
    with cluster.luxi() as client:
        rows = wait_until(lambda: (lambda rows: rows if all(
            row[0] == "success" for row in rows) else None)(
                client.query_jobs(ids, ["status", "opresult"])), "its jobs end")
    assert [row[1] for row in rows] == [[7, 7], [7]]
    for wrong, said in (("x", "must be a list of jobs"), ([inner], "must be a list of jobs"),
                        ([[]], "must be a list of jobs"), ([[{"OP_ID": "OP_X"}]], "OP_X")):
        status, [result] = ended(submit_jobs=wrong)
        assert (status, said in str(result)) == ("error", True), result


def test_nobody_confirms_the_wait_for_locks(cluster: VirtualCluster) -> None:
    with cluster.luxi() as client:
        job = client.submit_job([{"OP_ID": "OP_TEST_JQUEUE", "notify_waitlock": True}])
        (entry,) = wait_until(lambda: client.query_jobs([job], ["oplog"])[0][0][0], "a notice")
        assert (entry[2], entry[3][1:]) == ("jqueue-test", ["expandnames", None])
        assert client.query_jobs([job], ["status"]) == [["waiting"]]
        client.cancel_job(job)
        wait_until(lambda: client.query_jobs([job], ["status"]) == [["canceled"]], "its end")


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
