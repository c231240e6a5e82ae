"""Values that are remembered as long as their inputs are the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Collection, Hashable

K = TypeVar("K", bound="Hashable")
V = TypeVar("V")


class Memo(Generic[K, V]):
    """The newest value of each key, with the inputs that it was made from.

    Inputs are a tuple of all that the value depends on, of which nobody changes anything in place.
    Comparing them costs next to nothing where they are the very same objects as before, as the
    unchanged parts of snapshots are.

    Any thread may use it: an entry is replaced as a whole. Two threads that find one outdated both
    make it anew. Values are shared, so nobody may change them.
    """

    def __init__(self) -> None:
        self._known: dict[K, tuple[tuple[object, ...], V]] = {}

    def find(self, key: K, inputs: tuple[object, ...]) -> V | None:
        """Return the value, if it was made from equal inputs; None when it is to be made."""
        known = self._known.get(key)
        return known[1] if known is not None and known[0] == inputs else None

    def keep(self, key: K, inputs: tuple[object, ...], value: V) -> V:
        """Replace what there was of a key; return the value."""
        self._known[key] = inputs, value
        return value

    def forget_others(self, keys: Collection[K]) -> None:
        """Forget all but these keys, each of which has a value: nothing else bounds the memory."""
        if len(self._known) > len(keys):
            for key in self._known.keys() - keys:
                self._known.pop(key, None)
