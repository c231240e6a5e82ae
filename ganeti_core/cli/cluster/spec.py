"""``gnt-cluster export-spec``, ``plan`` and ``apply``: a cluster described in a file.

What reads and compares files is imported by the commands that do so, and only then.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganeti_core.cli import options as opt
from ganeti_core.cli.confirm import ask, refused
from ganeti_core.cli.failure import EXIT_FAILURE, wrong_input
from ganeti_core.cli.session import Command
from ganeti_core.cli.waiting import JobSet, all_succeeded

if TYPE_CHECKING:
    from ganeti_core.cli.session import Session
    from ganeti_core.spec.steps import Plan, Step

EXIT_DIFFERENT = 2
_HEADER = """\
# The cluster {name}, written by gnt-cluster export-spec.
# gnt-cluster plan FILE shows what differs, gnt-cluster apply FILE makes it so.
"""
_PLACES = ("primary_node", "secondary_node")


def _export(session: Session, _arguments: list[str]) -> int:
    from ganeti_core.spec.text import write

    document = session.client.query_spec()
    if not session.options.placement:
        for instance in document["instances"].values():
            for key in _PLACES:
                instance.pop(key, None)
    (name,) = session.client.query_config_values(["cluster_name"])
    print(_HEADER.format(name=name) + write(document), end="")
    return 0


def _compared(session: Session, file: str) -> Plan:
    """Read the file, check it, and compare the cluster with it.

    :raises errors.OpPrereqError: it cannot be read, or is not of the form
    """
    from ganeti_core.spec.checking import checked
    from ganeti_core.spec.compare import compare
    from ganeti_core.spec.text import read

    try:
        data = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as exc:
        raise wrong_input(f"{file}: {exc.strerror}") from exc
    wanted = checked(read(data, file), file)
    return compare(session.client.query_spec(), wanted, prune=session.options.prune)


def _show(plan: Plan) -> None:
    for step in plan.ordered():
        print(f"{step.sign} {step.what}")
        for line in step.details:
            print(f"    {line}")
    if plan.left:
        print("Not in the file and left alone (--prune removes it):")
        for line in plan.left:
            print(f"    {line}")
    sys.stdout.flush()
    for problem in plan.refused:
        print(f"Not possible: {problem}", file=sys.stderr)


def _show_jobs(plan: Plan) -> None:
    print("Jobs:")
    for number, job in enumerate(plan.batch(), 1):
        earlier = [str(number + at) for at, _ in job[0].get("depends", ())]
        ends = list(dict.fromkeys((*earlier[:1], *earlier[-1:])))
        after = f" (after {' to '.join(ends)})" if ends else ""
        names = ", ".join(opcode["OP_ID"].removeprefix("OP_") for opcode in job)
        print(f"    {number}: {names}{after}")


def _plan(session: Session, arguments: list[str]) -> int:
    plan = _compared(session, arguments[0])
    _show(plan)
    if plan.refused:
        return EXIT_FAILURE
    if not plan.steps:
        print("The cluster is as the file describes it.")
        return 0
    _show_jobs(plan)
    return EXIT_DIFFERENT


def _apply(session: Session, arguments: list[str]) -> int:
    plan = _compared(session, arguments[0])
    _show(plan)
    if plan.refused:
        print("Nothing was done.", file=sys.stderr)
        return EXIT_FAILURE
    if not plan.steps:
        print("The cluster is as the file describes it.")
        return 0
    steps = plan.ordered()
    _confirm(session, [step for step in steps if step.destroys])
    jobs = JobSet(session)
    now = time.time_ns()
    for step, opcodes in zip(steps, plan.batch(), strict=True):
        made = [session.opcode(opcode.pop("OP_ID"), **opcode) for opcode in map(_copied, opcodes)]
        for opcode in made:
            opcode["reason"].append(["gnt:spec", f"{arguments[0]}: {step.what}", now])
        jobs.add(step.what, *made)
    return all_succeeded(jobs.finish())


def _copied(opcode: dict[str, Any]) -> dict[str, Any]:
    return dict(opcode)


def _confirm(session: Session, destroying: list[Step]) -> None:
    """:raises CommandError: what destroys data was not confirmed"""
    if not destroying or session.options.yes_do_it:
        return
    names = "\n".join(f"  {step.what}" for step in destroying)
    if not ask(f"Disks with their data will be removed from:\n{names}\nContinue?", "--yes-do-it"):
        raise refused()


_PRUNE = opt.flag("--prune", dest="prune",
                  help="Also remove what the file lacks, in the sections and lists that it has")
COMMANDS = {
    "export-spec": Command(_export, "[--placement]", options=(
        opt.flag("--placement", dest="placement",
                 help="Also write the nodes that instances are on"),)),
    "plan": Command(_plan, "[--prune] <file>", 1, 1, (_PRUNE,)),
    "apply": Command(_apply, "[--prune] [--yes-do-it] <file>", 1, 1, (
        _PRUNE, opt.CONFIRM, opt.SUBMIT, opt.PRIORITY)),
}
