r"""Filters as people write them: ``(be/vcpus == 3 or "web" in tags) and not name =~ m/^db/i``.

::

    filter    = or-term
    or-term   = and-term { "or" and-term }
    and-term  = not-term { "and" not-term }
    not-term  = "not" not-term | "(" filter ")" | condition
    condition = field ( "==" | "=" | "!=" | "<" | "<=" | ">" | ">=" ) value
              | field ( "=~" | "!~" ) regexp
              | field ( "=*" | "!*" ) string
              | value [ "not" ] "in" field
              | field
    value     = string in single or double quotes | whole number
    regexp    = [ "m" ] delimiter pattern delimiter { "i" | "s" },  delimiter one of / # ^ |

In strings and patterns a backslash escapes the quote or the delimiter; any other backslash stands
for itself, for patterns use many.
"""

from __future__ import annotations

import re
from typing import Any, Literal, NamedTuple

from ganeti_core.errors import GanetiError, RequestError

from .patterns import check_syntax, glob_pattern

MAX_TEXT = 65_536
MAX_NESTING = 16
"""Brackets and negations inside each other; the list form, which has up to three levels for one
here, is refused beyond its own limit."""

_FLAGS = frozenset("is")
_COMPARISONS = {"==": "==", "=": "==", "!=": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<string>"(?:\\.|[^"\\])*" | '(?:\\.|[^'\\])*')
      | (?P<number>[+-]?\d+)
      | (?P<operator>==|=~|=\*|!=|!~|!\*|<=|>=|=|<|>)
      | (?P<field>[A-Za-z][A-Za-z0-9_/.]*)
      | (?P<bracket>[()])
      | (?P<end>\Z)
    )""",
    re.VERBOSE | re.DOTALL)
_PATTERN = re.compile(
    r"\s*m?(?:/((?:\\.|[^/\\])*)/|\#((?:\\.|[^#\\])*)\#|\^((?:\\.|[^^\\])*)\^|\|((?:\\.|[^|\\])*)\|)"
    r"([A-Za-z]*)", re.DOTALL)

TokenKind = Literal["string", "number", "operator", "field", "bracket", "end"]


class FilterSyntaxError(GanetiError):
    """The text is not a filter; the message has a caret below the place."""

    wire_name = "QueryFilterParseError"

    def __init__(self, text: str, problem: str, position: int) -> None:
        line = text.count("\n", 0, position) + 1
        start = text.rfind("\n", 0, position) + 1
        shown = text[start:].partition("\n")[0]
        super().__init__(
            f"Failed to parse query filter '{text:.200}': {problem} (at char {position}), "
            f"(line:{line}, col:{position - start + 1})",
            f"{shown:.200}\n{' ' * (position - start)}^")
        self.problem = problem
        self.position = position


class _Token(NamedTuple):
    kind: TokenKind
    text: str
    start: int
    end: int


def parse_filter_text(text: str) -> list[Any]:
    """Turn text into the list form.

    :raises FilterSyntaxError: it is not a filter, or larger than what is accepted
    """
    if len(text) > MAX_TEXT:
        raise FilterSyntaxError(text, f"longer than {MAX_TEXT} characters", MAX_TEXT)
    parser = _Parser(text)
    found = parser.alternatives(0)
    if parser.token.kind != "end":
        raise parser.problem("end of text")
    return found


class _Parser:
    """Recursive descent with one token of look-ahead."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.token = self._scan(0)

    def _scan(self, position: int) -> _Token:
        found = _TOKEN.match(self.text, position)
        if found is None or found.lastgroup is None:
            start = position + len(self.text[position:]) - len(self.text[position:].lstrip())
            raise FilterSyntaxError(
                self.text, f"Unexpected character '{self.text[start:start + 1]}'", start)
        kind: Any = found.lastgroup
        return _Token(kind, found[kind], found.start(kind), found.end())

    def _next(self) -> _Token:
        taken = self.token
        self.token = self._scan(taken.end)
        return taken

    def problem(self, expected: str) -> FilterSyntaxError:
        found = f"'{self.token.text}'" if self.token.text else "end of text"
        return FilterSyntaxError(
            self.text, f"Expected {expected}, found {found}", self.token.start)

    def _accept(self, kind: TokenKind, text: str) -> bool:
        if self.token.kind == kind and self.token.text == text:
            self._next()
            return True
        return False

    def alternatives(self, depth: int) -> list[Any]:
        terms = [self._conjunction(depth)]
        while self._accept("field", "or"):
            terms.append(self._conjunction(depth))
        return terms[0] if len(terms) == 1 else ["|", *terms]

    def _conjunction(self, depth: int) -> list[Any]:
        terms = [self._negation(depth)]
        while self._accept("field", "and"):
            terms.append(self._negation(depth))
        return terms[0] if len(terms) == 1 else ["&", *terms]

    def _negation(self, depth: int) -> list[Any]:
        if depth > MAX_NESTING:
            raise FilterSyntaxError(self.text, "Nested too deeply", self.token.start)
        if self._accept("field", "not"):
            return ["!", self._negation(depth + 1)]
        if self._accept("bracket", "("):
            inner = self.alternatives(depth + 1)
            if not self._accept("bracket", ")"):
                raise self.problem("')'")
            return inner
        return self._condition()

    def _condition(self) -> list[Any]:
        if self.token.kind in ("string", "number"):
            return self._membership()
        if self.token.kind != "field" or self.token.text in ("and", "or", "in"):
            raise self.problem("a condition")
        return self._comparison(self._next().text)

    def _comparison(self, field: str) -> list[Any]:
        if self.token.kind != "operator":
            return ["?", field]
        operator = self.token.text
        if operator in ("=~", "!~"):
            return _negated(operator, ["=~", field, self._pattern()])
        self._next()
        if operator in ("=*", "!*"):
            return _negated(operator, ["=~", field, self._glob()])
        return [_COMPARISONS[operator], field, self._value()]

    def _membership(self) -> list[Any]:
        value = self._value()
        negated = self._accept("field", "not")
        if not self._accept("field", "in"):
            raise self.problem("'in'" if negated else "'in' or 'not in'")
        if self.token.kind != "field":
            raise self.problem("a field")
        contains = ["=[]", self._next().text, value]
        return ["!", contains] if negated else contains

    def _value(self) -> str | int:
        match self.token.kind:
            case "string":
                return _unquoted(self._next().text)
            case "number" if len(self.token.text) <= 30:
                return int(self._next().text)
        raise self.problem("a quoted string or a whole number")

    def _glob(self) -> str:
        if self.token.kind != "string":
            raise self.problem("a quoted string")
        start = self.token.start
        return self._checked(glob_pattern(_unquoted(self._next().text)), start)

    def _pattern(self) -> str:
        """Read ``m/.../is`` right behind the operator: tokens do not apply inside a pattern."""
        found = _PATTERN.match(self.text, self.token.end)
        if found is None:
            self._next()
            raise self.problem("a regular expression such as m/^web/")
        body = next(group for group in found.groups()[:4] if group is not None)
        delimiter = self.text[found.start(5) - 1]
        flags = found[5]
        if unknown := set(flags) - _FLAGS:
            raise FilterSyntaxError(
                self.text, f"Unknown regular expression flags: '{''.join(sorted(unknown))}'",
                found.start(5))
        pattern = body.replace(f"\\{delimiter}", delimiter)
        if flags:
            pattern = f"(?{''.join(sorted(set(flags)))}){pattern}"
        checked = self._checked(pattern, found.start())
        self.token = self._scan(found.end())
        return checked

    def _checked(self, pattern: str, position: int) -> str:
        try:
            check_syntax(pattern)
        except RequestError as exc:
            raise FilterSyntaxError(
                self.text, f"Invalid regular expression ({exc})", position) from exc
        return pattern


def _negated(operator: str, term: list[Any]) -> list[Any]:
    return ["!", term] if operator.startswith("!") else term


def _unquoted(text: str) -> str:
    return re.sub(rf"\\([\\{text[0]}])", r"\1", text[1:-1])
