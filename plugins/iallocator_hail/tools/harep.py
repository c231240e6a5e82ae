"""harep: repairs instances whose nodes are offline, as far as tags allow it."""

from __future__ import annotations

import time
import uuid
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ganeti_core.luxi.client import LuxiClient
from ganeti_core.plugin_api import GanetiError

from ..errors import LoadError, PlacementError
from ..formats.luxi import load_luxi
from ..model.build import build
from ..records import Description, Instance, Node
from ..search.repair import (
    Record,
    State,
    current,
    diagnose,
    pending_tag,
    read_policy,
    read_records,
    result_tag,
)
from .options import DEFAULT_SOCKET
from .output import note, say
from .program import Tool, execute
from .settings import Settings
from .sources import warn_unaccounted
from .submission import wait_for

_TITLES = {
    State.HEALTHY: "Healthy",
    State.FAILED: "Failure",
    State.PENDING: "Pending repair",
    State.NEEDS_REPAIR: "Needs repair",
}
_RUNNING = frozenset({"queued", "waiting", "canceling", "running"})


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; return its exit code."""
    return execute(_TOOL, argv)


def _run(settings: Settings, words: list[str]) -> int:
    if words:
        raise PlacementError("this program doesn't take any arguments.")
    socket = settings.luxi or DEFAULT_SOCKET
    try:
        description = load_luxi(socket)
    except LoadError as exc:
        raise PlacementError(f"failed to load data, aborting: {exc}") from exc
    warn_unaccounted(build(description), settings)
    try:
        with LuxiClient(Path(socket)) as client:
            repairs = Repairs(client, description, settings)
            counts = repairs.run()
    except GanetiError as exc:
        raise PlacementError(str(exc)) from exc
    say("---------------------")
    say("Instance status count")
    say("---------------------")
    for state, title in _TITLES.items():
        if counts[state]:
            say(f"{title}: {counts[state]}")
    return 1 if repairs.failed else 0


class Repairs:
    """One pass over all instances.

    A repair is known by its tag, without which the next pass would begin another one: each tag is
    waited for, and where it cannot be written the repair is taken back, unless it has begun.
    """

    def __init__(self, client: LuxiClient, description: Description, settings: Settings) -> None:
        self.client = client
        self.description = description
        self.settings = settings
        self.failed = False
        """Whether the tags of an instance could not be changed."""

    def run(self) -> Counter[State]:
        return Counter(self._treat(instance) for instance in self.description.instances)

    def _treat(self, instance: Instance) -> State:
        record = current(read_records(instance.tags))
        if record is not None and record.result == "failure":
            return State.FAILED
        try:
            if record is not None and not record.result:
                return self._follow(instance, record)
            return self._repair(instance, record)
        except PlacementError as exc:
            note(f"Error: {exc}")
            self.failed = True
            return State.NEEDS_REPAIR

    def _follow(self, instance: Instance, record: Record) -> State:
        """Turn a pending repair into a result once its jobs have ended."""
        rows = self.client.query_jobs(list(record.jobs), ["status"])
        states = [str(row[0]) if row else "lost" for row in rows]
        if any(state in _RUNNING for state in states):
            return State.PENDING
        result = "success" if all(state == "success" for state in states) else "failure"
        self._tag(instance, "OP_TAGS_SET", result_tag(record, result))
        self._tag(instance, "OP_TAGS_DEL", record.tag)
        if result == "failure":
            return State.FAILED
        # What was read of the instance may be from before the end of the repair: whether it needs
        # another one is for the next pass.
        return State.HEALTHY if self._needed(instance) is None else State.NEEDS_REPAIR

    def _needed(self, instance: Instance) -> str | None:
        nodes = self.description.nodes
        second_offline = instance.secondary >= 0 and is_off(nodes[instance.secondary])
        return diagnose(instance.kind, is_off(nodes[instance.primary]), second_offline)

    def _repair(self, instance: Instance, before: Record | None) -> State:
        """Repair an instance if need be; `before` is the last repair of it, which has ended."""
        kind = self._needed(instance)
        if kind is None:
            return State.HEALTHY
        group = self.description.groups[self.description.nodes[instance.primary].group]
        allowed = read_policy([instance.tags, group.tags, self.description.tags])
        if allowed.strongest is None:
            return State.NEEDS_REPAIR
        now, identity = int(time.time()), str(uuid.uuid4())
        if not allowed.permits(kind, now):
            self._refuse(instance, Record(kind, identity, now, (), "enoperm", ""), before)
            return State.NEEDS_REPAIR
        say(f"Instance {instance.name} needs {kind}")
        if self.settings.dry_run:
            return State.NEEDS_REPAIR
        job = self.client.submit_job(self._annotated(_opcodes(instance, kind, self.settings)))
        try:
            self._tag(instance, "OP_TAGS_SET", pending_tag(kind, identity, now, [job]))
        except (GanetiError, PlacementError) as exc:
            done, why = self.client.cancel_job(job)
            if not done:
                raise PlacementError(f"{exc}; its repair, job {job}, goes on: {why}") from exc
            raise
        self._forget(instance, before)
        return State.PENDING

    def _refuse(self, instance: Instance, refused: Record, before: Record | None) -> None:
        """Note that a repair is not allowed, once."""
        if before is not None and (before.kind, before.result) == (refused.kind, refused.result):
            return
        self._tag(instance, "OP_TAGS_SET", result_tag(refused, refused.result))
        self._forget(instance, before)

    def _forget(self, instance: Instance, before: Record | None) -> None:
        """Remove the tag of an earlier repair: the newer one tells how the instance stands."""
        if before is not None:
            self._tag(instance, "OP_TAGS_DEL", before.tag)

    def _tag(self, instance: Instance, opcode: str, tag: str) -> None:
        """:raises PlacementError: the tag could not be written"""
        if self.settings.dry_run:
            return
        operation = {"OP_ID": opcode, "kind": "instance", "name": instance.name, "tags": [tag]}
        job = self.client.submit_job(self._annotated([operation]))
        if (state := wait_for(self.client, job)) != "success":
            raise PlacementError(f"the tag {tag} of instance {instance.name} could not be changed: "
                                 f"job {job} ended as {state}")

    def _annotated(self, opcodes: list[dict[str, Any]]) -> list[dict[str, Any]]:
        reason = [["harep", self.settings.reason or "automatic repair", time.time_ns()]]
        return [{**opcode, "reason": reason} for opcode in opcodes]


def is_off(node: Node) -> bool:
    """Whether a node is marked as offline; one that only does not answer may still run guests."""
    return node.offline and not node.silent


def _opcodes(instance: Instance, kind: str, settings: Settings) -> list[dict[str, Any]]:
    """The operations of a repair, after a pause in which its tag is written."""
    pause = {
        "OP_ID": "OP_TEST_DELAY",
        "duration": settings.job_delay,
        "on_master": True,
        "on_nodes": [],
        "repeat": 0,
    }
    name = {"instance_name": instance.name}
    if kind == "failover":
        return [pause, {"OP_ID": "OP_INSTANCE_FAILOVER", **name, "ignore_consistency": False}]
    if kind == "fix-storage":
        replace = {"mode": "replace_new_secondary", "disks": [], "iallocator": "hail"}
        return [pause, {"OP_ID": "OP_INSTANCE_REPLACE_DISKS", **name, **replace}]
    recreate = {"OP_ID": "OP_INSTANCE_RECREATE_DISKS", **name, "disks": [], "iallocator": "hail"}
    return [pause, recreate, {"OP_ID": "OP_INSTANCE_REINSTALL", **name}]


_TOOL = Tool("harep", ("luxi", "job-delay", "reason", "dry-run"), _run)
