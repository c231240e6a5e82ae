"""Sources: entry points that list drivers found on the node, such as directories of scripts.

A source is found through the group ``ganeti.KIND.sources``. It is asked again on demand, so what
an administrator drops into a folder is there without a restart; the checks of entry-point drivers
apply to what it gives.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

from ganeti_core.lazy_dataclass import dataclass


@dataclass(frozen=True)
class Unusable:
    """What a source gives in the place of a driver that it found and nobody can use.

    :param problem: why, for people
    :param location: where it lies on the node
    """

    problem: str
    location: str = ""


class DriverSource(Protocol):
    """Lists drivers of its kind.

    A driver may have an attribute `location`, a text: where it lies on the node. It is shown to
    people, such as by ``gnt-plugin list``.

    Sources are asked often, up to once a second. A driver that is equal (``==``) to the one of its
    name that was listed before, and describes itself the same, is not checked again: the earlier
    one stays in use. So drivers should be values, such as frozen dataclasses, that keep nothing of
    what they have read.
    """

    def drivers(self, root: Path, settings: Mapping[str, Any]) -> Iterable[tuple[str, object]]:
        """Yield (name, driver) pairs found below `root`; `settings` as in `HookContext.config`.

        Order is precedence: of two drivers of one name the first is used.
        """


class HasSearchPath(Protocol):
    """A source that looks in folders; ``gnt-cluster info`` shows them."""

    def search_path(self, settings: Mapping[str, Any]) -> Iterable[str]:
        """The folders in the order in which they are looked through; `settings` as above."""
