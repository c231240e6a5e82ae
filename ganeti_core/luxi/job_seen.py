"""What a client has seen of a job that it follows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ganeti_core.lazy_dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass
class JobSeen:
    """The fields that a client follows, and how far it has read the job's log.

    The master answers ``WaitForJobChange`` at once as long as there is something that the client
    does not know. Who says only which fields it has seen asks again and again without a pause, from
    the first entry of the log to the end of the job.

    :param values: of `fields`, None before the first answer
    :param serial: of the last entry of the log, None before the first
    """

    fields: Sequence[str]
    values: list[Any] | None = None
    serial: int | None = None

    def take(self, answer: Any) -> list[list[Any]]:
        """Add what the master answered, and return the new entries of the log: serial, time, kind,
        text each."""
        if not isinstance(answer, list):
            return []
        self.values = answer[0]
        entries: list[list[Any]] = answer[1] or []
        if entries:
            self.serial = max(self.serial or 0, *(entry[0] for entry in entries))
        return entries
