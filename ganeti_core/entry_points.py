"""Entry points: find and load them one by one, and tell which distributions provide them."""

from __future__ import annotations

import importlib
import logging
import re
import time
from collections.abc import Callable
from importlib import metadata
from typing import TYPE_CHECKING, Any

from stevedore import ExtensionManager, NamedExtensionManager, _cache
from stevedore.extension import Extension

from ganeti_core.lazy_dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable

PREFIX = "ganeti."
"""How the groups of all our kinds begin."""

OWN_PACKAGES = ("ganeti_core", "ganeti_plugins", "ganeti_os_definitions")
"""What the distribution of the core itself brings along."""

log = logging.getLogger(__name__)

Entry = tuple[str, str]
"""Group and name of an entry point."""

Failed = Callable[[str, BaseException], None]
"""Takes the name of an entry point, and what happened."""


@dataclass(frozen=True)
class Found:
    """An entry point that was loaded; `seconds` of its import.

    `shadows`: modules of others that provide the same name, and are not used: it is our own.
    """

    extension: Extension[Any]
    seconds: float
    shadows: tuple[str, ...] = ()

    @property
    def is_foreign(self) -> bool:
        """Whether another distribution than the core's own provides it."""
        return not _is_own(self.extension.entry_point)


def scan(
    group: str, failed: Failed, wanted: Callable[[str], bool] = lambda _: True
) -> list[Found]:
    """Load a group's entry points, each on its own.

    Stevedore loads a group as a whole and lets AssertionError and SystemExit escape its failure
    callback, so one bad import would hide its neighbours.
    """
    found: list[Found] = []
    entries = _entries(group)
    for name in filter(wanted, sorted(entries)):
        began = time.perf_counter()
        own = [entry for entry in entries[name] if _is_own(entry)]
        shadows = tuple(entry.module for entry in entries[name] if not _is_own(entry))
        try:
            if len(own) == 1 and shadows:
                # Nobody can take the place of what the core brings along, nor switch it off.
                plugin = own[0].load()
                extensions: list[Extension[Any]] = [Extension(name, own[0], plugin, plugin())]
            else:
                shadows = ()
                extensions = NamedExtensionManager(
                    group, names=[name], invoke_on_load=True,
                    on_load_failure_callback=_raise).extensions
        except (Exception, SystemExit) as exc:  # noqa: BLE001  # wall: foreign code at import time
            failed(name, exc)
            continue
        seconds = time.perf_counter() - began
        found.extend(Found(extension, seconds, shadows) for extension in extensions)
    return found


def names_of(group: str) -> list[str]:
    """The names of a group's entry points, sorted; nothing is loaded."""
    return sorted(_entries(group))


def foreign_names(group: str) -> list[str]:
    """The names of a group that only others provide, sorted; nothing is loaded."""
    return sorted(name for name, entries in _entries(group).items()
                  if not any(map(_is_own, entries)))


def foreign_modules(group: str) -> dict[str, tuple[str, ...]]:
    """The modules of the entry points of a group that only others provide, by name; nothing is
    loaded."""
    return {name: tuple(sorted(entry.module for entry in entries))
            for name, entries in _entries(group).items() if not any(map(_is_own, entries))}


def forget_all() -> None:
    """Find anew what is installed: it has changed while this process ran."""
    importlib.invalidate_caches()
    # Stevedore has nothing public for this. The file that it keeps beside is not read when the
    # folders of the path have changed.
    ExtensionManager.ENTRY_POINT_CACHE.clear()
    _cache._c._internal.clear()


def _entries(group: str) -> dict[str, list[metadata.EntryPoint]]:
    listing: NamedExtensionManager[Any] = NamedExtensionManager(group, names=[])
    entries: dict[str, list[metadata.EntryPoint]] = {}
    for entry in listing.list_entry_points():
        entries.setdefault(entry.name, []).append(entry)
    return entries


def _is_own(entry: metadata.EntryPoint) -> bool:
    return entry.module.partition(".")[0] in OWN_PACKAGES


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

    Reads the metadata of every installed distribution, so only where people look.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], list[tuple[str, str]]] = {}
        seen: set[str] = set()
        for distribution in metadata.distributions():
            name, version = _name_and_version(distribution)
            folded = re.sub(r"[-_.]+", "-", name).lower()
            # The first one on the path is the one that is imported.
            if folded in seen:
                continue
            seen.add(folded)
            for entry in distribution.entry_points:
                if entry.group.startswith(PREFIX):
                    self._known.setdefault((entry.group, entry.name), []).append((name, version))

    def of(self, group: str, name: str) -> list[tuple[str, str]]:
        """Name and version of each distribution that provides it, sorted."""
        return sorted(self._known.get((group, name), []))


def _name_and_version(distribution: metadata.Distribution) -> tuple[str, str]:
    """What `distribution.metadata` says, without parsing all of it: most is a long description."""
    text = distribution.read_text("METADATA") or distribution.read_text("PKG-INFO") or ""
    fields: dict[str, str] = {}
    for line in text.partition("\n\n")[0].splitlines():
        field, colon, value = line.partition(":")
        if colon and not field[:1].isspace():
            fields.setdefault(field.lower(), value.strip())
    return fields.get("name", ""), fields.get("version", "")
