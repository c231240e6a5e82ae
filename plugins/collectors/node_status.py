"""Collector ``node-status``: what a program of the node's administrator says of its hardware.

The program takes no arguments and prints one JSON object, as Ganeti's maintenance daemon has it:
``status``, what must be done with the node; where a command can repair it while guests run,
``command``, its name; and ``details``, whatever whoever repairs it should know.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganeti_core.plugin_api import Description, GanetiError, HookContext, OpExecError, hookimpl
from ganeti_core.plugin_api.allowed import ALLOWED_NAME, ALLOWED_PATH, why_not_run
from ganeti_core.plugin_api.data import Collected, Metric, Report
from ganeti_core.plugin_api.run import run_command

SETTING = "node_status_command"
SETTINGS = {"type": "object", "properties": {SETTING: {
    "type": "string", "default": "", "pattern": "^[a-zA-Z0-9_-]*$",
    "description": "Name of the program below /etc/ganeti/node-diagnose-commands of every node "
                   "that tells whether the node must be repaired or evacuated; empty: none, and "
                   "all are well"}}}
FOLDER = Path("etc/ganeti/node-diagnose-commands")
LIMIT = 8.0
"""Seconds; the hook itself has ten."""
LARGEST = 64 << 10
"""Characters that the program may print."""
SHOWN = 200
OK, BAD = 0, 4
NEEDS = {
    "Ok": "the node is well",
    "live-repair": "it needs a repair that can be done while guests run on it",
    "evacuate": "it must be evacuated",
    "evacuate-failover": "it must be evacuated, without live migration"}
"""In the order of the metric, with what each means."""
NEED = Metric(
    "ganeti_node_repair_need", "gauge", "What the node needs, as its administrator's program says: "
    "0 nothing, 1 a live repair, 2 evacuation, 3 evacuation without live migration")


@dataclass(frozen=True)
class NodeStatus:
    """:param limit: seconds that the program may take"""

    limit: float = LIMIT

    @hookimpl
    def describe(self) -> Description:
        return Description(
            0, "Whether the node must be repaired or evacuated, as a program of its administrator "
               "says", report_kind=1, interval=60.0, settings=SETTINGS, metrics=(NEED,))

    @hookimpl
    def collect(self, ctx: HookContext) -> Collected:
        command = str(ctx.config.get(SETTING, ""))
        said = diagnosis(self._run(ctx.root / FOLDER, command)) if command else {"status": "Ok"}
        return Collected(Report(
            {"status": _status(said), "diagnosis": said},
            samples={NEED.name: [[list(NEEDS).index(said["status"])]]}))

    def _run(self, folder: Path, command: str) -> str:
        """:raises GanetiError: the program is not allowed here, or it failed"""
        program = folder / command
        try:
            problem = why_not_run(program) if ALLOWED_NAME.fullmatch(command) else (
                "it cannot name a program")
        except OSError as exc:
            problem = str(exc)
        if problem:
            raise OpExecError(f"{program} is not run: {problem}")
        ran = run_command([program], timeout=self.limit, env={"PATH": ALLOWED_PATH})
        if ran.dropped or len(ran.stdout) > LARGEST:
            raise OpExecError(f"{program} printed more than {LARGEST} characters")
        return ran.stdout


def diagnosis(text: str) -> dict[str, Any]:
    """Read what the program printed.

    :raises GanetiError: it is no such object
    """
    try:
        said = json.loads(text, parse_constant=_figure, parse_float=_figure)
        match said:
            case {"status": str(status)} if status in NEEDS:
                pass
            case _:
                raise ValueError(f"its status must be one of {', '.join(NEEDS)}")
        if not isinstance(command := said.get("command", ""), str):
            raise ValueError(f"its command is no text: {command!r:.{SHOWN}}")
        return dict(said)
    except (ValueError, RecursionError) as exc:
        raise GanetiError("the program of node-status must print a JSON object: "
                          f"{exc}: {text!r:.{SHOWN}}") from exc


def _figure(word: str) -> float:
    """:raises ValueError: JSON has no word for it, so nobody could read the report"""
    if math.isfinite(found := float(word)):
        return found
    raise ValueError(f"{word} is no finite number")


def _status(said: dict[str, Any]) -> dict[str, Any]:
    need = said["status"]
    if need == "Ok":
        return {"code": OK, "message": ""}
    parts = [f"{need}: {NEEDS[need]}"]
    if command := said.get("command"):
        parts.append(f"the command for it is '{command:.{SHOWN}}'")
    if details := said.get("details"):
        parts.append(details if isinstance(details, str) else json.dumps(details))
    return {"code": BAD, "message": "; ".join(f"{part:.{SHOWN}}" for part in parts)}
