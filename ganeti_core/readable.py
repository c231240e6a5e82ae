"""Make text of strangers (plugins, programs, scripts) fit for a terminal, a log and a job."""

from __future__ import annotations

import re

MESSAGE = 4096
"""Characters of a message that are kept where nobody names another limit."""
_ESCAPE = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\|$)|[ -/]*[0-~]|)")
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def readable(text: str, most: int = MESSAGE) -> str:
    """Return `text` without escape sequences and control characters (but newline and tab).

    Of a longer one than `most` characters the first quarter and the end are kept, with a note of
    how much is left out between them.
    """
    if len(text) > 4 * most:
        # The note counts what is left out of the readable text, up to here.
        text = _shortened(text, 4 * most)
    plain = text.replace("\r\n", "\n").replace("\r", "\n")
    return _shortened(_CONTROL.sub("", _ESCAPE.sub("", plain)).strip(), most)


def _shortened(text: str, most: int) -> str:
    if len(text) <= most:
        return text
    head = most // 4
    return (f"{text[:head]} [... {len(text) - most} characters left out ...] "
            f"{text[len(text) - (most - head):]}")
