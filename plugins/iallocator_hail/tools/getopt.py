"""Command lines in the GNU manner: mixed with arguments, long names may be shortened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Option:
    """One option; `value` names its argument, in brackets if that may be left out."""

    short: str
    long: str
    value: str
    help: str
    completion: str = "none"

    @property
    def takes(self) -> str:
        """`no`, `maybe` or `yes`: whether an argument follows."""
        if not self.value:
            return "no"
        return "maybe" if self.value.startswith("[") else "yes"

    def columns(self) -> tuple[str, str, str]:
        """Short form, long form and help, as the usage shows them."""
        name = self.value.strip("[]")
        short, long = f"-{self.short}" if self.short else "", f"--{self.long}"
        if self.takes == "yes":
            return (f"{short} {name}" if short else "", f"{long}={name}", self.help)
        if self.takes == "maybe":
            return (f"{short}[{name}]" if short else "", f"{long}[={name}]", self.help)
        return short, long, self.help


@dataclass(slots=True)
class Parsed:
    """What a command line holds: options in their order, the other words, and complaints."""

    options: list[tuple[Option, str | None]]
    words: list[str]
    errors: list[str]


def usage(header: str, options: Sequence[Option]) -> str:
    """A header and the list of options in columns."""
    rows = [option.columns() for option in options]
    first = max(len(row[0]) for row in rows)
    second = max(len(row[1]) for row in rows)
    lines = [f"  {a.ljust(first)}  {b.ljust(second)}  {c}" for a, b, c in rows]
    return "\n".join([header, *lines]) + "\n"


class _Scanner:
    def __init__(self, options: Sequence[Option], argv: Sequence[str]) -> None:
        self.table = options
        self.rest = list(argv)
        self.parsed = Parsed([], [], [])

    def run(self) -> Parsed:
        while self.rest:
            word = self.rest.pop(0)
            if word == "--":
                self.parsed.words += self.rest
                break
            if word.startswith("--"):
                self._long(word[2:])
            elif word.startswith("-") and len(word) > 1:
                self._short(word[1:])
            else:
                self.parsed.words.append(word)
        return self.parsed

    def _long(self, text: str) -> None:
        name, equals, value = text.partition("=")
        hits = [option for option in self.table if option.long == name]
        hits = hits or [option for option in self.table if option.long.startswith(name)]
        if not hits:
            self.parsed.errors.append(f"unrecognized option `--{text}'\n")
        elif len(hits) > 1:
            header = f"option `--{text}' is ambiguous; could be one of:"
            self.parsed.errors.append(usage(header, hits))
        elif hits[0].takes == "no" and equals:
            self.parsed.errors.append(f"option `--{name}' doesn't allow an argument\n")
        else:
            self._take(hits[0], value if equals else None, f"--{name}")

    def _short(self, text: str) -> None:
        option = next((option for option in self.table if option.short == text[0]), None)
        if option is None:
            self.parsed.errors.append(f"unrecognized option `-{text[0]}'\n")
            if len(text) > 1:
                self._short(text[1:])
        elif option.takes == "no":
            self.parsed.options.append((option, None))
            if len(text) > 1:
                self._short(text[1:])
        else:
            self._take(option, text[1:] or None, f"-{text[0]}")

    def _take(self, option: Option, value: str | None, shown: str) -> None:
        if option.takes == "yes" and value is None:
            if not self.rest:
                name = option.value
                self.parsed.errors.append(f"option `{shown}' requires an argument {name}\n")
                return
            value = self.rest.pop(0)
        self.parsed.options.append((option, value))


def scan(options: Sequence[Option], argv: Sequence[str]) -> Parsed:
    """Sort the words of a command line."""
    return _Scanner(options, argv).run()
