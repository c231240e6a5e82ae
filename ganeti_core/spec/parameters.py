"""Differences of parameters, tags and the like, for every kind of object."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Any

from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.spec.steps import NOTHING, OpcodeDict, change_line, shown

if TYPE_CHECKING:
    from collections.abc import Iterable

Params = dict[str, Any]
INHERITED = "default"


def short_for(written: str, known: Iterable[str]) -> set[str]:
    """The full names that `written` is the beginning of; none where it is one itself."""
    names = {name.lower(): name for name in known}
    first = written.lower()
    return set() if not first or first in names else {
        name for lower, name in names.items() if lower.startswith(f"{first}.")}


@dataclass
class Differences:
    """What differs between an object as it is and as the file has it.

    :param prune: what the file lacks, within what it names, is taken away
    """

    have: Params
    want: Params
    prune: bool
    lines: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)

    def value(self, name: str, absent: Any = "") -> Any:
        """The new value of a setting that is replaced as a whole; None: it is not to change."""
        if name not in self.want:
            return None
        old, new = self.have.get(name, absent), self.want[name]
        if old == new:
            return None
        self.lines.append(change_line(name, NOTHING if old in ("", [], {}) else old, new))
        return new

    def params(self, name: str, depth: int = 1, *, resets: bool = True) -> Params | None:
        """The parameters to change below `name`, `depth` names deep; None: none.

        :param resets: one that the file lacks can be inherited again
        """
        if name not in self.want:
            return None
        return self._params(name, self.have.get(name, {}), self.want[name], depth, resets) or None

    def _params(
        self, place: str, have: Params, want: Params, depth: int, resets: bool
    ) -> Params:
        changed: Params = {}
        for key, value in want.items():
            if depth > 1:
                inner = self._params(f"{place}/{key}", have.get(key, {}), value, depth - 1, resets)
                changed |= {key: inner} if inner else {}
            elif value != have.get(key, INHERITED):
                changed[key] = value
                self.lines.append(change_line(f"{place}/{key}", have.get(key, INHERITED), value))
        for key in sorted(have.keys() - want.keys()) if resets else ():
            if depth > 1:
                inner = self._params(f"{place}/{key}", have[key], {}, depth - 1, resets)
                changed |= {key: inner} if inner else {}
            elif self.prune:
                changed[key] = INHERITED
                self.lines.append(change_line(f"{place}/{key}", have[key], INHERITED))
            else:
                self.left.append(f"{place}/{key}")
        return changed

    def entries(self, name: str) -> tuple[list[str], list[str]]:
        """What is to be added to a set of names, and what is to be taken out of it."""
        if name not in self.want:
            return [], []
        have, want = self.have.get(name, []), self.want[name]
        added = [one for one in want if one not in have]
        gone = [one for one in have if one not in want]
        self.lines += [f"{name}: +{one}" for one in added]
        if self.prune:
            self.lines += [f"{name}: -{one}" for one in gone]
            return added, gone
        self.left += [f"{name}/{one}" for one in gone]
        return added, []

    def tags(self, kind: str, name: str | None) -> list[OpcodeDict]:
        """The opcodes that make the tags of an object what they are to be."""
        added, gone = self.entries("tags")
        about: OpcodeDict = {"kind": kind} | ({"name": name} if name else {})
        found: list[OpcodeDict] = []
        if added:
            found.append({"OP_ID": "OP_TAGS_SET", **about, "tags": added})
        if gone:
            found.append({"OP_ID": "OP_TAGS_DEL", **about, "tags": gone})
        return found


def given(**values: Any) -> OpcodeDict:
    """The parameters that have a value."""
    return {name: value for name, value in values.items() if value is not None}


def described(want: Params) -> tuple[str, ...]:
    """Lines about an object that is made."""
    return tuple(f"{name}: {shown(value)}" for name, value in want.items()
                 if value not in ([], {}, ""))
