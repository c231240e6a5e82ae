"""Tags with a meaning for placement: exclusion, location, desired location, migration.

Names become columns of small count matrices, so that all instances can be weighed against all
nodes by matrix products.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..records import Instance, Node
from .arrays import Bools, Floats

_EXCLUSION = "htools:iextags:"
_DESIRED = "htools:desiredlocation:"
_LOCATION = "htools:nlocation:"
_MIGRATION = "htools:migration:"
_ALLOW_MIGRATION = "htools:allowmigration:"


@dataclass(frozen=True, slots=True)
class Prefixes:
    """What the cluster's tags say about how to read other tags."""

    exclusion: tuple[str, ...]
    desired: tuple[str, ...]
    location: tuple[str, ...]
    migration: tuple[str, ...]
    allowed: tuple[tuple[str, str], ...]

    @classmethod
    def read(cls, tags: Iterable[str], more_exclusion: Iterable[str] = ()) -> Prefixes:
        """Collect the prefixes from cluster tags; `more_exclusion` comes from the user."""
        tags = tuple(tags)
        pairs = [_after(tag, _ALLOW_MIGRATION).split("::") for tag in _with(tags, _ALLOW_MIGRATION)]
        return cls(
            exclusion=(
                *_named(tags, _EXCLUSION),
                *(f"{name}:" for name in more_exclusion),
            ),
            desired=tuple(_named(tags, _DESIRED)),
            location=tuple(_after(tag, _LOCATION) + ":" for tag in _with(tags, _LOCATION)),
            migration=tuple(_after(tag, _MIGRATION) + ":" for tag in _with(tags, _MIGRATION)),
            allowed=tuple((pair[0], pair[1]) for pair in pairs if len(pair) == 2),
        )


def _with(tags: Iterable[str], prefix: str) -> list[str]:
    return [tag for tag in tags if tag.startswith(prefix)]


def _after(tag: str, prefix: str) -> str:
    return tag[len(prefix) :]


def _named(tags: Iterable[str], prefix: str) -> list[str]:
    """What follows the prefix, where anything does."""
    return [rest for tag in _with(tags, prefix) if (rest := _after(tag, prefix))]


def _starting(tags: Iterable[str], prefixes: tuple[str, ...]) -> list[str]:
    return [tag for tag in tags if tag.startswith(prefixes)] if prefixes else []


def _count(rows: Sequence[Sequence[str]], names: Sequence[str]) -> Floats:
    column = {name: index for index, name in enumerate(names)}
    table = np.zeros((len(rows), len(names)))
    if names:
        for index, row in enumerate(rows):
            for name in row:
                if name in column:
                    table[index, column[name]] += 1
    return table


def _names(rows: Iterable[Iterable[str]]) -> list[str]:
    return sorted({name for row in rows for name in row})


@dataclass(slots=True)
class Labels:
    """The meaningful tags of nodes and instances as matrices."""

    exclusion_names: list[str]
    exclusion: Floats
    """Instances by exclusion tags: how often each carries each."""
    location: Floats
    """Nodes by location tags, 0 or 1."""
    common: Floats | None
    """Nodes by nodes: number of location tags in common; None if nodes have none."""
    desired: Floats
    """Instances by location tags, 0 or 1: the ones desired."""
    desired_count: Floats
    """Desired tags per instance, including ones that no node has."""
    migration: Bools | None
    """Whether instances may migrate from a node (row) to a node (column); None: always."""

    @classmethod
    def read(
        cls, prefixes: Prefixes, nodes: Sequence[Node], instances: Sequence[Instance]
    ) -> Labels:
        """Sort the tags of nodes and instances."""
        excluded = [_starting(item.tags, prefixes.exclusion) for item in instances]
        exclusion_names = _names(excluded)
        located = [sorted(set(_starting(node.tags, prefixes.location))) for node in nodes]
        desired = [sorted(set(_starting(item.tags, prefixes.desired))) for item in instances]
        names = _names(located)
        location = _count(located, names)
        return cls(
            exclusion_names=exclusion_names,
            exclusion=_count(excluded, exclusion_names),
            location=location,
            common=location @ location.T if names else None,
            desired=_count(desired, names),
            desired_count=np.array([len(row) for row in desired], dtype=np.float64),
            migration=_migration(prefixes, nodes),
        )

    @property
    def any_desired(self) -> bool:
        """Whether some instance desires a location."""
        return bool(self.desired_count.any())

    def extended(self, count: int) -> Labels:
        """The same with more instances, which have no tags."""
        return replace(
            self,
            exclusion=np.pad(self.exclusion, ((0, count), (0, 0))),
            desired=np.pad(self.desired, ((0, count), (0, 0))),
            desired_count=np.pad(self.desired_count, (0, count)),
        )

    def copy_row(self, source: int, target: int) -> Labels:
        """The same with one instance's tags also given to another."""
        if not (self.exclusion_names or self.desired_count[source]):
            return self
        new = self.extended(0)
        for table in (new.exclusion, new.desired, new.desired_count):
            table[target] = table[source]
        return new


def _migration(prefixes: Prefixes, nodes: Sequence[Node]) -> Bools | None:
    have = [frozenset(_starting(node.tags, prefixes.migration)) for node in nodes]
    if not any(have):
        return None
    kinds = sorted(set(have), key=sorted)
    receive = {
        kind: kind | {old for old, new in prefixes.allowed if new in kind} for kind in kinds
    }
    table = np.array([[old <= receive[new] for new in kinds] for old in kinds])
    index = np.array([kinds.index(kind) for kind in have])
    return np.asarray(table[np.ix_(index, index)], dtype=np.bool_)
