"""``gnt-cluster top``: nodes, guests, jobs and alarms on a screen that is drawn again and again."""

from __future__ import annotations

import shutil
import sys
import time
from collections import Counter
from dataclasses import field
from typing import TYPE_CHECKING, Any

from ganeti_core.cli import options as opt
from ganeti_core.cli.failure import wrong_input
from ganeti_core.cli.session import Command
from ganeti_core.cli.table import visible
from ganeti_core.errors import GanetiError
from ganeti_core.lazy_dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ganeti_core.cli.session import Session

Row = dict[str, Any]

_NODE = ("name", "offline", "drained", "ctotal", "mtotal", "mfree", "dtotal", "dfree", "pinst_cnt")
_INSTANCE = ("name", "pnode", "status", "oper_vcpus", "oper_ram")
_JOB = ("id", "status", "summary")
_PENDING: list[Any] = ["|", *(["=", "status", state]
                              for state in ("queued", "waiting", "running", "canceling"))]
SECONDS = 5.0
SHORTEST = 1.0
_CLEAR = "\x1b[H\x1b[2J"
_PIPED = (200, 10_000)
"""Columns and lines where no terminal has its own."""


@dataclass(frozen=True)
class State:
    """What is shown.

    :param reports: by node: the rows of its collectors, or why there are none
    """

    cluster: str
    nodes: Sequence[Row]
    instances: Sequence[Row]
    jobs: Sequence[Row]
    reports: Mapping[str, Sequence[Row] | str] = field(default_factory=dict)


def _gather(session: Session) -> State:
    def rows(what: str, fields: Sequence[str], filter_: list[Any] | None = None) -> list[Row]:
        data = session.client.query(what, list(fields), filter_)["data"]
        return [dict(zip(fields, (value if status == 0 else None for status, value in row),
                         strict=True)) for row in data]

    nodes = rows("node", _NODE)
    return State(
        str(session.cluster_info()["name"]), nodes, rows("instance", _INSTANCE),
        rows("job", _JOB, _PENDING),
        {node["name"]: _reports(session, node["name"]) for node in nodes
         if not node["offline"] and node["mtotal"] is not None})


def _reports(session: Session, node: str) -> Sequence[Row] | str:
    try:
        return session.client.collector_reports(node, [])
    except GanetiError as exc:
        return exc.message


def screen(state: State, when: str, width: int, height: int) -> list[str]:
    """Draw the screen; what does not fit is left out: guests first, then jobs, then nodes that are
    well.
    """
    head = _summary(state, when, width)
    room = height - len(head)
    alarms = _fitting(_alarms(state), max(_FEW, room // 3), "alarms")
    jobs, room = _jobs(state), room - len(alarms)
    most = room - min(len(jobs), _FEW)
    nodes = _fitting(_nodes(state, in_order=len(state.nodes) + 2 <= most), most, "nodes")
    room -= len(nodes)
    jobs = _fitting(jobs, min(room, MOST_JOBS + 3), "jobs")
    guests = _fitting(_guests(state), room - len(jobs), "instances")
    drawn = [*head, *nodes, *guests, *jobs, *alarms]
    return [line[:width] for line in drawn[:height]]


_FEW = 4
"""Lines that a part of the screen gets where there is little room."""
MOST_JOBS = 10


def _fitting(part: list[str], room: int, what: str) -> list[str]:
    """As many lines of a part as fit: an empty one, its title, and one of each object."""
    if len(part) <= room:
        return part
    return [*part[:max(0, room - 1)], f"... {len(part) - 2} {what} in all"][:max(0, room)]


def _summary(state: State, when: str, width: int) -> list[str]:
    offline = sum(bool(node["offline"]) for node in state.nodes)
    silent = sum(not node["offline"] and node["mtotal"] is None for node in state.nodes)
    jobs = Counter(job["status"] for job in state.jobs)
    running = sum(one["status"] == "running" for one in state.instances)
    lines = [f"{state.cluster}  {when}"]
    for part in (f"{len(state.nodes)} nodes ({offline} offline, {silent} silent)",
                 f"{len(state.instances)} instances ({running} running)",
                 f"jobs: {jobs['running']} running, {jobs['queued'] + jobs['waiting']} waiting"):
        if len(lines[-1]) + 2 + len(part) <= width:
            lines[-1] += f"  {part}"
        else:
            lines.append(part)
    return lines


def _nodes(state: State, *, in_order: bool) -> list[str]:
    """Nodes in the order of their names, or those first with which something is wrong."""
    shown = state.nodes if in_order else sorted(
        state.nodes, key=lambda node: _node_state(node) == "ok")
    rows = [("NODE", "STATE", "CPUS", "LOAD", "MEMORY USED", "DISK USED", "GUESTS")]
    rows += [(node["name"], _node_state(node), _or_dash(node["ctotal"]),
              _load(state.reports.get(node["name"])), _used(node, "m"), _used(node, "d"),
              _or_dash(node["pinst_cnt"])) for node in shown]
    return ["", *_table(rows)]


def _node_state(node: Row) -> str:
    if node["offline"]:
        return "offline"
    if node["mtotal"] is None:
        return "SILENT"
    return "drained" if node["drained"] else "ok"


def _or_dash(value: Any) -> str:
    return "-" if value is None else str(value)


def _load(reports: Sequence[Row] | str | None) -> str:
    for row in reports if isinstance(reports, list) else ():
        match row:
            case {"name": "cpu-avg-load", "report": {"data": {"cpu_total": int() | float() as load}
                                                     }}:
                return f"{load:.2f}"
    return "-"


def _used(node: Row, what: str) -> str:
    total, free = node[f"{what}total"], node[f"{what}free"]
    if not total or free is None:
        return "-"
    return f"{100 * (total - free) / total:.0f}% of {total / 1024:.1f}G"


def _guests(state: State) -> list[str]:
    if not state.instances:
        return []
    rows = [("INSTANCE", "NODE", "STATE", "VCPUS", "MEMORY")]
    # What is wrong comes first, then what is large.
    order = sorted(state.instances, key=lambda one: (
        not str(one["status"]).startswith("ERROR"), -(one["oper_ram"] or 0), one["name"]))
    rows += [(one["name"], str(one["pnode"]), str(one["status"]), _or_dash(one["oper_vcpus"]),
              "-" if one["oper_ram"] is None else f"{one['oper_ram']}M") for one in order]
    return ["", *_table(rows)]


def _jobs(state: State) -> list[str]:
    if not state.jobs:
        return []
    rows = [("JOB", "STATE", "WHAT")]
    rows += [(str(job["id"]), str(job["status"]), ",".join(job["summary"] or ()))
             for job in state.jobs]
    return ["", *_table(rows)]


def _alarms(state: State) -> list[str]:
    found = []
    for node, reports in state.reports.items():
        if isinstance(reports, str):
            found.append(f"{node}: its collectors cannot be asked: {reports}")
            continue
        found += [f"{node}: {row['name']}: {problem}" for row in reports
                  if (problem := problem_of(row))]
    return ["", "ALARMS", *map(visible, found)] if found else []


def problem_of(row: Row) -> str:
    """What a collector reports as bad, or why it cannot report; empty where all is well."""
    if row["error"]:
        return str(row["error"])
    match row["report"]:
        case {"data": {"status": {"code": int(code), "message": str(message)}}} if code:
            return message.replace("\n", "; ") or f"status {code}"
    return ""


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    rows = [[visible(word) for word in row] for row in rows]
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    return ["  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)).rstrip()
            for row in rows]


def _top(session: Session, _arguments: list[str]) -> int:
    seconds = session.options.interval
    if seconds < SHORTEST:
        raise wrong_input(f"--interval {seconds:g}: at least {SHORTEST:g} second")
    if session.options.once or not sys.stdout.isatty():
        print("\n".join(screen(_gather(session), time.strftime("%H:%M:%S"), *_PIPED)))
        return 0
    try:
        while True:
            size = shutil.get_terminal_size()
            drawn = screen(_gather(session), time.strftime("%H:%M:%S"), size.columns, size.lines)
            print(_CLEAR + "\n".join(drawn), end="", flush=True)
            time.sleep(seconds)
    except KeyboardInterrupt:
        print()
        return 0


COMMANDS = {"top": Command(_top, "[--interval <seconds>] [--once]", 0, 0, (
    opt.value("--interval", dest="interval", type="float", default=SECONDS,
              help=f"Seconds between two screens (default: {SECONDS:g})"),
    opt.flag("--once", dest="once", help="Print it once, as into a pipe")))}
