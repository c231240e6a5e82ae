"""The spans of a job that has ended and of its opcodes. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ganeti_core.jobs.job import ERROR
from ganeti_core.spans import Place, Span

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ganeti_core.jobs.job import Job, OpState, Timestamp


def spans_of(cluster: str, job: Job) -> Iterator[Span]:
    """Of a job that has ended; it began when it was submitted.

    :param cluster: its uuid
    """
    place, end = Place.of_job(cluster, job.id), job.end or job.received
    failed = next((state for state in job.ops if state.status == ERROR), None)
    yield Span(
        "job", "server", place.trace, place.span, "", _nanoseconds(job.received),
        _nanoseconds(end), {"ganeti.job.id": job.id, "ganeti.job.status": job.status,
                            "ganeti.job.summary": ", ".join(job.summary())[:SUMMARY]},
        _why(failed.result) if failed is not None else "")
    for index, state in enumerate(job.ops):
        if state.start is not None:
            yield from _of_opcode(Place.of_opcode(cluster, job.id, index), place.span, state, end)


SUMMARY = 200
"""Characters of the opcodes' summaries."""


def _of_opcode(place: Place, job: str, state: OpState, job_end: Timestamp) -> Iterator[Span]:
    """The span of an opcode that has begun, and of its wait for locks."""
    begin, end = _nanoseconds(state.start or job_end), _nanoseconds(state.end or job_end)
    yield Span(
        state.summary().partition("(")[0], "internal", place.trace, place.span, job, begin, end,
        {"ganeti.opcode": state.summary(), "ganeti.opcode.status": state.status},
        _why(state.result) if state.status == ERROR else "")
    if state.exec is not None:
        yield Span("locks", "internal", place.trace, place.below().span, place.span, begin,
                   _nanoseconds(state.exec))


def _why(result: Any) -> str:
    """The message of an error as it is stored."""
    match result:
        case [str(name), [str(message), *_]]:
            return f"{name}: {message}"
    return "it failed"


def _nanoseconds(stamp: Timestamp) -> int:
    return stamp[0] * 1_000_000_000 + stamp[1] * 1000
