"""``gnt-debug test-jobqueue``, ``test-osparams`` and ``wconfd``."""

from __future__ import annotations

import contextlib
import socket
import time
from dataclasses import field
from typing import TYPE_CHECKING, Any

from ganeti_core import errors
from ganeti_core.cli import options as opt
from ganeti_core.cli.failure import CommandError, describe
from ganeti_core.cli.instance.settings import OS_SECRET_PARAMS
from ganeti_core.cli.session import Command
from ganeti_core.cli.waiting import JobSet, follow, print_feedback, submit
from ganeti_core.lazy_dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ganeti_core.cli.session import Session

_NOTICE, _PREFIX = "jqueue-test", "TESTMSG="
_WRONG_PRIORITIES = (-21, -20, -11, -9, -1, 1, 9, 11, 19, 20)


def _delay(session: Session, **fields: Any) -> dict[str, Any]:
    return session.opcode("OP_TEST_DELAY", duration=0.1, **fields)


def _refused(session: Session, *jobs: list[dict[str, Any]]) -> None:
    """:raises errors.OpExecError: the master took jobs that are wrong"""
    try:
        if len(jobs) == 1:
            session.client.submit_job(jobs[0])
        else:
            session.client.submit_many_jobs(list(jobs))
    except errors.GanetiError as exc:
        if session.option("debug"):
            print(f"Ignoring error for a wrong job: {describe(exc)}")
        return
    raise errors.OpExecError(f"Submitting did not fail when it should: {jobs}")


def _test_submission(session: Session) -> None:
    print("Testing job submission", flush=True)
    for priority in _WRONG_PRIORITIES:
        for before, after in ((0, 0), (3, 0), (0, 3), (4, 2)):
            job = [*[_delay(session)] * before, {**_delay(session), "priority": priority},
                   *[_delay(session)] * after]
            _refused(session, job)
            _refused(session, [_delay(session), _delay(session, dry_run=True)], job)
    print("Job submission tests were successful")


def _test_dependencies(session: Session) -> None:
    print("Testing job dependencies", flush=True)
    _refused(session, [_delay(session, depends=[[-1, None]])])
    depends: list[list[Any] | None] = [
        None, [[-1, []]], [[-2, ["success"]]], [], [[-2, ["success"]]]]
    answers = session.client.submit_many_jobs([
        [_delay(session, depends=one)] for one in depends])
    jobs = JobSet(session)
    jobs.add_started(answers)
    if not all(outcome.success for outcome in jobs.finish()):
        raise errors.OpExecError("At least one of the submitted jobs failed")
    rows = session.client.query_jobs([job_id for _, job_id in answers], ["id", "opexec", "ops"])
    ids = [row[0] for row in rows]
    began = [row[1] for row in rows]
    for at, needed in ((1, 0), (2, 0), (4, 2)):
        found = rows[at][2][0]["depends"][0][0]
        if found != ids[needed]:
            raise errors.OpExecError(f"Job {ids[at]} depends on job {found}, not on {ids[needed]}")
        if began[at] < began[needed]:
            raise errors.OpExecError(f"Job {ids[at]} ran before job {ids[needed]}")
    print("Job dependency tests were successful")


@dataclass
class _Listener:
    """Takes the entries of a job's log: confirms notices, and keeps the test messages."""

    session: Session
    job_id: int = 0
    expected: int | None = None
    messages: list[str] = field(default_factory=list)
    since_start: int = 0

    def __call__(self, timestamp: Any, kind: str, message: Any) -> None:
        if kind == _NOTICE:
            self._confirm(*message)
        elif isinstance(message, str) and message.startswith(_PREFIX):
            self.messages.append(message.removeprefix(_PREFIX))
            self.since_start += 1
        else:
            print_feedback(timestamp, message)

    def _confirm(self, path: str, what: str, number: int | None) -> None:
        """:raises errors.OpExecError: the job is not as it must be at this moment"""
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(30.0)
            sock.connect(path)
            ((status,),) = self.session.client.query_jobs([self.job_id], ["status"])
            wanted = "waiting" if what == "expandnames" else "running"
            if status != wanted:
                raise errors.OpExecError(f"Job status at '{what}' is '{status}', not '{wanted}'")
            if what == "startmsg":
                self.since_start = 0
            elif what == "logmsg" and self.since_start != number:
                raise errors.OpExecError(f"Received {self.since_start} test messages when"
                                         f" {number} are expected")


def _test_jobs(session: Session, title: str, fails: list[bool]) -> None:
    """Run a job of opcodes of which some fail; everything after the first that fails must, too."""
    print(title, flush=True)
    texts = [title, "Hello World", "A", "", "B", "Foo|bar|baz",
             time.strftime("%Y-%m-%d_%H_%M_%S")]
    ops = [session.opcode("OP_TEST_JQUEUE", notify_waitlock=True, notify_exec=True,
                          log_messages=texts, fail=fail)
           for fail in fails]
    job_id = session.client.submit_job(ops)
    listener = _Listener(session, job_id)
    with contextlib.ExitStack() as stack:
        if any(fails):
            stack.enter_context(_expected())
        results = follow(session.client, job_id, tell=listener)
        if any(fails):
            raise errors.OpExecError(f"Job {job_id} did not fail when it should")
        if len(results) != len(fails):
            raise errors.OpExecError(f"Received {len(results)} results, expected {len(fails)}")
    ran = fails.index(True) + 1 if any(fails) else len(fails)
    if listener.messages != texts * ran:
        raise errors.OpExecError(f"Received test messages don't match input: {listener.messages}")
    wanted = ["error" if any(fails[:at + 1]) else "success" for at in range(len(fails))]
    ((status, opstatus),) = session.client.query_jobs([job_id], ["status", "opstatus"])
    if opstatus != wanted or status != ("error" if any(fails) else "success"):
        raise errors.OpExecError(f"Job {job_id} ended as {status} with {opstatus}")


@contextlib.contextmanager
def _expected() -> Iterator[None]:
    """Around a job that is to fail."""
    try:
        yield
    except errors.OpExecError as exc:
        if "Opcode failure was requested" not in str(exc):
            raise
        print(f"Ignoring error for 'job fail' test: {exc}")


def _test_queue(session: Session, _arguments: list[str]) -> int:
    _test_submission(session)
    _test_dependencies(session)
    _test_jobs(session, "Testing job success", [False])
    _test_jobs(session, "Testing multiple successful opcodes", [False, False])
    _test_jobs(session, "Testing job failure", [True])
    _test_jobs(session, "Testing partial job failure", [False, False, True, False])
    print("Job queue test successful")
    return 0


def _test_secrets(session: Session, _arguments: list[str]) -> int:
    submit(session, session.opcode("OP_TEST_OS_PARAMS",
                                   osparams_secret=session.options.osparams_secret))
    return 0


def _wconfd(session: Session, arguments: list[str]) -> int:
    match arguments:
        case ["echo", text]:
            session.client.query_config_values(["cluster_name"])
            print(f"Answer: {text}")
        case ["listalllocks"]:
            print(f"Answer: {[name for name, _, _ in _locks(session)]}")
        case ["listalllocksowners"]:
            print(f"Answer: {[[name, mode, owners] for name, mode, owners in _locks(session)]}")
        case ["echo", *_]:
            raise CommandError("Command 'echo' takes only precisely argument.")
        case [("listalllocks" | "listalllocksowners") as command, *_]:
            raise CommandError(f"Command '{command}' takes no arguments.")
        case ["flushconfig" | "cleanuplocks" as command, *_]:
            raise CommandError(f"Command '{command}' has nothing to do here: what a job has"
                               " reported is on disk, and locks end with their jobs")
        case _:
            raise CommandError(f"Command '{arguments[0]}' not supported (there are: echo,"
                               " listalllocks, listalllocksowners)")
    return 0


def _locks(session: Session) -> list[list[Any]]:
    """The locks that somebody holds: name, mode and owners each."""
    answer = session.client.query("lock", ["name", "mode", "owner"], None)
    rows = [[value for _, value in row] for row in answer["data"]]
    return [row for row in rows if row[2]]


COMMANDS = {
    "test-jobqueue": Command(_test_queue, options=(opt.PRIORITY,)),
    "test-osparams": Command(_test_secrets, "[--os-parameters-secret <params>]", options=(
        OS_SECRET_PARAMS, *opt.SUBMITTING)),
    "wconfd": Command(_wconfd, "<cmd> <args...>", 1, None),
}
