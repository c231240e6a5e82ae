"""The driver of one allocator program."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
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
from ganeti_core.plugin_api.run import Completed, readable

DEADLINE = 270.0
"""Seconds that a program may take: a little less than the contract gives to the hook."""
TAIL = 1000
REQUEST_TYPES = frozenset(
    {"allocate", "relocate", "multi-allocate", "node-evacuate", "change-group"})


@dataclass(frozen=True)
class AllocatorProgram:
    """Runs the program at `path`, a process for each request.

    Which request types a program answers is only known when it is asked, so all are promised.
    """

    name: str
    path: Path
    deadline: float = DEADLINE

    @hookimpl
    def describe(self) -> Description:
        return Description(
            api_version=0, title=f"Allocator program {self.path}", capabilities=REQUEST_TYPES,
            parameters={"type": "object", "properties": {}, "additionalProperties": True})

    @hookimpl
    def solve(
        self, ctx: HookContext, request: dict[str, Any], parameters: dict[str, Any]
    ) -> dict[str, Any]:
        with tempfile.NamedTemporaryFile(
                "w", dir=ctx.state, prefix=f"{self.name}-", suffix=".json") as file:
            json.dump(request, file)
            file.flush()
            try:
                words = [str(self.path), file.name, *map(_argument, parameters.items())]
                ended = run_command(words, timeout=self.deadline)
            except CommandFailed as exc:
                raise self._broken(str(exc)) from exc
        return self._understood(ended)

    def _understood(self, ended: Completed) -> dict[str, Any]:
        stdout, stderr = ended.stdout, ended.stderr
        try:
            answer = json.loads(stdout)
        except (ValueError, RecursionError) as exc:
            said = f", which begins {stdout[:80]!r}" if stdout.strip() else ", for it is empty"
            lost = f"; it is too long, {ended.dropped} bytes were dropped" if ended.dropped else ""
            raise self._broken(f"cannot parse the answer{said}{lost}", stderr) from exc
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
        return {**answer, "info": readable(answer["info"])}

    def _broken(self, problem: str, stderr: str = "") -> OpExecError:
        tail = readable(stderr, TAIL)
        said = f"; it said: {tail}" if tail else ""
        return OpExecError(f"iallocator {self.name} ({self.path}): {problem}{said}")


def _argument(parameter: tuple[str, Any]) -> str:
    name, value = parameter
    return f"--{name}" if value is None else f"--{name}={value}"
