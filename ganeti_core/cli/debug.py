"""Commands of ``gnt-debug``."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganeti_core.cli import options as opt
from ganeti_core.cli.failure import wrong_input
from ganeti_core.cli.lists import Listing, run_list
from ganeti_core.cli.session import Command
from ganeti_core.cli.values import parse_number
from ganeti_core.cli.waiting import JobSet, all_succeeded, submit

if TYPE_CHECKING:
    from ganeti_core.cli.session import Session


def _delay(session: Session, arguments: list[str]) -> int:
    options = session.options
    try:
        duration = parse_number(arguments[0])
    except ValueError as exc:
        raise wrong_input(f"Invalid delay: {arguments[0]!r} is not a number of seconds") from exc
    submit(session, session.opcode(
        "OP_TEST_DELAY", duration=duration, on_master=options.on_master,
        on_nodes=options.on_nodes, repeat=options.repeat, interruptible=options.interruptible,
        no_locks=bool(options.no_locks)))
    return 0


def _submit_job(session: Session, arguments: list[str]) -> int:
    options = session.options
    started = time.monotonic()
    jobs = JobSet(session, announce=options.verbose or len(arguments) * options.rep_job > 1)
    count = 0
    for name in arguments:
        opcodes = _read_opcodes(name) * options.rep_op
        for opcode in opcodes:
            opcode.setdefault("reason", session.reason_trail())
            opcode.update(session.general())
        for _ in range(options.rep_job):
            count += 1
            if options.each:
                jobs.add_started([(True, session.client.submit_job(opcodes))], name)
            else:
                jobs.add(name, *opcodes)
    submitted = time.monotonic()
    status = all_succeeded(jobs.finish())
    if options.timing_stats:
        finished = time.monotonic()
        print(f"C:op     {count}")
        print(f"T:submit {submitted - started:.4f}")
        print(f"T:exec   {finished - submitted:.4f}")
        print(f"T:total  {finished - started:.4f}")
    return status


def _read_opcodes(name: str) -> list[dict[str, Any]]:
    try:
        opcodes = json.loads(Path(name).read_text())
    except (OSError, ValueError, RecursionError) as exc:
        raise wrong_input(f"Cannot read opcodes from {name}: {exc}") from exc
    if not isinstance(opcodes, list) or not all(isinstance(one, dict) for one in opcodes):
        raise wrong_input(f"{name} must hold a list of opcodes")
    return opcodes


def _pending(requests: list[Any]) -> str:
    return "; ".join(f"{mode}:{','.join(owners)}" for mode, owners in requests)


_LOCKS = Listing(
    what="lock", default_fields=("name", "mode", "owner", "pending"), with_filter=False,
    writers={"mode": lambda mode: mode or "-", "owner": ",".join, "pending": _pending})


def _locks(session: Session, arguments: list[str]) -> int:
    interval = session.options.interval
    if interval is not None and interval <= 0:
        raise wrong_input(f"Invalid interval: {interval} is not a number of seconds above 0")
    while True:
        status = run_list(session, arguments, _LOCKS)
        if not interval:
            return status
        print(flush=True)
        time.sleep(interval)


COMMANDS = {
    "delay": Command(_delay, "[<opts>...] <duration>", 1, 1, (
        opt.flag("--no-master", dest="on_master", off=True, help="The master does not wait"),
        opt.repeated("-n", dest="on_nodes", type="string", help="A node that waits"),
        opt.value("-r", "--repeat", dest="repeat", type="natural", default=0,
                  help="How often to repeat it"),
        opt.flag("-i", "--interruptible", dest="interruptible",
                 help="Can be ended early through a socket"),
        opt.flag("-l", "--no-locks", dest="no_locks",
                 help="Hold no locks"),
        opt.DRY_RUN, opt.PRIORITY, *opt.SUBMITTING)),
    "submit-job": Command(_submit_job, "<op-list-file>...", 1, None, (
        opt.VERBOSE,
        opt.value("--op-repeat", dest="rep_op", type="positive", default=1,
                  help="How often each job repeats its opcodes"),
        opt.value("--job-repeat", dest="rep_job", type="positive", default=1,
                  help="How often each job is sent"),
        opt.flag("--timing-stats", dest="timing_stats", help="Show how long it took"),
        opt.flag("--each", dest="each", help="Send one job at a time"),
        opt.DRY_RUN, opt.PRIORITY)),
    "locks": Command(_locks, "[--interval N]", 0, 0, (
        opt.NO_HEADERS, opt.SEPARATOR, opt.OUTPUT, opt.VERBOSE,
        opt.value("--interval", dest="interval", type="int",
                  help="Show it again every N seconds"))),
}
