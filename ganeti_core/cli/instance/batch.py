"""``gnt-instance batch-create``: instances described in a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganeti_core.cli import options as opt
from ganeti_core.cli.failure import EXIT_FAILURE, CommandError, wrong_input
from ganeti_core.cli.session import Command
from ganeti_core.cli.waiting import JobSet, submit

if TYPE_CHECKING:
    from ganeti_core.cli.session import Session


def _read(name: str) -> list[dict[str, Any]]:
    """Read a list of instances, each with parameters of the opcode that creates one.

    :raises CommandError: it is no such file
    :raises errors.OpPrereqError: a name that is none of these parameters
    """
    from ganeti_core.opcodes.base import parameters
    from ganeti_core.opcodes.instance import InstanceCreate

    try:
        instances = json.loads(Path(name).read_text())
    except (OSError, ValueError, RecursionError) as exc:
        raise CommandError(f"Can't parse the instance definition file: {exc}") from exc
    if not isinstance(instances, list) or not all(isinstance(one, dict) for one in instances):
        raise CommandError(f"The instance definition file {name} is not a list of objects, one"
                           " for each instance")
    for number, instance in enumerate(instances):
        unknown = sorted(instance.keys() - parameters(InstanceCreate).keys() - {"OP_ID"})
        if unknown:
            raise wrong_input(f"Unknown fields in definition {number}: {', '.join(unknown)}")
    return instances


def _batch_create(session: Session, arguments: list[str]) -> int:
    result = submit(session, session.opcode(
        "OP_INSTANCE_MULTI_ALLOC", instances=_read(arguments[0]),
        iallocator=session.options.iallocator))
    jobs = JobSet(session)
    jobs.add_expanded(result)
    failed = sum(not outcome.success for outcome in jobs.finish())
    without_room = result["failed"] if result else []
    for name in without_room:
        print(f"There are no nodes with room for {name}.")
    if failed + len(without_room):
        print(f"There were {failed + len(without_room)} errors during the creation.")
        return EXIT_FAILURE
    print("All instances created successfully.")
    return 0


COMMANDS = {
    "batch-create": Command(_batch_create, "<instances.json>", 1, 1, (
        opt.DRY_RUN, opt.PRIORITY, opt.IALLOCATOR, *opt.SUBMITTING)),
}
