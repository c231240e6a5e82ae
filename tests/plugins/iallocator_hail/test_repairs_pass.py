"""One pass of harep over a cluster, against a master of ours that keeps tags and jobs."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from clusters import Shape, build

from ganeti_core.luxi.client import LuxiClient
from ganeti_core.luxi.job_seen import JobSeen
from ganeti_plugins.iallocator_hail.records import Description, Instance
from ganeti_plugins.iallocator_hail.search.repair import PREFIX, State
from ganeti_plugins.iallocator_hail.tools.harep import Repairs
from ganeti_plugins.iallocator_hail.tools.settings import Settings


@dataclass
class Master(LuxiClient):
    """Runs jobs that change tags at once; other ones stay as `others` says."""

    tags: list[str]
    others: str = "waiting"
    refuses_tags: bool = False
    jobs: list[tuple[list[dict[str, Any]], str]] = field(default_factory=list)
    canceled: list[int] = field(default_factory=list)
    has_begun: bool = False

    def submit_job(self, ops: list[dict[str, Any]]) -> int:
        self.jobs.append((ops, self._run(ops[0])))
        return len(self.jobs)

    def _run(self, opcode: dict[str, Any]) -> str:
        if not opcode["OP_ID"].startswith("OP_TAGS"):
            return self.others
        if self.refuses_tags:
            return "error"
        if opcode["OP_ID"] == "OP_TAGS_SET":
            self.tags += opcode["tags"]
        else:
            self.tags = [tag for tag in self.tags if tag not in opcode["tags"]]
        return "success"

    def query_jobs(self, job_ids: list[int] | None, fields: list[str]) -> list[Any]:
        return [[self.others] for _ in job_ids or ()]

    def wait_for_job_change(
        self, job_id: int, seen: JobSeen, *, wait: float
    ) -> list[list[Any]] | None:
        return seen.take([[self.jobs[job_id - 1][1]], []])

    def cancel_job(self, job_id: int, kill: bool = False) -> tuple[bool, str]:
        self.canceled.append(job_id)
        return not self.has_begun, "Job 1 is no longer waiting in the queue"

    @property
    def repairs(self) -> list[str]:
        return [ops[-1]["OP_ID"] for ops, _ in self.jobs if not ops[0]["OP_ID"].startswith("OP_TA")]


def lost(tags: list[str]) -> Description:
    """A mirrored instance whose primary node is offline."""
    made = build(Shape(3, 0), 1)
    one = Instance("web", 1024, 1024, 1, "drbd", primary=0, secondary=1, tags=tuple(tags))
    return replace(made, instances=(one,),
                   nodes=(replace(made.nodes[0], offline=True), *made.nodes[1:]))


def run(master: Master) -> State:
    (state,) = Repairs(master, lost(master.tags), Settings()).run()
    return state


def test_a_repair_that_is_not_allowed_is_noted_once() -> None:
    master = Master([PREFIX + "fix-storage"])
    for _ in range(3):
        assert run(master) is State.NEEDS_REPAIR
    assert len(master.tags) == 2
    assert ":enoperm:" in master.tags[1]

    # Once it is allowed, the repair takes the place of the note.
    master.tags[0] = PREFIX + "failover"
    assert run(master) is State.PENDING
    assert [":pending:" in tag for tag in master.tags] == [False, True]
    assert run(master) is State.PENDING
    assert master.repairs == ["OP_INSTANCE_FAILOVER"]


def test_a_repair_whose_tag_cannot_be_written_is_taken_back(
    capsys: pytest.CaptureFixture[str],
) -> None:
    master = Master([PREFIX + "reinstall"], refuses_tags=True)
    repairs = Repairs(master, lost(master.tags), Settings())
    assert list(repairs.run()) == [State.NEEDS_REPAIR]
    assert repairs.failed
    assert master.canceled == [1]
    assert "could not be changed" in capsys.readouterr().err


def test_a_repair_without_its_tag_that_has_begun_is_named(
    capsys: pytest.CaptureFixture[str]
) -> None:
    master = Master([PREFIX + "failover"], refuses_tags=True, has_begun=True)
    Repairs(master, lost(master.tags), Settings()).run()
    assert "its repair, job 1, goes on: Job 1 is no longer" in capsys.readouterr().err


def test_what_was_read_before_a_repair_has_ended_leads_to_no_other_one() -> None:
    master = Master([PREFIX + "failover"])
    run(master)
    master.others = "success"
    assert run(master) is State.NEEDS_REPAIR
    assert master.repairs == ["OP_INSTANCE_FAILOVER"]
    assert [":success:" in tag for tag in master.tags] == [False, True]
