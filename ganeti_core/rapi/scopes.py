"""How far a permission reaches: only objects with certain tags, in certain groups, of one owner."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ganeti_core.lazy_dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping

OWNER_TAG = "owner:"
"""Whose tag follows: an object's owner."""


@dataclass(frozen=True)
class Thing:
    """An object as scopes see it.

    :param kind: ``instance``, ``node``, ``group`` or ``network``
    :param groups: names of all node groups that it lies in
    :param used: it is only made use of, as the node to which an instance moves: where it lies
        counts, whose it is does not
    """

    kind: str
    name: str
    uuid: str = ""
    tags: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    used: bool = False


@dataclass(frozen=True)
class Scope:
    """Objects for which all that is said holds; what is empty says nothing.

    :param tags: the object has one of them
    :param groups: the object lies in these node groups, and in no other
    :param owner: the object has the tag ``owner:NAME``
    """

    tags: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    owner: str = ""

    def covers(self, thing: Thing) -> bool:
        """Whether `thing` is in this scope."""
        if self.groups and not (thing.groups and thing.groups <= self.groups):
            return False
        if thing.used:
            return True
        owned = not self.owner or OWNER_TAG + self.owner in thing.tags
        return owned and (not self.tags or bool(self.tags & thing.tags))

    def to_dict(self) -> dict[str, Any]:
        """What it says, in the form of the tokens file; empty where it says nothing."""
        said = {"tags": sorted(self.tags), "groups": sorted(self.groups), "owner": self.owner}
        return {name: value for name, value in said.items() if value}

    @classmethod
    def from_dict(cls, said: Mapping[str, Any]) -> Scope:
        """:raises TypeError: it is not of the form, or a part of it is there and says nothing"""
        for name in ("tags", "groups"):
            names = said.get(name, [])
            if not isinstance(names, list) or not all(isinstance(one, str) for one in names):
                raise TypeError(f"{names!r:.50} is no list of texts")
        if not isinstance(owner := said.get("owner", ""), str):
            raise TypeError(f"{owner!r:.50} is no text")
        for name in ("tags", "groups", "owner"):
            if name in said and not said[name]:
                # Whoever wrote it did not mean that everything is in the scope.
                raise TypeError(f"{name} is empty, and would limit nothing")
        return cls(frozenset(said.get("tags", [])), frozenset(said.get("groups", [])), owner)
