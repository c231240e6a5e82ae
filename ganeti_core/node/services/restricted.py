"""Run a command that the node's administrator allows: a program of one folder, as it is."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from ganeti_core.errors import OpExecError
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.node.services.arguments import decode
from ganeti_core.plugin_api.allowed import ALLOWED_NAME, ALLOWED_PATH, why_not_run
from ganeti_core.plugin_api.run import CommandFailed, readable, run_command

if TYPE_CHECKING:
    from ganeti_core.node.state import NodeState

log = logging.getLogger(__name__)

FOLDER = "restricted-commands"
"""Below ``/etc/ganeti``. A node without it allows nothing."""
OUTPUT = 64 << 10
"""Characters of the output that reach the job."""


@dataclass(frozen=True)
class RestrictedArgs:
    """Of ``node.restricted``."""

    command: str


def restricted(state: NodeState, args: dict[str, Any], deadline: float) -> str:
    """Run the program `command` of the folder; return what it printed.

    :raises OpExecError: it is not allowed, or it failed: which, only the log of this node says
    """
    command = decode(RestrictedArgs, args).command
    failed = OpExecError(f"Executing command {command[:100]!r} failed")
    program = state.world.local.paths.etc / FOLDER / command
    if not ALLOWED_NAME.fullmatch(command):
        log.warning("restricted command %r is refused: it cannot name a program", command[:100])
        raise failed
    try:
        problem = why_not_run(program)
    except OSError as exc:
        problem = str(exc)
    if problem:
        log.warning("restricted command %s is refused: %s", program, problem)
        raise failed
    log.info("running the restricted command %s", program)
    try:
        ran = run_command([program], timeout=max(0.1, deadline - time.monotonic()),
                          env={"PATH": ALLOWED_PATH})
    except CommandFailed as exc:
        log.warning("restricted command %s: %s", program, exc)
        raise failed from exc
    return readable(ran.stdout + ran.stderr, OUTPUT)
