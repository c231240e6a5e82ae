"""The driver of one allocator program."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from ganeti_core.plugin_api import (
    CommandFailed,
    Description,
    HookContext,
    OpExecError,
    hookimpl,
    run_command,
)

DEADLINE = 270.0
"""Seconds that a program may take: a little less than the contract gives to the hook."""
TAIL = 1000
REQUEST_TYPES = frozenset(
    {"allocate", "relocate", "multi-allocate", "node-evacuate", "change-group"})


class AllocatorProgram:
    """Runs the program at `path`, a process for each request.

    Which request types a program answers is only known when it is asked, so all are promised.
    """

    def __init__(self, name: str, path: Path, deadline: float = DEADLINE) -> None:
        self.name = name
        self.path = path
        self.deadline = deadline

    @hookimpl
    def describe(self) -> Description:
        return Description(
            api_version=0, title=f"Allocator program {self.path}", capabilities=REQUEST_TYPES)

    @hookimpl
    def solve(self, ctx: HookContext, request: dict[str, Any]) -> dict[str, Any]:
        with tempfile.NamedTemporaryFile(
                "w", dir=ctx.state, prefix=f"{self.name}-", suffix=".json") as file:
            json.dump(request, file)
            file.flush()
            try:
                ended = run_command([self.path, file.name], timeout=self.deadline)
            except CommandFailed as exc:
                raise self._broken(str(exc)) from exc
        return self._understood(ended.stdout, ended.stderr)

    def _understood(self, stdout: str, stderr: str) -> dict[str, Any]:
        try:
            answer = json.loads(stdout)
        except ValueError as exc:
            said = f", which begins {stdout[:80]!r}" if stdout.strip() else ", for it is empty"
            raise self._broken(f"cannot parse the answer{said}", stderr) from exc
        if not isinstance(answer, dict):
            raise self._broken("the answer is no object", stderr)
        if "result" not in answer and "nodes" in answer:
            # Programs of the protocol's first version still call it so.
            answer = {**answer, "result": answer["nodes"]}
        for key, kind, form in (("success", bool, "true or false"), ("info", str, "a string"),
                                ("result", object, "a value")):
            if key not in answer or not isinstance(answer[key], kind):
                raise self._broken(f"the answer's '{key}' must be {form}", stderr)
        if answer["success"] and not isinstance(answer["result"], list):
            raise self._broken("the answer's 'result' must be a list", stderr)
        return answer

    def _broken(self, problem: str, stderr: str = "") -> OpExecError:
        tail = stderr.strip()[-TAIL:]
        said = f"; it said: {tail}" if tail else ""
        return OpExecError(f"iallocator {self.name} ({self.path}): {problem}{said}")
