"""Disk templates as sources name them: Ganeti's own, and those that others have added."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from ..records import TEMPLATES, UNKNOWN_LIKE
from .json_reader import Fields, Json, as_bool, as_object, as_string, choice


@dataclass(frozen=True)
class Templates:
    """Which names a source may use, and what a name that is none of `TEMPLATES` stands for.

    Files are read as strictly as Ganeti reads them. What a running cluster says is taken as it is:
    a name that means nothing here must not hide everything else.
    """

    strict: bool = True
    likes: Mapping[str, str] = field(default_factory=dict)
    """By name, the one of `TEMPLATES` whose rules hold."""

    def read(self, value: Json) -> str:
        """A name.

        :raises LoadError: it is no text, or unknown where only known names may be.
        """
        return _known(value) if self.strict else as_string(value)

    def knows(self, name: str) -> bool:
        """Whether it is known what a name stands for."""
        return name in TEMPLATES or name in self.likes

    def like(self, name: str) -> str:
        """What an instance has as `like`."""
        return "" if name in TEMPLATES else self.likes.get(name, UNKNOWN_LIKE)


_known = choice(TEMPLATES, "Ganeti.Types.DiskTemplate")

STRICT: Final = Templates()
LIVE: Final = Templates(strict=False)


def described(documents: Json) -> Templates:
    """The templates of a cluster that says of each what its instances need.

    :raises LoadError: it does not say so in the form that it has to.
    """
    return Templates(strict=False, likes={
        name: _like(Fields(f"disk template '{name}'", as_object(data)))
        for name, data in as_object(documents).items()
    })


def _like(fields: Fields) -> str:
    """The one of `TEMPLATES` that has the same needs."""
    if fields.maybe("mirrored", as_bool, False):
        return "drbd"
    if fields.maybe("no_disks", as_bool, False):
        return "diskless"
    if fields.maybe("shared", as_bool, False):
        return "sharedfile"
    return "plain" if fields.maybe("local_space", as_bool, False) else UNKNOWN_LIKE
