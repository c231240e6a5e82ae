"""Regular expressions of filters, and globs.

A filter comes from any client and runs inside the master, where Python's `re` could be made to
backtrack for hours, or to spend seconds on compiling sets of characters. So the parser of `re`
checks the syntax, whose messages clients know, and RE2 compiles and matches, in time linear in the
text. What RE2 cannot do is refused: references back to groups, looking around.
Classes such as ``\\w`` are of ASCII, and ``$`` is the end of the text even before a last newline.
"""

from __future__ import annotations

import re
import threading
import warnings
from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

from ganeti_core.errors import RequestError

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_PATTERN = 500
MAX_MEMORY = 1 << 20
"""Bytes that a compiled pattern and its states may take."""

_GANETI_TEXTS = {
    "missing ), unterminated subpattern": "missing )",
    "unterminated character set": "missing terminating ] for character class",
    "unbalanced parenthesis": "unmatched parentheses",
    "bad escape (end of pattern)": "\\ at end of pattern",
}


_parse = import_module("re._parser").parse
"""The first half of `re.compile`. The second looks at each of the 65,536 characters of a set that
heeds no case, for every such set in a pattern."""


_warning = threading.Lock()
"""Which warnings are errors is one thing of the whole process: two threads that change it and put
it back would leave it changed."""


def check_syntax(text: str) -> None:
    """:raises RequestError: `text` is no regular expression, or longer than `MAX_PATTERN`"""
    if len(text) > MAX_PATTERN:
        raise RequestError(f"Regular expression too long: more than {MAX_PATTERN} characters")
    try:
        with _warning, warnings.catch_warnings():
            # Those of other threads meanwhile are of other categories.
            warnings.simplefilter("error", FutureWarning)
            _parse(text)
    except re.error as exc:
        message = _GANETI_TEXTS.get(exc.msg, exc.msg)
        position = len(text) if exc.msg in _GANETI_TEXTS else exc.pos
        raise RequestError(f'({position},"{message}")') from exc
    except (Warning, OverflowError, RecursionError, ValueError) as exc:
        raise RequestError(f'(0,"{exc}")') from exc


class Pattern(Protocol):
    """A compiled pattern. Safe to use from several threads."""

    def search(self, text: str) -> object:
        """Return something true if it matches somewhere in `text`."""


@lru_cache(maxsize=32)
def compile_pattern(text: str) -> Pattern:
    """Compile a pattern.

    :raises RequestError: it is no regular expression, or one that cannot be matched in linear time
    """
    check_syntax(text)
    # Imported late: commands, which only check syntax, need not load it.
    import re2

    options = re2.Options()
    options.log_errors = False
    options.max_mem = MAX_MEMORY
    try:
        return cast("Pattern", re2.compile("".join(_translated(text)), options=options))
    except re2.error as exc:
        reason = exc.args[0].decode() if exc.args and isinstance(exc.args[0], bytes) else str(exc)
        raise RequestError(f"Regular expression refused, {reason}: {text}") from exc


_PIECE = re.compile(r"\\u([0-9a-fA-F]{4})|\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\{,(\d+)\}|.", re.DOTALL)
"""What differs between the two languages, and what must not be looked into for it. No
character can be matched in two ways: `re` would try them all where a bracket in a comment is open.
"""


def _translated(text: str) -> Iterator[str]:
    """The pattern in RE2's words, piece by piece."""
    for found in _PIECE.finditer(text):
        piece, code, most = found[0], found[1], found[2]
        if code is not None:
            yield rf"\x{{{code}}}"
        elif most is not None:
            yield f"{{0,{most}}}"
        else:
            yield r"\z" if piece == r"\Z" else piece


def glob_pattern(glob: str) -> str:
    """The regular expression of a glob over host names.

    ``*`` and ``?`` stay within one label of the name, and further labels may follow the glob.
    """
    translated = {"*": "[^.]*", "?": "[^.]"}
    parts = re.findall(r"[*?]|[^*?]+", re.sub(r"\*+", "*", glob))
    return rf"^{''.join(translated.get(part) or re.escape(part) for part in parts)}(\.|$)"
