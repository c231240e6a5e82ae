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
from .output import say
from .program import Tool, execute
from .settings import Settings
from .sources import warn_unaccounted

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
            counts = _Repairs(client, description, settings).run()
    except GanetiError as exc:
        raise PlacementError(str(exc)) from exc
    say("---------------------")
    say("Instance status count")
    say("---------------------")
    for state, title in _TITLES.items():
        if counts[state]:
            say(f"{title}: {counts[state]}")
    return 0


class _Repairs:
    """One pass over all instances."""

    def __init__(self, client: LuxiClient, description: Description, settings: Settings) -> None:
        self.client = client
        self.description = description
        self.settings = settings

    def run(self) -> Counter[State]:
        return Counter(self._treat(instance) for instance in self.description.instances)

    def _treat(self, instance: Instance) -> State:
        record = current(read_records(instance.tags))
        if record is not None and not record.result:
            record = self._follow(instance, record)
            if record is None:
                return State.PENDING
        if record is not None and record.result == "failure":
            return State.FAILED
        return self._repair(instance)

    def _follow(self, instance: Instance, record: Record) -> Record | None:
        """Turn a pending repair into a result once its jobs have ended; None if they have not."""
        rows = self.client.query_jobs(list(record.jobs), ["status"])
        states = [str(row[0]) if row else "lost" for row in rows]
        if any(state in _RUNNING for state in states):
            return None
        result = "success" if all(state == "success" for state in states) else "failure"
        self._tag(instance, "OP_TAGS_SET", result_tag(record, result))
        self._tag(instance, "OP_TAGS_DEL", record.tag)
        return Record(
            record.kind, record.uuid, record.time, record.jobs, result, record.tag
        )

    def _repair(self, instance: Instance) -> State:
        nodes = self.description.nodes
        primary = nodes[instance.primary]
        second_offline = instance.secondary >= 0 and is_off(nodes[instance.secondary])
        kind = diagnose(instance.kind, is_off(primary), second_offline)
        if kind is None:
            return State.HEALTHY
        group = self.description.groups[primary.group]
        allowed = read_policy([instance.tags, group.tags, self.description.tags])
        if allowed.strongest is None:
            return State.NEEDS_REPAIR
        now, identity = int(time.time()), str(uuid.uuid4())
        if not allowed.permits(kind, now):
            refused = Record(kind, identity, now, (), "enoperm", "")
            self._tag(instance, "OP_TAGS_SET", result_tag(refused, "enoperm"))
            return State.NEEDS_REPAIR
        say(f"Instance {instance.name} needs {kind}")
        if self.settings.dry_run:
            return State.NEEDS_REPAIR
        job = self.client.submit_job(self._annotated(_opcodes(instance, kind, self.settings)))
        self._tag(instance, "OP_TAGS_SET", pending_tag(kind, identity, now, [job]))
        return State.PENDING

    def _tag(self, instance: Instance, opcode: str, tag: str) -> None:
        if self.settings.dry_run:
            return
        operation = {"OP_ID": opcode, "kind": "instance", "name": instance.name, "tags": [tag]}
        self.client.submit_job(self._annotated([operation]))

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
