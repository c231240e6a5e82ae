"""Matches the regular expressions of filters in time linear in the text.

A filter comes from any client and runs inside the master, and Python's `re` backtracks: some
patterns take it time exponential in the length of the value, with every thread waiting. So `re`
checks a pattern's syntax and a deterministic automaton, made lazily, matches it. What an automaton
cannot do is refused: references back to groups and looking around. Patterns of more than
`MAX_PATTERN` characters, or that are large once their counted repetitions are written out, are
refused too.

A state is the set of places in the expression that the text read so far can have led to, with
what the last character was (for ``^``, ``$`` and ``\\b``). What follows on a character is computed
when it is first met and then known, so a long listing costs a dictionary look-up a character.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

from ganeti_core.errors import RequestError

from .patterns import check_syntax
from .regex import (
    Assertion,
    Chars,
    Choice,
    Repetition,
    Sequence,
    Tree,
    UnsupportedError,
    is_word,
    parse_regex,
)

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_PLACES: Final = 1000
"""Places in an expression, its counted repetitions written out; more are refused."""
MAX_KEPT: Final = 20_000
"""Places of states, and steps between states, that are kept: about 2 MB. Beyond that the automaton
forgets and begins anew."""

_BEGIN, _WORD, _OTHER, _LINE = "begin", "word", "other", "line"
_END, _LAST_LINE = "end of text", "last line end"  # beside characters, what can come next


class _State:
    """The places that the text so far led to, what its last character was, and what follows.

    `following` has the next state by what comes; None: the expression has matched before it.
    """

    __slots__ = ("before", "following", "places")

    def __init__(self, places: frozenset[int], before: str) -> None:
        self.places = places
        self.before = before
        self.following: dict[str, _State | None] = {}


class TooLargeError(ValueError):
    """The expression, its counted repetitions written out, has too many places."""


@lru_cache(maxsize=32)
def compile_pattern(text: str) -> Automaton:
    """Compile a pattern.

    :raises RequestError: it is no regular expression, or one that cannot be matched in linear time
    """
    check_syntax(text)
    try:
        return Automaton(parse_regex(text))
    except UnsupportedError as exc:
        raise RequestError(f"Regular expression refused, it {exc}: {text}") from exc
    except (TooLargeError, RecursionError) as exc:
        raise RequestError(f"Regular expression refused, it is too large: {text}") from exc


class Automaton:
    """Searches for one expression. Safe to use from several threads."""

    def __init__(self, tree: Tree) -> None:
        """:raises TooLargeError: see `MAX_PLACES`"""
        self._tests: dict[int, tuple[Callable[[str], bool], int]] = {}
        self._assertions: dict[int, tuple[str, int]] = {}
        self._branches: dict[int, list[int]] = {}
        self._places = 1
        self._accept = 0
        self._start = self._build(tree, self._accept)
        self._states: dict[tuple[frozenset[int], str], _State] = {}
        self._kept = 0
        self._first = self._state(frozenset((self._start,)), _BEGIN)

    def search(self, text: str) -> bool:
        """Whether the expression matches somewhere in `text`."""
        state = self._first
        last = len(text) - 1
        for at, char in enumerate(text):
            coming = _LAST_LINE if char == "\n" and at == last else char
            behind = (state.following[coming] if coming in state.following
                      else self._follow(state, coming))
            if behind is None:
                return True
            state = behind
        return self._follow(state, _END) is None

    def _state(self, places: frozenset[int], before: str) -> _State:
        key = places, before
        found = self._states.get(key)
        if found is None:
            found = self._states[key] = _State(places, before)
            self._kept += len(places)
        return found

    def _forget(self) -> None:
        """Drop all states. Those under way stay valid, nobody else will find them."""
        self._states = {}
        self._kept = 0
        self._first = self._state(frozenset((self._start,)), _BEGIN)

    def _follow(self, state: _State, coming: str) -> _State | None:
        """Compute the state behind `coming`, and note it."""
        if self._kept > MAX_KEPT:
            self._forget()
        reached = self._closure(state, coming)
        found = None if self._accept in reached else self._step(state, reached, coming)
        state.following[coming] = found
        self._kept += 1
        return found

    def _step(self, state: _State, reached: set[int], coming: str) -> _State:
        if coming is _END:
            return state
        char = "\n" if coming is _LAST_LINE else coming
        # A match may begin anywhere: the start is among the places behind every character.
        behind = {self._start}
        for place in reached:
            found = self._tests.get(place)
            if found is not None and found[0](char):
                behind.add(found[1])
        return self._state(frozenset(behind), _kind(char))

    def _closure(self, state: _State, coming: str) -> set[int]:
        """Every place that is reached without a character, with `coming` next."""
        reached: set[int] = set()
        waiting = list(state.places)
        while waiting:
            place = waiting.pop()
            if place in reached:
                continue
            reached.add(place)
            waiting += self._branches.get(place, ())
            assertion = self._assertions.get(place)
            if assertion is not None and _holds(assertion[0], state.before, coming):
                waiting.append(assertion[1])
        return reached

    def _build(self, tree: Tree, behind: int) -> int:
        """Lay `tree` out so that it leads to the place `behind`; answers where it begins."""
        match tree:
            case Chars(test):
                place = self._place()
                self._tests[place] = test, behind
                return place
            case Assertion(where):
                place = self._place()
                self._assertions[place] = where, behind
                return place
            case Sequence(items):
                for item in reversed(items):
                    behind = self._build(item, behind)
                return behind
            case Choice(options):
                place = self._place()
                self._branches[place] = [self._build(option, behind) for option in options]
                return place
            case Repetition():
                return self._build_repetition(tree, behind)

    def _build_repetition(self, tree: Repetition, behind: int) -> int:
        if tree.most is None:
            loop = self._place()
            self._branches[loop] = [behind]
            self._branches[loop].append(self._build(tree.item, loop))
            behind = loop
        else:
            for _ in range(tree.most - tree.fewest):
                optional = self._place()
                self._branches[optional] = [behind, self._build(tree.item, behind)]
                behind = optional
        for _ in range(tree.fewest):
            self._place()  # counts even an empty item
            behind = self._build(tree.item, behind)
        return behind

    def _place(self) -> int:
        place = self._places
        self._places += 1
        if place > MAX_PLACES:
            raise TooLargeError
        return place


def _kind(char: str) -> str:
    if is_word(char):
        return _WORD
    return _LINE if char == "\n" else _OTHER


def _holds(place: str, before: str, coming: str) -> bool:
    """Whether a place of this sort lies between what was read and what comes."""
    match place:
        case "begin":
            return before == _BEGIN
        case "end":
            return coming in (_END, _LAST_LINE)
        case "very end":
            return coming == _END
        case "line begin":
            return before in (_BEGIN, _LINE)
        case "line end":
            return coming in (_END, _LAST_LINE, "\n")
    at_word = (before == _WORD) != (len(coming) == 1 and is_word(coming))
    return at_word == (place == "word")
