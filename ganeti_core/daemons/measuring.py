"""Connects the master's parts with what is counted and measured of their work."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from ganeti_core.errors import JobCanceled, NodeUnreachable, OutcomeUnknown
from ganeti_core.figures import Figures
from ganeti_core.jobs.debts import debt_document
from ganeti_core.jobs.spans import spans_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ganeti_core.config.store import Store
    from ganeti_core.errors import GanetiError
    from ganeti_core.figures import Samples
    from ganeti_core.jobs.engine import JobEngine
    from ganeti_core.jobs.job import Job, Timestamp
    from ganeti_core.locking import LockManager
    from ganeti_core.rpc.client import NodeClients, Peer
    from ganeti_core.spans import Export


def measure(
    store: Store, locks: LockManager, nodes: NodeClients, engine: JobEngine,
    copies: Callable[[], Mapping[str, bool]],
) -> Figures:
    """Let the parts tell what happens from now on.

    :param copies: whether the copy of each master candidate is current
    """
    figures = Figures()
    store.journal.on_commit = figures.commit.observe
    locks.on_grant = figures.lock_wait.observe

    def failed(peer: Peer, error: GanetiError) -> None:
        if not isinstance(error, JobCanceled):
            figures.rpc_errors.add(peer.name, _kind(error))

    def ended(job: Job) -> None:
        first = job.ops[:1]  # a job may have no opcodes
        if first and (began := first[0].exec) is not None and job.end is not None:
            opcode = first[0].summary().partition("(")[0]
            figures.job_wait.observe(_between(job.received, began), opcode)
            figures.job_run.observe(_between(began, job.end), opcode)

    nodes.failed = failed
    engine.on_end = ended

    def debts() -> Samples:
        found = Counter((document["node_name"], document["kind"]) for document in (
            debt_document(entry, store.snapshot) for entry in engine.debts.all()))
        return [[*labels, count] for labels, count in sorted(found.items())]

    figures.asked["debts"] = debts
    figures.asked["stale_candidates"] = lambda: [
        [sum(not current for current in copies().values())]]
    return figures


def tell_jobs(engine: JobEngine, spans: Export | None, cluster: Callable[[], str]) -> None:
    """Tell tracing systems of each job that ends, where there are any.

    :param cluster: gives its uuid
    """
    if spans is None:
        return
    before = engine.on_end

    def ended(job: Job) -> None:
        before(job)
        for span in spans_of(cluster(), job):
            spans(span)

    engine.on_end = ended


def _kind(error: GanetiError) -> str:
    if isinstance(error, NodeUnreachable):
        return "unreachable"
    return "unanswered" if isinstance(error, OutcomeUnknown) else "refused"


def _between(begin: Timestamp, end: Timestamp) -> float:
    return end[0] - begin[0] + (end[1] - begin[1]) / 1e6
