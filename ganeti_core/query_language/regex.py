"""Reads regular expressions into a tree, for `automaton`.

The language is that of Python's `re` without what needs backtracking: references back to groups,
looking around, conditionals, atomic groups and possessive repetitions. Whether a repetition is
lazy makes no difference to *whether* something matches, so that is read and forgotten.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable


class UnsupportedError(ValueError):
    """The expression uses what this matcher leaves out; the message says what."""


@dataclass(frozen=True)
class Chars:
    """One character for which `test` is true."""

    test: Callable[[str], bool]


@dataclass(frozen=True)
class Assertion:
    """A place: begin or end of the text or of a line, or of a word."""

    place: Literal["begin", "end", "very end", "line begin", "line end", "word", "no word"]


@dataclass(frozen=True)
class Sequence:
    items: tuple[Tree, ...]


@dataclass(frozen=True)
class Choice:
    options: tuple[Tree, ...]


@dataclass(frozen=True)
class Repetition:
    """`item` at least `fewest` times, at most `most` times (None: any number)."""

    item: Tree
    fewest: int
    most: int | None


Tree = Chars | Assertion | Sequence | Choice | Repetition


@dataclass(frozen=True)
class Flags:
    """``i``: upper and lower case are the same; ``s``: a dot is any character; ``m``: lines."""

    ignore_case: bool = False
    dot_all: bool = False
    multi_line: bool = False

    def changed(self, letters: str, value: bool) -> Flags:
        """:raises UnsupportedError: a letter that is none of these (``a``, ``u``, ``x``, ``L``)"""
        names = {"i": "ignore_case", "s": "dot_all", "m": "multi_line"}
        found = self
        for letter in letters:
            if letter not in names:
                raise UnsupportedError(f"has the flag {letter}")
            found = replace(found, **{names[letter]: value})
        return found


def is_word(char: str) -> bool:
    return char.isalnum() or char == "_"


def _inverse(test: Callable[[str], bool]) -> Callable[[str], bool]:
    return lambda char: not test(char)


_CATEGORIES: dict[str, Callable[[str], bool]] = {
    "d": str.isdecimal, "D": _inverse(str.isdecimal), "s": str.isspace,
    "S": _inverse(str.isspace), "w": is_word, "W": _inverse(is_word),
}
_PLACES: dict[str, Assertion] = {
    "A": Assertion("begin"), "Z": Assertion("very end"), "b": Assertion("word"),
    "B": Assertion("no word"),
}
_CONTROLS = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "v": "\v", "a": "\a"}
_CODE = re.compile(r"x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})")
_OCTAL = re.compile(r"0[0-7]{0,2}|[0-3][0-7]{2}")
_COUNTS = re.compile(r"\{(?:(\d+)|(\d*),(\d*))\}")
_GROUP = re.compile(r"\?(?:P<\w+>|([a-zA-Z]*)(?:-([a-zA-Z]+))?:)")
_GLOBAL_FLAGS = re.compile(r"\(\?([a-zA-Z]+)\)")


def parse_regex(text: str) -> Tree:
    """Read an expression that `re.compile` accepts.

    :raises UnsupportedError: it uses what is left out
    """
    found = _GLOBAL_FLAGS.match(text)
    flags = Flags().changed(found[1], True) if found else Flags()
    return _Parser(text, found.end() if found else 0).choice(flags)


class _Parser:
    """Recursive descent; `re.compile` has checked the syntax before."""

    def __init__(self, text: str, at: int) -> None:
        self.text = text
        self.at = at

    def _take(self, token: str) -> bool:
        if self.text.startswith(token, self.at):
            self.at += len(token)
            return True
        return False

    def choice(self, flags: Flags) -> Tree:
        options = [self._sequence(flags)]
        while self._take("|"):
            options.append(self._sequence(flags))
        return options[0] if len(options) == 1 else Choice(tuple(options))

    def _sequence(self, flags: Flags) -> Tree:
        items: list[Tree] = []
        while self.at < len(self.text) and self.text[self.at] not in "|)":
            items.append(self._repeated(self._atom(flags)))
        return Sequence(tuple(items))

    def _repeated(self, item: Tree) -> Tree:
        counts = self._counts()
        if counts is None:
            return item
        if self._take("+"):
            raise UnsupportedError("has a possessive repetition")
        self._take("?")
        return Repetition(item, *counts)

    def _counts(self) -> tuple[int, int | None] | None:
        for token, counts in (("*", (0, None)), ("+", (1, None)), ("?", (0, 1))):
            if self._take(token):
                return counts
        found = _COUNTS.match(self.text, self.at)
        if found is None:
            return None
        self.at = found.end()
        if found[1]:
            return int(found[1]), int(found[1])
        return int(found[2] or 0), int(found[3]) if found[3] else None

    def _atom(self, flags: Flags) -> Tree:
        char = self.text[self.at]
        self.at += 1
        match char:
            case "(":
                return self._group(flags)
            case "[":
                return Chars(self._set(flags))
            case "\\":
                return self._escape(flags)
            case ".":
                return Chars(lambda found: flags.dot_all or found != "\n")
            case "^":
                return Assertion("line begin" if flags.multi_line else "begin")
            case "$":
                return Assertion("line end" if flags.multi_line else "end")
        return _literal(char, flags)

    def _group(self, flags: Flags) -> Tree:
        if self._take("?"):
            self.at -= 1
            found = _GROUP.match(self.text, self.at)
            if found is None:
                raise UnsupportedError("refers back or looks around")
            self.at = found.end()
            flags = flags.changed(found[1] or "", True).changed(found[2] or "", False)
        inner = self.choice(flags)
        self.at += 1  # the closing bracket
        return inner

    def _escape(self, flags: Flags) -> Tree:
        letter = self.text[self.at]
        if letter in _CATEGORIES:
            self.at += 1
            return Chars(_CATEGORIES[letter])
        if letter in _PLACES:
            self.at += 1
            return _PLACES[letter]
        return _literal(self._escaped(), flags)

    def _escaped(self) -> str:
        """Read the character that stands behind a backslash."""
        found = _CODE.match(self.text, self.at) or _OCTAL.match(self.text, self.at)
        if found is not None:
            self.at = found.end()
            if found.re is _OCTAL:
                return chr(int(found[0], 8))
            return chr(int(found[1] or found[2] or found[3], 16))
        letter = self.text[self.at]
        self.at += 1
        if letter in _CONTROLS:
            return _CONTROLS[letter]
        if letter.isdigit():
            raise UnsupportedError("refers back or looks around")
        if letter == "N":
            raise UnsupportedError("names a character")
        return letter

    def _set(self, flags: Flags) -> Callable[[str], bool]:
        negated = self._take("^")
        tests: list[Callable[[str], bool]] = []
        singles: set[str] = set()
        first = True
        while first or not self._take("]"):
            first = False
            member = self._member()
            if not isinstance(member, str):
                tests.append(member)
            elif self.text[self.at] == "-" and self.text[self.at + 1] != "]":
                self.at += 1
                tests.append(_range(member, str(self._member())))
            else:
                singles.add(member)
        return _set_test(singles, tests, negated, flags)

    def _member(self) -> str | Callable[[str], bool]:
        char = self.text[self.at]
        self.at += 1
        if char != "\\":
            return char
        letter = self.text[self.at]
        if letter in _CATEGORIES:
            self.at += 1
            return _CATEGORIES[letter]
        if letter == "b":
            self.at += 1
            return "\b"
        return self._escaped()


def _literal(char: str, flags: Flags) -> Chars:
    if not flags.ignore_case:
        return Chars(lambda found: found == char)
    same = {char, char.lower(), char.upper()}
    return Chars(lambda found: found in same)


def _range(low: str, high: str) -> Callable[[str], bool]:
    return lambda char: low <= char <= high


def _set_test(
    singles: set[str], tests: list[Callable[[str], bool]], negated: bool, flags: Flags
) -> Callable[[str], bool]:
    def has(char: str) -> bool:
        return char in singles or any(test(char) for test in tests)

    def has_either_case(char: str) -> bool:
        return has(char) or has(char.lower()) or has(char.upper())

    test = has_either_case if flags.ignore_case else has
    return _inverse(test) if negated else test
