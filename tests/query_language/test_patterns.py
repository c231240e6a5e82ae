"""Regular expressions of filters cannot stall the master."""

from __future__ import annotations

import time

import pytest

from ganeti_core.errors import RequestError
from ganeti_core.query_language.patterns import MAX_PATTERN, compile_pattern, search


@pytest.mark.parametrize("text", [
    "^inst[12]", "^(inst1|inst2)\\.", "web.*\\.example\\.(com|org)$", "(?i)WEB", "(?is)a.b",
    "[]a)(+*]+", "\\(a+\\)+", "(abc)+", "(?:ab){2,5}", "a{3}", "(a+)?", "x(?P<n>y)z", "a|b|c",
    "^[^.]*1[^.]*(\\.|$)", "\\d+-\\d+", "",
])
def test_usual_patterns_are_accepted(text: str) -> None:
    compile_pattern(text)


@pytest.mark.parametrize("text", [
    "(a+)+", "(a*)*b", "((a+))+", "(a|ab)*c", "(?:a|a)+$", "(a{2,}){3,}", "(x+x+)+y", "(a?)*",
    "(.*)(.*)(.*)(.*)(.*)x", "(a)\\1", "(?=a)b", "(?<!a)b", "(?(1)a|b)", "a{2,500}{2,500}",
    "([a-z]+)*", "(a+){20}",
])
def test_patterns_that_could_take_forever_are_refused(text: str) -> None:
    with pytest.raises(RequestError):
        compile_pattern(text)


def test_long_and_broken_patterns_are_refused() -> None:
    with pytest.raises(RequestError, match="too long"):
        compile_pattern("a" * (MAX_PATTERN + 1))
    for text in ("[", "(", ")", "*a", "a{3,1}", "\\", "(?z)", "a(?i)b"):
        with pytest.raises(RequestError):
            compile_pattern(text)


def test_the_worst_accepted_pattern_answers_in_time() -> None:
    begun = time.process_time()
    assert not search(compile_pattern("a*a*a*a*b"), "a" * 60)
    assert time.process_time() - begun < 5
