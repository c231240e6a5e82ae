"""An immutable mapping whose changed copy costs what changes, not what it holds.

A base dict is shared by many versions; each version adds a small overlay. When an overlay grows
past the square root of the base (and a minimum), it is merged into a new base: a change of one of
10,000 objects copies about a hundred references, not ten thousand.
"""

from __future__ import annotations

from collections.abc import ItemsView, Iterable, Iterator, KeysView, Mapping, ValuesView
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")

_GONE = object()
_LEAST_OVERLAY = 64


class Table(Mapping[K, V], Generic[K, V]):
    """A mapping that is never changed; `changed` makes the next version."""

    __slots__ = ("_base", "_length", "_overlay")

    def __init__(self, base: Mapping[K, V] | None = None) -> None:
        self._base: dict[K, V] = dict(base or {})
        self._overlay: dict[K, object] = {}
        self._length = len(self._base)

    def changed(self, puts: Mapping[K, V], deletes: Iterable[K] = ()) -> Table[K, V]:
        """Make a copy with `puts` set and `deletes` gone; a missing one is no error."""
        new: Table[K, V] = Table.__new__(Table)
        new._base = self._base
        new._overlay = dict(self._overlay)
        new._length = self._length
        for key in deletes:
            if key in new:
                new._length -= 1
                new._overlay[key] = _GONE
        for key, value in puts.items():
            if key not in new:
                new._length += 1
            new._overlay[key] = value
        if len(new._overlay) > _LEAST_OVERLAY and len(new._overlay) ** 2 > len(new._base):
            new._base, new._overlay = new._merged(), {}
        return new

    def _merged(self) -> dict[K, V]:
        merged: dict[K, object] = {**self._base, **self._overlay}
        if len(merged) > self._length:
            merged = {key: value for key, value in merged.items() if value is not _GONE}
        return merged  # type: ignore[return-value]  # only values beside _GONE

    def __getitem__(self, key: K) -> V:
        value = self._overlay.get(key, self)
        if value is self:
            return self._base[key]
        if value is _GONE:
            raise KeyError(key)
        return value  # type: ignore[return-value]  # an overlay holds values and _GONE

    def __contains__(self, key: object) -> bool:
        value = self._overlay.get(key, self)  # type: ignore[arg-type]  # any key may be asked
        return key in self._base if value is self else value is not _GONE

    def __iter__(self) -> Iterator[K]:
        return iter(self._whole())

    # A dict goes through what it holds many times faster than the methods of `Mapping`.

    def keys(self) -> KeysView[K]:
        return self._whole().keys()

    def values(self) -> ValuesView[V]:
        return self._whole().values()

    def items(self) -> ItemsView[K, V]:
        return self._whole().items()

    def _whole(self) -> dict[K, V]:
        """Return all that this version holds in one dict, which nobody may change."""
        return self._merged() if self._overlay else self._base

    def __len__(self) -> int:
        return self._length
