"""What the watcher does on the master about what it has seen: jobs like everybody's, all at once.

Each carries the reason ``gnt:watcher``. An instance that a job works on is left alone: what is the
matter with it may be that job's work.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.luxi.job_seen import JobSeen
from ganeti_core.opcodes.base import FINAL_STATUSES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ganeti_core.daemons.watcher.notes import Notes
    from ganeti_core.daemons.watcher.seen import Seen, SeenInstance
    from ganeti_core.luxi.client import LuxiClient

WAIT = 30.0
"""Seconds of one call to wait for a job."""
PATIENCE = 240.0
"""Seconds after which jobs that still wait for others are canceled: the next run tries again."""
LOW_PRIORITY = 10
_HELPLESS = ("ERROR_nodedown", "ERROR_nodeoffline")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Repair:
    """One opcode to submit, for one instance or group.

    :param doing: for the log and the job's reason: ``Restarting instance web``
    """

    subject: str
    doing: str
    opcode: dict[str, Any]


@dataclass(frozen=True)
class Ended:
    """How the job of a repair ended; `result` is its opcode's, or what went wrong.

    `job`: its number, 0 where no job was accepted.
    """

    repair: Repair
    job: int
    success: bool
    result: Any


def run_all(client: LuxiClient, repairs: Iterable[Repair]) -> list[Ended]:
    """Submit a job for each, then wait for all of them.

    :raises GanetiError: the master does not answer, or takes no jobs
    """
    wanted = list(repairs)
    answers = client.submit_many_jobs([[_with_reason(repair)] for repair in wanted])
    for repair, (accepted, _) in zip(wanted, answers, strict=True):
        if accepted:
            log.info("%s", repair.doing)
    until = time.monotonic() + PATIENCE
    return [_ended(client, repair, answer, until) if accepted else _refused(repair, answer)
            for repair, (accepted, answer) in zip(wanted, answers, strict=True)]


def _refused(repair: Repair, reason: Any) -> Ended:
    log.error("%s: refused: %s", repair.doing, reason)
    return Ended(repair, 0, False, reason)


def _with_reason(repair: Repair) -> dict[str, Any]:
    return {**repair.opcode, "reason": [["gnt:watcher", repair.doing, time.time_ns()]]}


def _ended(client: LuxiClient, repair: Repair, job_id: int, until: float) -> Ended:
    seen = JobSeen(["status", "opresult"])
    while not (seen.values and seen.values[0] in FINAL_STATUSES):
        wait = min(WAIT, max(0.1, until - time.monotonic()))
        client.wait_for_job_change(job_id, seen, wait=wait)
        if time.monotonic() > until and not (seen.values and seen.values[0] in FINAL_STATUSES):
            # One that runs already goes on to its end.
            client.cancel_job(job_id)
            until = time.monotonic() + PATIENCE
    status, [result] = seen.values
    if status != "success":
        log.error("%s: job %d: %s", repair.doing, job_id, result)
    return Ended(repair, job_id, status == "success", result)


def check_instances(client: LuxiClient, seen: Seen, notes: Notes) -> set[str]:
    """Start what should run, and stop what its user has shut down; return the names of the started.

    :raises GanetiError: as `run_all`
    """
    repairs = []
    for instance in seen.instances.values():
        if instance.status == "USER_down" and instance.admin_state != "down":
            repairs.append(_cleaning(instance))
        elif instance.status == "ERROR_down":
            repairs.append(_starting(instance))
        elif notes.is_well(instance.name) and instance.status not in _HELPLESS:
            log.info("instance %s is as it should be again", instance.name)
    started = set()
    for ended in run_all(client, [one for one in repairs if _is_due(one, seen, notes)]):
        notes.tried(ended.repair.subject)
        if ended.success and ended.repair.opcode["OP_ID"] == "OP_INSTANCE_STARTUP":
            started.add(ended.repair.subject)
    return started


def _is_due(repair: Repair, seen: Seen, notes: Notes) -> bool:
    if repair.subject in seen.locked:
        log.info("instance %s is left alone: a job works on it", repair.subject)
        return False
    return notes.may_try(repair.subject)


# For the instance as it was seen: who stops one meanwhile wants it stopped.
def _starting(instance: SeenInstance) -> Repair:
    return Repair(instance.name, f"Restarting instance {instance.name}", {
        "OP_ID": "OP_INSTANCE_STARTUP", "instance_name": instance.name,
        "serial_no": instance.serial_no})


def _cleaning(instance: SeenInstance) -> Repair:
    return Repair(instance.name, f"Cleaning up instance {instance.name}", {
        "OP_ID": "OP_INSTANCE_SHUTDOWN", "instance_name": instance.name,
        "admin_state_source": "user", "serial_no": instance.serial_no})


def _activating(name: str) -> Repair:
    return Repair(name, f"Activating disks for instance {name}", {
        "OP_ID": "OP_INSTANCE_ACTIVATE_DISKS", "instance_name": name})


def activate_after_reboots(
    client: LuxiClient, seen: Seen, notes: Notes, started: set[str]
) -> None:
    """Activate the disks of which a node that was booted has the second copy.

    :param started: instances whose start has activated them
    :raises GanetiError: as `run_all`
    """
    booted = {node.name: node.boot_id for node in seen.nodes.values()
              if node.boot_id and node.boot_id not in (
                  notes.boot_ids.get(node.name), notes.boot_ids.get(_mark(seen, node.name)))}
    run_all(client, [
        _activating(instance.name) for instance in seen.instances.values()
        if instance.disks_active and booted.keys() & set(instance.secondaries)
        and instance.name not in started | seen.locked])
    notes.boot_ids.update({_mark(seen, name): boot_id for name, boot_id in booted.items()})


def _mark(seen: Seen, node: str) -> str:
    """Under which name the boot of a node is noted: who looked at one group only has left the
    instances of the others to others."""
    return node if seen.group is None else f"{seen.group}/{node}"


def verify_disks(client: LuxiClient, seen: Seen) -> None:
    """Ask each group which disks are not active that should be, and activate them.

    :raises GanetiError: as `run_all`
    """
    groups = sorted({instance.group for instance in seen.instances.values()})
    found = run_all(client, [
        Repair(group, f"Verifying disks of group {group}", {
            "OP_ID": "OP_GROUP_VERIFY_DISKS", "group_name": group, "priority": LOW_PRIORITY})
        for group in groups])
    for ended in found:
        # One for each group every few minutes would hide everybody else's jobs.
        if ended.success:
            client.archive_job(ended.job)
    inactive = {name for ended in found if ended.success for name in ended.result[1]}
    run_all(client, [
        _activating(name) for name in sorted(inactive)
        if name in seen.instances and name not in seen.locked
        and seen.instances[name].status not in _HELPLESS
        and not seen.has_offline_secondary(seen.instances[name])])
