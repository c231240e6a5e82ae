"""What a body may say: JSON that a text can hold."""

from __future__ import annotations

import pytest

from ganeti_core.rapi.failures import HttpFailure
from ganeti_core.rapi.request import Request


def body(text: str) -> object:
    return Request((), "", text.encode(), "application/json").body


@pytest.mark.parametrize("text", [
    '{"comment": "\\ud800"}', '["\\uDFFF"]', '{"\\ud83d": 1}', "{", "NaN", "1e999",
    '"' + "\x01" + '"'])
def test_what_is_no_text_is_refused(text):
    with pytest.raises(HttpFailure, match="Unable to parse JSON data"):
        body(text)


def test_characters_in_two_halves_are_one():
    assert body('["\\ud83d\\ude00"]') == ["\U0001f600"]
