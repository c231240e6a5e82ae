"""Regular expressions of filters, as far as clients care: their syntax, and globs."""

from __future__ import annotations

import re
import warnings

from ganeti_core.errors import RequestError

MAX_PATTERN = 500

_PEER_TEXTS = {
    "missing ), unterminated subpattern": "missing )",
    "unterminated character set": "missing terminating ] for character class",
    "unbalanced parenthesis": "unmatched parentheses",
    "bad escape (end of pattern)": "\\ at end of pattern",
}


def check_syntax(text: str) -> None:
    """:raises RequestError: `text` is no regular expression, or longer than `MAX_PATTERN`"""
    if len(text) > MAX_PATTERN:
        raise RequestError(f"Regular expression too long: more than {MAX_PATTERN} characters")
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


def glob_pattern(glob: str) -> str:
    """The regular expression of a glob over host names.

    ``*`` and ``?`` stay within one label of the name, and further labels may follow the glob.
    """
    translated = {"*": "[^.]*", "?": "[^.]"}
    parts = re.findall(r"[*?]|[^*?]+", re.sub(r"\*+", "*", glob))
    return rf"^{''.join(translated.get(part) or re.escape(part) for part in parts)}(\.|$)"
