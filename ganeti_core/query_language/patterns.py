"""Regular expressions of filters, kept from stalling the master.

A filter comes from any client and runs inside the master, and Python's engine backtracks: some
patterns take time exponential in the length of the value. So a pattern is refused when it

- is longer than `MAX_PATTERN` characters,
- repeats, without a small bound, a group that itself contains a repetition or an alternative
  (``(a+)+``, ``(a|ab)*``): the exponential ones,
- has more than `MAX_REPEATS` unbounded repetitions: the cost is polynomial of that degree,
- refers back to a group, or looks around;

and only the first `MAX_SUBJECT` characters of a value are searched.
"""

from __future__ import annotations

import re
import warnings
from functools import lru_cache

from ganeti_core.errors import RequestError

MAX_PATTERN = 500
MAX_REPEATS = 4
MAX_SUBJECT = 1000
SMALL_BOUND = 10
"""A repetition of at most so many is not counted as unbounded."""

_TOKEN = re.compile(
    r"""(?P<special>\\[1-9]                   # back reference, by number
        | \(\?(?:P=|[^:)a-zA-Z-]))           # by name; look-around, conditional, comment
      | \\. | \[\^?\]?(?:\\.|[^\]\\])*\]      # an escape, a character class
      | (?P<open>\((?:\?(?:P<\w+>|[a-zA-Z-]*:|[a-zA-Z]+\)))?)
      | (?P<close>\))
      | (?P<repeat>[*+?]|\{\d*(?:,\d*)?\}) [?+]?
      | (?P<alternative>\|)
      | .""",
    re.VERBOSE | re.DOTALL)

_PEER_TEXTS = {
    "missing ), unterminated subpattern": "missing )",
    "unterminated character set": "missing terminating ] for character class",
    "unbalanced parenthesis": "unmatched parentheses",
    "bad escape (end of pattern)": "\\ at end of pattern",
}


@lru_cache(maxsize=256)
def compile_pattern(text: str) -> re.Pattern[str]:
    """Compile a checked pattern.

    :raises RequestError: it is no regular expression, or could take too long
    """
    if len(text) > MAX_PATTERN:
        raise RequestError(f"Regular expression too long: more than {MAX_PATTERN} characters")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            pattern = re.compile(text)
    except re.error as exc:
        message = _PEER_TEXTS.get(exc.msg, exc.msg)
        position = len(text) if exc.msg in _PEER_TEXTS else exc.pos
        raise RequestError(f'({position},"{message}")') from exc
    except (Warning, OverflowError, RecursionError, ValueError) as exc:
        raise RequestError(f'(0,"{exc}")') from exc
    _refuse_slow(text)
    return pattern


def check_pattern(text: str) -> None:
    """:raises RequestError: as `compile_pattern`"""
    compile_pattern(text)


def search(pattern: re.Pattern[str], value: str) -> bool:
    """Whether the pattern matches somewhere in (the searched part of) `value`."""
    return pattern.search(value, 0, MAX_SUBJECT) is not None


def glob_pattern(glob: str) -> str:
    """The regular expression of a glob over host names.

    ``*`` and ``?`` stay within one label of the name, and further labels may follow the glob.
    """
    translated = {"*": "[^.]*", "?": "[^.]"}
    parts = re.findall(r"[*?]|[^*?]+", re.sub(r"\*+", "*", glob))
    return rf"^{''.join(translated.get(part) or re.escape(part) for part in parts)}(\.|$)"


def _refuse_slow(text: str) -> None:
    """:raises RequestError: see this module's docstring"""
    risky = [False]  # per open group: does it hold a repetition or an alternative?
    closed_risky = False  # whether what the next repetition would repeat is such a group
    repeats = 0
    for token in _TOKEN.finditer(text):
        if token["special"]:
            raise _slow("refers back or looks around", text)
        if token["open"]:
            if not token["open"].endswith(")"):
                risky.append(False)
            closed_risky = False
        elif token["close"]:
            closed_risky = risky.pop()
            risky[-1] = risky[-1] or closed_risky
        elif token["repeat"] and not _is_bounded(token["repeat"]):
            if closed_risky:
                raise _slow("repeats a group that repeats or chooses", text)
            repeats += 1
            risky[-1] = True
            closed_risky = False
        elif token["repeat"]:
            risky[-1] = True
        else:
            risky[-1] = risky[-1] or bool(token["alternative"])
            closed_risky = False
    if repeats > MAX_REPEATS:
        raise _slow(f"has more than {MAX_REPEATS} open repetitions", text)


def _is_bounded(repeat: str) -> bool:
    if repeat == "?":
        return True
    if not repeat.startswith("{"):
        return False
    high = repeat.strip("{}").rpartition(",")[2]
    return high.isdigit() and int(high) <= SMALL_BOUND


def _slow(why: str, text: str) -> RequestError:
    return RequestError(f"Regular expression refused, it {why}: {text}")
