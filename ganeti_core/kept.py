"""Values that are kept as long as what they were made of stays the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Collection, Hashable

K = TypeVar("K", bound="Hashable")
V = TypeVar("V")


class Kept(Generic[K, V]):
    """The newest value of each key; who asks says what it would be made of now.

    That is a tuple of all that the value depends on, of which nobody changes anything in place.
    To compare it costs next to nothing where it holds the very same objects as before, as the
    unchanged parts of snapshots are.

    Any thread may use it: an entry is replaced as a whole. Two threads that find one outdated both
    make it anew. Values are shared, so nobody may change them.
    """

    def __init__(self) -> None:
        self._known: dict[K, tuple[tuple[object, ...], V]] = {}

    def find(self, key: K, made_of: tuple[object, ...]) -> V | None:
        """Return the value, if it was made of the same; None when it is to be made."""
        known = self._known.get(key)
        return known[1] if known is not None and known[0] == made_of else None

    def keep(self, key: K, made_of: tuple[object, ...], value: V) -> V:
        """Keep a value in the place of what there was of its key; return it."""
        self._known[key] = made_of, value
        return value

    def forget_others(self, keys: Collection[K]) -> None:
        """Forget all but these keys, of which each has a value; without it all are kept for ever.
        """
        if len(self._known) > len(keys):
            for key in self._known.keys() - keys:
                self._known.pop(key, None)
