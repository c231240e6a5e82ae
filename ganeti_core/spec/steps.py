"""What a plan is made of: one step per object, which is one job, and what stands in the way."""

from __future__ import annotations

from dataclasses import field
from enum import IntEnum
from typing import Any

from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.spec.text import in_one_line

OpcodeDict = dict[str, Any]
NOTHING = "(none)"
"""Shown for a value that is not there."""


class Stage(IntEnum):
    """In what order steps are done: each after all steps of earlier stages that succeeded."""

    SETTINGS = 0
    OBJECTS = 1
    """Groups and networks."""
    MEMBERS = 2
    """Nodes in groups, connections of networks."""
    INSTANCES = 3
    REMOVED_INSTANCES = 4
    DISCONNECTIONS = 5
    REMOVED_OBJECTS = 6
    LAST_SETTINGS = 7
    """What could not be while removed objects were there."""


@dataclass(frozen=True)
class Step:
    """One job.

    :param sign: ``+`` for what is made, ``~`` for what is changed, ``-`` for what is removed
    :param details: what changes, a line each
    :param destroys: whether data of instances is lost
    """

    stage: Stage
    sign: str
    what: str
    opcodes: tuple[OpcodeDict, ...]
    details: tuple[str, ...] = ()
    destroys: bool = False


@dataclass
class Plan:
    """What differs.

    :param refused: what cannot be done in place: sentences that name it
    :param left: what the file lacks and nothing removes without ``--prune``
    """

    steps: list[Step] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)

    def ordered(self) -> list[Step]:
        """The steps in the order of their stages."""
        return sorted(self.steps, key=lambda step: step.stage)

    def batch(self) -> list[list[OpcodeDict]]:
        """The jobs for one submission: each depends on all of the stages before its own that any
        later stage does not depend on already."""
        jobs: list[list[OpcodeDict]] = []
        stages: list[list[int]] = []
        last = None
        for at, step in enumerate(self.ordered()):
            if step.stage != last:
                stages.append([])
                last = step.stage
            before = stages[-2] if len(stages) > 1 else []
            first, *rest = step.opcodes
            depends = [[earlier - at, ["success"]] for earlier in before]
            jobs.append([{**first, "depends": depends} if depends else first, *rest])
            stages[-1].append(at)
        return jobs


def shown(value: Any) -> str:
    """A value in a line for people."""
    return value if isinstance(value, str) else in_one_line(value)


def change_line(name: str, old: Any, new: Any) -> str:
    return f"{name}: {shown(old)} -> {shown(new)}"
