"""A file of many lines that counts as it is now: it is read again when it has changed."""

from __future__ import annotations

import logging
import time
from dataclasses import field
from typing import TYPE_CHECKING, Generic, TypeVar

from ganeti_core.lazy_dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from pathlib import Path

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
"""A change of the file counts at the latest after so long."""
E = TypeVar("E")


@dataclass
class WatchedFile(Generic[E]):
    """The entries of a file by their keys; a file that cannot be read has none.

    :param file: where it is; it may be missing
    :param parse: makes entries of its text, and says what is odd in it
    :param title: of such a file and its entries in the log: ``users``
    :param clock: monotonic seconds
    """

    file: Path
    parse: Callable[[str], tuple[dict[str, E], list[str]]]
    title: str
    clock: Callable[[], float] = time.monotonic
    _entries: Mapping[str, E] = field(default_factory=dict)
    _seen: tuple[int, ...] | None = None
    _next_look: float = 0.0
    _complaint: str = ""

    def get(self, key: str) -> E | None:
        """Find an entry; looks first whether the file has changed."""
        return self._current().get(key)

    def all(self) -> Collection[E]:
        """All entries, as `get` finds them."""
        return self._current().values()

    def _current(self) -> Mapping[str, E]:
        if self.clock() >= self._next_look:
            self.look()
        return self._entries

    def look(self) -> None:
        """Read the file if it is another one than before."""
        self._next_look = self.clock() + LOOK_SECONDS
        try:
            found = self.file.stat()
            seen = (found.st_ino, found.st_mtime_ns, found.st_size)
            if seen == self._seen:
                return
            text = self.file.read_text()
        except FileNotFoundError:
            self._forget(logging.INFO, f"there is no {self.title} file {self.file}")
            return
        except (OSError, UnicodeDecodeError) as exc:
            self._forget(logging.WARNING,
                         f"the {self.title} file {self.file} cannot be read: {exc}")
            return
        self._entries, odd = self.parse(text)
        self._seen, self._complaint = seen, ""
        log.info("the %s file %s has %d %s", self.title, self.file, len(self._entries), self.title)
        for problem in odd:
            log.warning("%s file: %s", self.title, problem)

    def _forget(self, level: int, why: str) -> None:
        if why != self._complaint:
            log.log(level, "%s", why)
        self._entries, self._seen, self._complaint = {}, None, why
