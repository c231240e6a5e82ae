"""From a datagram to its answer: no socket, no clock, no file in it."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from ganeti_core.confd_client.messages import ERROR, Answer, read_request, write_answer
from ganeti_core.lazy_dataclass import dataclass

if TYPE_CHECKING:
    from ganeti_core.confd.answers import Answers
    from ganeti_core.confd_client.messages import Query

MOST_KEPT = 4096
LARGEST_KEPT = 4096
"""Characters of an answer that is kept: memory is bounded by both."""
NOTHING_YET = Answer.of(ERROR, "Configuration not yet loaded")


@dataclass
class Service:
    """Answers requests from the state of the configuration that it was given last.

    :param key: the cluster's; all bytes of its file, as Ganeti takes it
    """

    key: bytes
    _answers: Answers | None = None
    _kept: dict[tuple[int, Query], Answer] = field(default_factory=dict)

    def use(self, answers: Answers | None) -> None:
        """Answer from this state from now on; None: there is no configuration on this node."""
        self._answers, self._kept = answers, {}

    def reply(self, datagram: bytes, now: float) -> bytes:
        """Return the datagram to send back.

        :raises Ignored: it deserves none
        """
        request = read_request(self.key, datagram, now)
        # One state for the whole answer, whatever `use` does meanwhile.
        answers, kept = self._answers, self._kept
        if answers is None:
            return write_answer(self.key, request.rsalt, NOTHING_YET)
        question = (request.type, request.query)
        found = kept.get(question)
        if found is None:
            found = answers.of(*question)
            if len(kept) < MOST_KEPT and len(found.text) <= LARGEST_KEPT:
                kept[question] = found
        return write_answer(self.key, request.rsalt, found)
