"""Run the program that switches another node's power, or asks how that node is."""

from __future__ import annotations

import json
import logging
import os
import stat
import time
from typing import TYPE_CHECKING, Any, Literal

from ganeti_core.errors import OpExecError
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.node.services.arguments import decode
from ganeti_core.plugin_api.run import CommandFailed, run_command

if TYPE_CHECKING:
    from ganeti_core.node.state import NodeState

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PowerArgs:
    """Of ``node.power``; `node`: the name of the node that is meant."""

    program: str
    command: Literal["power-on", "power-off", "power-cycle", "power-status", "health"]
    node: str


def power(_state: NodeState, args: dict[str, Any], deadline: float) -> Any:
    """Run ``PROGRAM COMMAND NODE``; return what it prints, as JSON, None where that is nothing.

    :raises OpExecError: it cannot be run, fails, takes too long, or prints something else
    """
    asked = decode(PowerArgs, args)
    if problem := program_problem(asked.program):
        raise OpExecError(problem)
    log.info("running %s %s %s", asked.program, asked.command, asked.node)
    try:
        printed = run_command([asked.program, asked.command, asked.node],
                              timeout=max(0.1, deadline - time.monotonic())).stdout
    except CommandFailed as exc:
        raise OpExecError(str(exc)) from exc
    if not printed.strip():
        return None
    try:
        return json.loads(printed)
    except ValueError as exc:
        raise OpExecError(f"{asked.program} {asked.command} must print nothing or JSON, and"
                          f" printed {printed[:200]!r}") from exc


def program_problem(path: str) -> str | None:
    """Return why a program that switches power cannot be run, None where it can."""
    try:
        mode = os.stat(path).st_mode
    except OSError as exc:
        return f"error stating out of band helper: {exc}"
    if not stat.S_ISREG(mode):
        return f"out of band helper {path} is not a file"
    if not mode & stat.S_IXUSR:
        return f"out of band helper {path} is not executable"
    return None
