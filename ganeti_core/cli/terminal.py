"""What only a terminal is shown: colours, and a line that says how far a job is.

Pipes and files get plain lines, and so does a terminal whose user has set ``NO_COLOR`` or that is
``dumb``.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, TextIO

from ganeti_core.lazy_dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Sequence

BOLD, FAINT, RED, YELLOW = "1", "2", "31", "33"
"""As numbers of ECMA-48's "select graphic rendition"."""
_NODATA, _OFFLINE = 2, 4
"""Of cells: a node did not answer, or is not asked."""
_TROUBLE = frozenset({"error"})
_AT_REST = frozenset({"ADMIN_down", "ADMIN_offline", "USER_down", "canceled"})


def is_terminal(stream: TextIO) -> bool:
    """Whether a stream is a terminal that understands more than lines."""
    return os.environ.get("TERM", "dumb") != "dumb" and stream.isatty()


def paint(text: str, colour: str, stream: TextIO) -> str:
    """A text as it is written to a stream: in a colour, or plainly."""
    if not text or not colour or os.environ.get("NO_COLOR") or not is_terminal(stream):
        return text
    return f"\x1b[{colour}m{text}\x1b[0m"


def painted_table(
    lines: Sequence[str], answer: dict[str, Any], stream: TextIO, *, headers: bool
) -> list[str]:
    """The lines of a listing: titles stand out, and so does what is wrong."""
    if os.environ.get("NO_COLOR") or not is_terminal(stream):
        return list(lines)
    at = next((index for index, field in enumerate(answer["fields"])
               if field["name"] == "status"), None)
    colours = [BOLD] * headers + [_colour(row, at) for row in answer["data"]]
    return [paint(line, colour, stream) for line, colour in zip(lines, colours, strict=True)]


def _colour(row: Sequence[Sequence[Any]], status_at: int | None) -> str:
    status = "" if status_at is None else str(row[status_at][1])
    if status.startswith("ERROR") or status in _TROUBLE:
        return RED
    if any(cell[0] in (_NODATA, _OFFLINE) for cell in row):
        return YELLOW
    return FAINT if status in _AT_REST else ""


def painted_message(text: str, stream: TextIO) -> str:
    """A line of a job's log: errors and warnings stand out."""
    begins = text.lstrip(" -*")
    return paint(text, RED if begins.startswith("ERROR") else
                 YELLOW if begins.startswith("WARNING") else "", stream)


@dataclass
class Progress:
    """A line at the end of a terminal that goes when something is printed; elsewhere nothing."""

    stream: TextIO
    _shown: str = ""

    def show(self, text: str) -> None:
        """Show this in the place of what was shown."""
        if text == self._shown or not is_terminal(self.stream):
            return
        width = os.get_terminal_size(self.stream.fileno()).columns or 80
        self.stream.write(f"\r{text[:width - 1]}\x1b[K")
        self.stream.flush()
        self._shown = text

    def clear(self) -> None:
        if self._shown:
            self.stream.write("\r\x1b[K")
            self.stream.flush()
            self._shown = ""
