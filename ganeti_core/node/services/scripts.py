"""Run administrators' scripts: the programs in ``NAME-pre.d`` or ``NAME-post.d``, in order."""

from __future__ import annotations

import logging
import re
import time
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ganeti_core.errors import ECODE_INVAL, OpPrereqError
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.node.services.arguments import decode
from ganeti_core.plugin_api.allowed import ALLOWED_NAME, ALLOWED_PATH, why_not_run
from ganeti_core.plugin_api.run import CommandFailed, readable, run_command

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ganeti_core.node.state import NodeState

log = logging.getLogger(__name__)

_NAME = re.compile(r"[a-z][a-z0-9-]*")
OUTPUT = 16 << 10
"""Characters of a script's output that reach the job."""


@dataclass(frozen=True)
class ScriptsArgs:
    """Of ``node.scripts``; `environment` is complete but for ``PATH``."""

    name: str
    phase: Literal["pre", "post"]
    environment: dict[str, str] = field(default_factory=dict)


def run_scripts(
    state: NodeState, args: dict[str, Any], deadline: float
) -> list[dict[str, str]]:
    """Run the scripts one after another; a failure does not stop the later ones.

    Answers ``{"script", "status": "success" | "error" | "skip", "output"}`` per script, named
    ``NAME-PHASE.d/SCRIPT``.
    """
    wanted = decode(ScriptsArgs, args)
    if not _NAME.fullmatch(wanted.name):
        raise OpPrereqError(f"'{wanted.name}' cannot name a scripts folder", ECODE_INVAL)
    folder = state.world.local.paths.scripts / f"{wanted.name}-{wanted.phase}.d"
    return run_folder(folder, wanted.environment, deadline)


def run_folder(
    folder: Path, environment: Mapping[str, str], deadline: float
) -> list[dict[str, str]]:
    """Run the scripts of a folder, as `run_scripts` does.

    :param environment: complete but for ``PATH``
    :param deadline: of all of them, a time of `time.monotonic`
    """
    whole = {"PATH": ALLOWED_PATH, **environment}
    return [_run(script, whole, deadline) for script in _found(folder)]


def _found(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def _run(script: Path, environment: dict[str, str], deadline: float) -> dict[str, str]:
    name = f"{script.parent.name}/{script.name}"
    # Other names (backups, packages' leftovers) are passed over, as run-parts does.
    if not ALLOWED_NAME.fullmatch(script.name):
        return {"script": name, "status": "skip", "output": ""}
    if problem := why_not_run(script):
        log.warning("script %s is skipped: %s", name, problem)
        return {"script": name, "status": "skip", "output": ""}
    try:
        done = run_command([script], timeout=max(0.1, deadline - time.monotonic()),
                           env=environment, cwd=Path("/"))
    except CommandFailed as exc:
        log.warning("script %s: %s", name, exc)
        return {"script": name, "status": "error", "output": str(exc)}
    return {"script": name, "status": "success",
            "output": readable(done.stdout + done.stderr, OUTPUT)}
