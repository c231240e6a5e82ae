"""Hide the values of parameters in what a script prints, in the forms that programs give them."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import quote, quote_plus

SHORTEST_VALUE = 4
SHORTEST_ANYWHERE = 6
"""A shorter value is hidden where it is a whole word only: it may be a part of many words."""
SHORTEST_ENCODED = 8


class Hidden:
    """Replaces values by the names of their variables; empty values and very short ones stay.

    :param values: what to hide, by name
    """

    def __init__(self, values: Mapping[str, str]) -> None:
        self._names: dict[str, str] = {}
        for name, value in values.items():
            for form in _forms(value):
                self._names.setdefault(form, name)
        self.longest = max(map(len, self._names), default=0)
        # The longest first: a value may hold another one.
        ordered = sorted(self._names, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(_pattern, ordered))) if ordered else None

    def __call__(self, text: str) -> str:
        if self._pattern is None:
            return text
        return self._pattern.sub(lambda found: f"(the value of {self._names[found[0]]})", text)


def _pattern(form: str) -> str:
    escaped = re.escape(form)
    return escaped if len(form) >= SHORTEST_ANYWHERE else rf"(?<!\w){escaped}(?!\w)"


def _forms(value: str) -> Iterator[str]:
    # A value of several lines may be shown in part, such as the last lines of a log.
    for text in {value, *value.splitlines()}:
        if len(text.strip()) >= SHORTEST_VALUE:
            yield from {text, text.strip(), *_encoded(text)}


def _encoded(text: str) -> Iterable[str]:
    yield json.dumps(text)[1:-1]
    if len(text) < SHORTEST_ANYWHERE:
        return
    yield from (quote(text), quote(text, safe=""), quote_plus(text))
    raw = text.encode(errors="surrogateescape")
    yield from (raw.hex(), raw.hex().upper())
    # The value may stand at any place in what was encoded: three ways to cut it into groups. What
    # its neighbours have a share in is left out.
    for before in range(3):
        digits = base64.b64encode(bytes(before) + raw).decode()
        whole = digits[(before * 8 + 5) // 6:(before + len(raw)) * 8 // 6]
        if len(whole) >= SHORTEST_ENCODED:
            yield from (whole, whole.translate(str.maketrans("+/", "-_")))
