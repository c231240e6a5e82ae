"""What other distributions than the core's own provide, and what of it has changed since.

Something is installed, upgraded or removed while a daemon runs. The daemon looks only when it is
told to: reading the metadata of all distributions takes many milliseconds.
"""

from __future__ import annotations

import sys
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING

from ganeti_core.entry_points import Origins, foreign_modules, forget_all
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.linked_folders import follow, linked_folders

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ganeti_core.entry_points import Entry

_Stamp = tuple[str, int, int]
"""A file that was imported: its path, when it was changed (ns), and its size."""


@dataclass(frozen=True)
class _Marks:
    """By what an entry point is known again.

    :param roots: the packages or modules that hold its code, whole
    """

    modules: tuple[str, ...]
    origins: tuple[tuple[str, str], ...]
    roots: frozenset[str]
    stamps: tuple[_Stamp, ...]


@dataclass(frozen=True)
class Changes:
    """What to do about entry points: forget `gone`, load `fresh` (again); both sorted."""

    gone: tuple[Entry, ...] = ()
    fresh: tuple[Entry, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.gone or self.fresh)


@dataclass
class Provided:
    """The entry points of groups, as they were when they were loaded."""

    _known: dict[Entry, _Marks] = field(default_factory=dict)
    _linked: frozenset[str] = frozenset()

    def remember(self, groups: Iterable[str]) -> None:
        """Take what there is now for what was loaded."""
        self._linked = linked_folders()
        self._known = _marks(groups)

    def look(self, groups: Iterable[str], is_held: Callable[[Entry], bool]) -> Changes:
        """Compare with what there is by now; code that has changed is dropped from memory, so that
        the next import reads it anew.

        :param is_held: whether an entry point was loaded with success: others are tried again
        """
        follow(self._linked, linked_folders())
        forget_all()
        now = _marks(groups)
        gone = self._known.keys() - now.keys()
        changed = {entry for entry, marks in now.items()
                   if entry in self._known and self._known[entry] != marks}
        roots = frozenset().union(*(self._known[entry].roots for entry in gone | changed))
        for name in list(sys.modules):
            if any(name == root or name.startswith(f"{root}.") for root in roots):
                del sys.modules[name]
        # What shares its code with something that has changed is loaded from the same code.
        fresh = {entry for entry, marks in now.items()
                 if entry in changed or entry not in self._known or marks.roots & roots
                 or not is_held(entry)}
        return Changes(tuple(sorted(gone)), tuple(sorted(fresh)))


def _marks(groups: Iterable[str]) -> dict[Entry, _Marks]:
    found = {(group, name): modules for group in groups
             for name, modules in foreign_modules(group).items()}
    if not found:
        return {}
    origins = Origins()
    return {entry: _mark(modules, tuple(origins.of(*entry))) for entry, modules in found.items()}


def _mark(modules: tuple[str, ...], origins: tuple[tuple[str, str], ...]) -> _Marks:
    roots = frozenset(map(_root, modules))
    return _Marks(modules, origins, roots, tuple(sorted(
        stamp for name, module in list(sys.modules.items())
        if any(name == root or name.startswith(f"{root}.") for root in roots)
        and (stamp := _stamp(getattr(module, "__file__", None))) is not None)))


def _root(module: str) -> str:
    """The outermost package that is one distribution's alone: a namespace belongs to many."""
    parts = module.split(".")
    names = [".".join(parts[:count]) for count in range(1, len(parts) + 1)]
    return next((name for name in names
                 if getattr(sys.modules.get(name), "__file__", None)), module)


def _stamp(file: str | None) -> _Stamp | None:
    if file is None:
        return None
    try:
        found = Path(file).stat()
    except OSError:
        return file, 0, 0
    return file, found.st_mtime_ns, found.st_size
