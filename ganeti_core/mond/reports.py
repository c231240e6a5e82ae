"""The reports of this node's collectors, read again when their files have changed."""

from __future__ import annotations

import json
import logging
import os
from dataclasses import field
from functools import cached_property
from typing import TYPE_CHECKING

from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.mond.exposition import Lines, lines_of
from ganeti_core.node.published import SUFFIX, Published

if TYPE_CHECKING:
    from pathlib import Path

log = logging.getLogger(__name__)

LARGEST = 4 << 20
"""Bytes of a file; the node daemon writes no larger ones."""


@dataclass(frozen=True)
class Known:
    """One collector, with the texts that are made of it once per report."""

    published: Published

    @cached_property
    def report(self) -> str:
        """The report as JSON; ``null``: nothing was collected yet."""
        return json.dumps(self.published.report)

    @cached_property
    def lines(self) -> Lines:
        return lines_of(self.published.metrics, self.published.samples)


_Seen = tuple[tuple[int, int, int], Known | None]
"""A file as it was (inode, time, size), and its report; None: it could not be read."""


@dataclass
class Reports:
    """Reads the folder of reports; used by one thread."""

    folder: Path
    _found: dict[str, _Seen] = field(default_factory=dict)

    def all(self) -> list[Known]:
        """Every active collector, by name; what cannot be read is left out, and logged once."""
        found: dict[str, _Seen] = {}
        try:
            with os.scandir(self.folder) as entries:
                for entry in entries:
                    if entry.name.endswith(SUFFIX) and not entry.name.startswith("."):
                        self._read(entry, found)
        except FileNotFoundError:
            pass  # the node daemon has not begun yet
        self._found = found
        return [known for _, (_, known) in sorted(found.items()) if known is not None]

    def _read(self, entry: os.DirEntry[str], found: dict[str, _Seen]) -> None:
        try:
            state = entry.stat()
        except FileNotFoundError:
            return
        stamp = (state.st_ino, state.st_mtime_ns, state.st_size)
        before = self._found.get(entry.name)
        if before is not None and before[0] == stamp:
            found[entry.name] = before
            return
        try:
            if state.st_size > LARGEST:
                raise ValueError(f"it has {state.st_size} bytes")
            with open(entry.path) as file:
                found[entry.name] = stamp, Known(Published.from_text(file.read()))
        except FileNotFoundError:
            pass
        except (OSError, ValueError) as exc:
            found[entry.name] = stamp, None
            log.warning("%s cannot be read: %s", entry.path, exc)
