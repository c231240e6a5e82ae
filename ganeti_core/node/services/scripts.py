"""Run administrators' scripts: the programs in ``NAME-pre.d`` or ``NAME-post.d``, in order."""

from __future__ import annotations

import logging
import os
import re
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ganeti_core.errors import ECODE_INVAL, OpPrereqError
from ganeti_core.node.services.arguments import decode
from ganeti_core.plugin_api.run import CommandFailed, run_command

if TYPE_CHECKING:
    from ganeti_core.node.state import NodeState

log = logging.getLogger(__name__)

SCRIPT_PATH = "/sbin:/bin:/usr/sbin:/usr/bin"
_NAME = re.compile(r"[a-z][a-z0-9-]*")
_SCRIPT = re.compile(r"[a-zA-Z0-9_-]+")
"""Other names (backups, packages' leftovers) are passed over, as run-parts does."""


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
    folder = state.world.place.paths.scripts / f"{wanted.name}-{wanted.phase}.d"
    environment = {"PATH": SCRIPT_PATH, **wanted.environment}
    return [_run(script, environment, deadline) for script in _found(folder)]


def _found(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def _run(script: Path, environment: dict[str, str], deadline: float) -> dict[str, str]:
    name = f"{script.parent.name}/{script.name}"
    if not (_SCRIPT.fullmatch(script.name) and script.is_file() and os.access(script, os.X_OK)):
        return {"script": name, "status": "skip", "output": ""}
    try:
        done = run_command([script], timeout=max(0.1, deadline - time.monotonic()),
                           env=environment, cwd=Path("/"))
    except CommandFailed as exc:
        log.warning("script %s: %s", name, exc)
        return {"script": name, "status": "error", "output": str(exc)}
    return {"script": name, "status": "success", "output": (done.stdout + done.stderr).strip()}
