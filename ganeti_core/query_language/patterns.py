"""Regular expressions of filters, kept from stalling the master.

A filter comes from any client and runs inside the master, and Python's `re` backtracks: some
patterns take it time exponential in the length of the value, with every thread waiting. So
patterns are checked by `re` and matched by an automaton, in linear time. What an automaton cannot
do is refused: references back to groups and looking around. Patterns of more than `MAX_PATTERN`
characters, or that are large once their counted repetitions are written out, are refused too.
"""

from __future__ import annotations

import re
import warnings
from functools import lru_cache

from ganeti_core.errors import RequestError

from .automaton import Automaton, TooLargeError
from .regex import UnsupportedError, parse_regex

MAX_PATTERN = 500

_PEER_TEXTS = {
    "missing ), unterminated subpattern": "missing )",
    "unterminated character set": "missing terminating ] for character class",
    "unbalanced parenthesis": "unmatched parentheses",
    "bad escape (end of pattern)": "\\ at end of pattern",
}


@lru_cache(maxsize=32)
def compile_pattern(text: str) -> Automaton:
    """Compile a pattern.

    :raises RequestError: it is no regular expression, or one that cannot be matched in linear time
    """
    if len(text) > MAX_PATTERN:
        raise RequestError(f"Regular expression too long: more than {MAX_PATTERN} characters")
    _check_syntax(text)
    try:
        return Automaton(parse_regex(text))
    except UnsupportedError as exc:
        raise RequestError(f"Regular expression refused, it {exc}: {text}") from exc
    except (TooLargeError, RecursionError) as exc:
        raise RequestError(f"Regular expression refused, it is too large: {text}") from exc


def _check_syntax(text: str) -> None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            re.compile(text)
    except re.error as exc:
        message = _PEER_TEXTS.get(exc.msg, exc.msg)
        position = len(text) if exc.msg in _PEER_TEXTS else exc.pos
        raise RequestError(f'({position},"{message}")') from exc
    except (Warning, OverflowError, RecursionError, ValueError) as exc:
        raise RequestError(f'(0,"{exc}")') from exc


def check_pattern(text: str) -> None:
    """:raises RequestError: as `compile_pattern`"""
    compile_pattern(text)


def glob_pattern(glob: str) -> str:
    """The regular expression of a glob over host names.

    ``*`` and ``?`` stay within one label of the name, and further labels may follow the glob.
    """
    translated = {"*": "[^.]*", "?": "[^.]"}
    parts = re.findall(r"[*?]|[^*?]+", re.sub(r"\*+", "*", glob))
    return rf"^{''.join(translated.get(part) or re.escape(part) for part in parts)}(\.|$)"
