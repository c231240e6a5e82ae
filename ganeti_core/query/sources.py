"""Where queries get what is neither configuration nor told by nodes: jobs and locks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


class LockStatus(NamedTuple):
    """A lock: who holds it in which mode (None: nobody), who waits.

    `pending` has ``(mode, (job, ...))`` for each waiting request.
    """

    name: str
    mode: str | None
    owners: Sequence[str]
    pending: Sequence[tuple[str, Sequence[str]]]


class JobSource(Protocol):
    """The job queue, as queries see it."""

    def jobs(self, ids: Sequence[int] | None, archived: bool) -> Iterable[Mapping[str, Any]]:
        """Documents of jobs, in any order.

        A document has ``id``, ``status``, ``archived``, ``received_timestamp``,
        ``start_timestamp``, ``end_timestamp`` (``[seconds, microseconds]`` or None) and ``ops``:
        ``input``, ``status``, ``result``, ``log``, ``priority``, ``start_timestamp``,
        ``exec_timestamp``, ``end_timestamp`` each.

        :param ids: only these, archived ones too; unknown ids are left out. None: every job
        :param archived: with all jobs also those that are archived
        """


class LockSource(Protocol):
    """The lock manager, as queries see it."""

    def locks(self) -> Iterable[LockStatus]:
        """Every lock that is held or waited for."""


class _Nothing:
    """Neither jobs nor locks."""

    def jobs(self, ids: Sequence[int] | None, archived: bool) -> Iterable[Mapping[str, Any]]:
        _ = ids, archived
        return ()

    def locks(self) -> Iterable[LockStatus]:
        return ()


NO_JOBS: JobSource = _Nothing()
NO_LOCKS: LockSource = _Nothing()
