"""Automatic repairs: what tags allow, what is under way, and what an instance needs.

Tags: `ganeti:watcher:autorepair:<type>` allows repairs up to a type (on the instance, its group
or the cluster, the nearest counts), `...:suspend[:<unix time>]` forbids them; the state of
repairs is kept in `...:pending:` and `...:result:` tags of the instance.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

PREFIX: Final = "ganeti:watcher:autorepair:"
TYPES: Final = ("fix-storage", "migrate", "failover", "reinstall")
"""Kinds of repair, mildest first."""
RESULTS: Final = ("enoperm", "success", "failure")


@dataclass(frozen=True, slots=True)
class Allowed:
    """The strongest repair allowed (None: none at all), and until when repairs are suspended."""

    strongest: str | None = None
    suspended_until: float = 0.0

    def permits(self, kind: str, now: float) -> bool:
        """Whether a repair may be made."""
        if self.strongest is None or now < self.suspended_until:
            return False
        return TYPES.index(kind) <= TYPES.index(self.strongest)


@dataclass(frozen=True, slots=True)
class Record:
    """One repair, pending (`result` is empty) or done."""

    kind: str
    uuid: str
    time: int
    jobs: tuple[int, ...]
    result: str
    tag: str


class State(IntEnum):
    """How an instance stands, in the order of the final report."""

    HEALTHY = 0
    FAILED = 1
    PENDING = 2
    NEEDS_REPAIR = 3


def read_policy(levels: Sequence[Iterable[str]]) -> Allowed:
    """What tags allow; `levels` are the tags of instance, group and cluster."""
    for tags in levels:
        found = [tag.removeprefix(PREFIX) for tag in tags if tag.startswith(PREFIX)]
        until = [_suspension(text) for text in found if text.split(":")[0] == "suspend"]
        if until:
            return Allowed(None, max(until))
        kinds = [text for text in found if text in TYPES]
        if kinds:
            return Allowed(min(kinds, key=TYPES.index))
    return Allowed()


def _suspension(text: str) -> float:
    _, _, until = text.partition(":")
    return float(until) if until.isdigit() else float("inf")


def read_records(tags: Iterable[str]) -> list[Record]:
    """The repairs that an instance's tags tell of; malformed tags are passed over."""
    found = (_record(tag) for tag in tags if tag.startswith(PREFIX))
    return [record for record in found if record is not None]


def _record(tag: str) -> Record | None:
    parts = tag.removeprefix(PREFIX).split(":")
    pending = parts[0] == "pending" and len(parts) == 5
    done = parts[0] == "result" and len(parts) == 6 and parts[4] in RESULTS
    if not (pending or done) or parts[1] not in TYPES or not parts[3].isdigit():
        return None
    numbers = [number for number in parts[-1].split("+") if number]
    if not all(number.isdigit() for number in numbers):
        return None
    result = parts[4] if done else ""
    return Record(parts[1], parts[2], int(parts[3]), tuple(map(int, numbers)), result, tag)


def current(records: Sequence[Record]) -> Record | None:
    """The repair that decides how an instance stands.

    The first failure sticks; else a pending repair counts, else the newest result.
    """
    latest: dict[str, Record] = {}
    for record in sorted(records, key=_rank):
        latest[record.uuid] = record
    groups = sorted(latest.values(), key=lambda record: record.time)
    for wanted in ("failure", ""):
        for record in groups:
            if record.result == wanted:
                return record
    return groups[-1] if groups else None


def _rank(record: Record) -> tuple[int, int]:
    order = RESULTS.index(record.result) + 1 if record.result else 0
    return order, record.time


def pending_tag(kind: str, uuid: str, time: int, jobs: Sequence[int]) -> str:
    """The tag that notes a repair under way."""
    return f"{PREFIX}pending:{kind}:{uuid}:{time}:{_joined(jobs)}"


def result_tag(record: Record, result: str) -> str:
    """The tag that notes how a repair ended."""
    jobs = _joined(record.jobs)
    return f"{PREFIX}result:{record.kind}:{record.uuid}:{record.time}:{result}:{jobs}"


def _joined(jobs: Sequence[int]) -> str:
    return "+".join(map(str, jobs))


def diagnose(template: str, primary_offline: bool, secondary_offline: bool) -> str | None:
    """The repair that an instance needs, None for a healthy one (or one that nothing helps)."""
    if template == "drbd":
        if primary_offline and secondary_offline:
            return "reinstall"
        if primary_offline:
            return "failover"
        return "fix-storage" if secondary_offline else None
    return "reinstall" if template == "plain" and primary_offline else None
