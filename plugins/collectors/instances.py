"""Collectors ``inst-status`` and ``inst-status-xen``: do the node's instances run, and should they?

What runs is asked of every hypervisor of the cluster; what should run, of the cluster's confds. The
form and the codes are those of Ganeti's collector for Xen. Who asks for that one by its name gets
Xen's instances; figures are in the other one, which has all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ganeti_core.plugin_api import Description, GanetiError, HookContext, hookimpl
from ganeti_core.plugin_api.confd import node_instances
from ganeti_core.plugin_api.data import Collected, Metric, Report, RunningInstance

OK, RECOVERING, UNKNOWN, BAD = 0, 1, 2, 4
_LABELS = ("instance", "hypervisor")
RUNNING = Metric("ganeti_instance_running", "gauge", "Whether the instance runs", _LABELS)
STATUS = Metric(
    "ganeti_instance_status", "gauge", "Whether an instance is as it should be: 0 yes, 1 being "
    "repaired, 2 unknown, 4 no", ("instance",))
MEMORY = Metric("ganeti_instance_memory_bytes", "gauge", "Memory of a running instance", _LABELS)
VCPUS = Metric("ganeti_instance_vcpus", "gauge", "Processors of a running instance", _LABELS)
CPU_TIME = Metric("ganeti_instance_cpu_seconds_total", "counter",
                  "Processor time that a running instance has used", _LABELS)

_ACTUAL = {"running": "running", "paused": "paused", "user-down": "shutdown", "stuck": "hung",
           "crashed": "crashed"}
"""Ganeti's names of states, by ours."""

Expected = Callable[[HookContext], list[dict[str, Any]]]
"""Gives the instances that are to run on the node, as the configuration has them."""

Found = dict[str, tuple[str, RunningInstance]]
"""By name: the hypervisor and what it said."""


@dataclass(frozen=True)
class InstanceStatus:
    """What all hypervisors of the cluster have here."""

    expected: Expected = lambda ctx: node_instances(ctx)[0]

    @hookimpl
    def describe(self) -> Description:
        return Description(
            0, "Whether the instances of the node run as they should", category="instance",
            report_kind=1, interval=10.0, metrics=(RUNNING, STATUS, MEMORY, VCPUS, CPU_TIME))

    @hookimpl
    def collect(self, ctx: HookContext) -> Collected:
        return Collected(reported(ctx, hypervisors(ctx), self.expected))


@dataclass(frozen=True)
class XenInstanceStatus:
    """What Ganeti's own collector reports."""

    expected: Expected = lambda ctx: node_instances(ctx)[0]

    @hookimpl
    def describe(self) -> Description:
        return Description(
            0, "Whether Xen's instances of the node run as they should", category="instance",
            report_kind=1, interval=10.0)

    @hookimpl
    def collect(self, ctx: HookContext) -> Collected:
        xen = [name for name in hypervisors(ctx) if name.startswith("xen-")]
        # Without any of them nobody need be asked.
        report = reported(ctx, xen, lambda ctx: [
            one for one in self.expected(ctx) if one["hypervisor"] in xen] if xen else [])
        return Collected(replace(report, samples={}))


def reported(ctx: HookContext, asked: list[str], expected: Expected) -> Report:
    """Return what the hypervisors in `asked` have here, compared with what is expected."""
    found, problems = _running(ctx, asked)
    code = BAD if problems else OK
    try:
        wanted = [one for one in expected(ctx) if not one.get("forthcoming")]
    except GanetiError as exc:
        wanted = []
        code = max(code, UNKNOWN)
        problems.append(f"What should run here is not known: {exc}")
    rows = [row(one, found.get(one["name"])) for one in wanted]
    messages = [*problems, *(f"{one['name']}: {text}" for one in rows
                             if (text := one["status"]["message"]))]
    status = {"code": max([code, *(one["status"]["code"] for one in rows)]),
              "message": "\n".join(messages)}
    return Report({"instances": rows, "status": status}, samples=_samples(found, wanted, rows))


def _running(ctx: HookContext, asked: list[str]) -> tuple[Found, list[str]]:
    """What runs here, and why not all of it is known."""
    found: Found = {}
    problems = []
    for hypervisor in asked:
        try:
            for one in ctx.driver("hypervisors", hypervisor, "running"):
                found[one.name] = hypervisor, one
        except GanetiError as exc:
            problems.append(f"Unable to receive the list of instances: {hypervisor}: {exc}")
    return found, problems


def hypervisors(ctx: HookContext) -> list[str]:
    """Return the hypervisors of the cluster, as this node knows them."""
    try:
        return (ctx.root / "var/lib/ganeti/ssconf_hypervisor_list").read_text().split()
    except FileNotFoundError:
        return []


def row(wanted: Mapping[str, Any], found: tuple[str, RunningInstance] | None) -> dict[str, Any]:
    """One instance of the report."""
    admin = wanted["admin_state"]
    if found is not None:
        actual = _ACTUAL[found[1].state]
    else:
        actual = "unknown" if admin == "up" else "shutdown"
    code, message = judged(admin, found[1].state if found else "")
    return {
        "name": wanted["name"], "uuid": wanted["uuid"], "adminState": admin,
        "actualState": actual, "uptime": None, "mtime": wanted["mtime"], "state_reason": [],
        "status": {"code": code, "message": message}}


def judged(admin: str, state: str) -> tuple[int, str]:
    """How an instance stands that should be `admin`; `state` is empty where it does not run."""
    if admin == "offline":
        return UNKNOWN, "The instance is marked as offline"
    if admin == "down":
        return (OK, "") if state in ("", "user-down") else (
            BAD, "The instance is not stopped as it should be")
    if state == "user-down":
        return RECOVERING, "The instance was shut down by its user"
    return (OK, "") if state == "running" else (
        BAD, "The instance is not running as it should be")


def _samples(
    found: Found, wanted: list[dict[str, Any]], rows: list[dict[str, Any]]
) -> dict[str, list[list[Any]]]:
    known = {**{one["name"]: one["hypervisor"] for one in wanted},
             **{name: hypervisor for name, (hypervisor, _) in found.items()}}
    alive = {name: one for name, (_, one) in found.items() if one.state != "user-down"}
    return {
        RUNNING.name: [[name, hypervisor, int(name in found and found[name][1].runs)]
                       for name, hypervisor in known.items()],
        STATUS.name: [[one["name"], one["status"]["code"]] for one in rows],
        MEMORY.name: [[name, known[name], one.memory << 20] for name, one in alive.items()],
        VCPUS.name: [[name, known[name], one.vcpus] for name, one in alive.items()],
        CPU_TIME.name: [[name, known[name], one.cpu_time] for name, one in alive.items()]}
