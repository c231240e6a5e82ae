"""Entry points: find and load them one by one, and tell which distributions provide them."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING, Any

from stevedore import NamedExtensionManager

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stevedore.extension import Extension

PREFIX = "ganeti."
"""How the groups of all our kinds begin."""

log = logging.getLogger(__name__)

Failed = Callable[[str, BaseException], None]
"""Takes the name of an entry point, and what happened."""


@dataclass(frozen=True)
class Found:
    """An entry point that was loaded; `seconds` of its import."""

    extension: Extension[Any]
    seconds: float


def scan(
    group: str, failed: Failed, wanted: Callable[[str], bool] = lambda _: True
) -> list[Found]:
    """Load a group's entry points, each on its own.

    Stevedore loads a group as a whole and lets AssertionError and SystemExit escape its failure
    callback, so one bad import would hide its neighbours.
    """
    listing: NamedExtensionManager[Any] = NamedExtensionManager(group, names=[])
    found: list[Found] = []
    names = {entry.name for entry in listing.list_entry_points()}
    for name in sorted(filter(wanted, names)):
        began = time.perf_counter()
        try:
            manager: NamedExtensionManager[Any] = NamedExtensionManager(
                group, names=[name], invoke_on_load=True, on_load_failure_callback=_raise)
        except (Exception, SystemExit) as exc:  # noqa: BLE001  # wall: foreign code at import time
            failed(name, exc)
            continue
        seconds = time.perf_counter() - began
        found.extend(Found(extension, seconds) for extension in manager.extensions)
    return found


def _raise(_manager: object, _entry_point: object, error: BaseException) -> None:
    raise error


def log_failure(name: str, exc: BaseException) -> None:
    log.error("%s cannot be loaded: %s", name, exc)


def by_name(found: Iterable[Found]) -> dict[str, list[Found]]:
    grouped: dict[str, list[Found]] = {}
    for one in found:
        grouped.setdefault(one.extension.name, []).append(one)
    return grouped


class Origins:
    """Which distributions provide an entry point: stevedore's cache forgets it.

    Reads the metadata of every installed distribution (some ms), so only where people look.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], list[tuple[str, str]]] = {}
        seen: set[str] = set()
        for distribution in metadata.distributions():
            name = distribution.metadata["Name"] or ""
            folded = re.sub(r"[-_.]+", "-", name).lower()
            # The first one on the path is the one that is imported.
            if folded in seen:
                continue
            seen.add(folded)
            for entry in distribution.entry_points:
                if entry.group.startswith(PREFIX):
                    self._known.setdefault((entry.group, entry.name), []).append(
                        (name, distribution.version))

    def of(self, group: str, name: str) -> list[tuple[str, str]]:
        """Name and version of each distribution that provides it, sorted."""
        return sorted(self._known.get((group, name), []))
