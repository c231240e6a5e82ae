"""The durable queue: jobs get ids, become rows, change by small rows, are archived.

Every job is written once, whole; what happens to it later is journaled as small changes. A caller
learns an id only after the commit that made the job durable.
"""

from __future__ import annotations

import itertools
import json
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ganeti_core.config.database import Write
from ganeti_core.errors import RequestError
from ganeti_core.jobs.job import (
    STATUSES,
    Job,
    OpState,
    apply_change,
    decode,
    encode,
    now,
    to_json,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ganeti_core.config.journal import Journal
    from ganeti_core.opcodes.base import OpCode

LAST_JOB = "last_job"


class JobQueue:
    """All jobs that are not archived, by id. Touched by the engine's event loop alone."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.jobs: dict[int, Job] = {}
        self._last = int(journal.meta().get(LAST_JOB, 0))
        self._load()

    def _load(self) -> None:
        for job_id, doc in self.journal.rows("job"):
            self.jobs[job_id] = decode(job_id, doc)
        for job_id, seq, doc in self.journal.rows("job_change"):
            job = self.jobs.get(job_id)
            if job is not None:
                apply_change(job, doc)
                job.sequence = itertools.count(seq + 1)

    @property
    def last_id(self) -> int:
        """The highest job id that was ever given; 0 before the first."""
        return self._last

    def prepare(self, submitted: Sequence[Sequence[OpCode]]) -> tuple[list[Job], list[Write]]:
        """Give ids to new jobs and make their rows; they count once the rows are durable.

        :raises RequestError: a relative dependency leads before the first job
        """
        received = now()
        jobs: list[Job] = []
        for ops in submitted:
            job_id = self._last + len(jobs) + 1
            states = [_new_state(op, job_id, index) for index, op in enumerate(ops)]
            jobs.append(Job(job_id, states, received))
        self._last += len(jobs)
        writes = [Write("job", (job.id,), encode(job)) for job in jobs]
        writes.append(Write("meta", (LAST_JOB,), str(self._last)))
        return jobs, writes

    def change_row(self, job: Job, doc: dict[str, Any]) -> Write:
        """The row of one change of a job.

        :param doc: ``{"op": index, ...}`` with what changed of an opcode, ``{"job": {...}}`` with
            the new start or end of the job, or both
        """
        return Write("job_change", (job.id, next(job.sequence)), to_json(doc))

    def archive_rows(self, job: Job) -> list[Write]:
        """The rows that move a finished job to the archive."""
        return [Write("job", (job.id,), None), Write("job_change", (job.id,), None),
                Write("archive", (job.id,), encode(job))]

    def archived(self, job_id: int) -> Job | None:
        """Read a job from the archive; None when it is not there."""
        if not 0 < job_id <= self._last:
            return None  # never given: no look at the disk, which cannot count that far either
        text = self.journal.read("archive", (job_id,))
        return decode(job_id, text) if text is not None else None

    def archived_ids(self) -> list[int]:
        return self.journal.read_ids("archive")


def _new_state(op: OpCode, job_id: int, index: int) -> OpState:
    name = op.op_id.removeprefix("OP_").lower()
    trail = [*op.reason, [f"gnt:opcode:{name}", f"job={job_id};index={index}", time.time_ns()]]
    return OpState(
        replace(op, reason=trail, depends=_absolute(op.depends, job_id)), None, op.priority)


def _absolute(depends: list[Any] | None, job_id: int) -> list[Any] | None:
    """Turn relative job ids of dependencies into absolute ones.

    :raises RequestError: an entry is no ``[id, [states]]``, there is no such state, or it leads
        before the first job
    """
    if not depends:
        return depends
    absolute: list[Any] = []
    for entry in depends:
        match entry:
            case [int(wanted), [*states]] if not isinstance(wanted, bool) and wanted:
                target = wanted if wanted > 0 else job_id + wanted
            case [str(text), [*states]] if text.isascii() and text.isdigit() and len(text) < 19:
                target = int(text)
            case _:
                raise RequestError(f"Can't parse value for 'depends': {json.dumps(entry)}")
        if not all(isinstance(state, str) and state in STATUSES for state in states):
            raise RequestError(f"Can't parse value for 'depends': {json.dumps(states)} are not"
                               f" statuses of jobs, which are {', '.join(STATUSES)}")
        if not 0 < target < job_id:
            raise RequestError(f"Can't parse value for 'depends': no earlier job {entry[0]}")
        absolute.append([target, states])
    return absolute
