"""The text of ``config.data``, written again and again while a few objects change."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import field
from typing import TYPE_CHECKING, Any

from ganeti_core.config.ganeti_format import (
    PLAIN_TABLES,
    write_cluster,
    write_disk,
    write_heading,
    write_instance,
    write_plain,
)
from ganeti_core.lazy_dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable

    from ganeti_core.config.snapshot import Snapshot


@dataclass
class _Texts:
    """The entries of one table, each with the objects that it was written from."""

    _held: dict[str, tuple[tuple[object, object], str]] = field(default_factory=dict)

    def table(
        self, sources: dict[str, tuple[Any, Any]], write: Callable[[Any, Any], dict[str, Any]]
    ) -> str:
        self._held = {uuid: self._entry(uuid, source, write) for uuid, source in sources.items()}
        return _joined({uuid: text for uuid, (_, text) in self._held.items()})

    def one(self, source: Any, write: Callable[[Any], dict[str, Any]]) -> str:
        """Write the only entry of its kind."""
        self._held = {"": self._entry("", (source, None), lambda value, _: write(value))}
        return self._held[""][1]

    def _entry(
        self, uuid: str, source: tuple[Any, Any], write: Callable[[Any, Any], dict[str, Any]]
    ) -> tuple[tuple[object, object], str]:
        found = self._held.get(uuid)
        # Objects of the configuration are never changed in place.
        if found is None or found[0][0] is not source[0] or found[0][1] is not source[1]:
            return source, _text(write(*source))
        return found


@dataclass
class ConfigText:
    """Writes what `write_config` makes, as JSON with sorted keys.

    The texts of objects are kept: those that are still the same ones are not made again. Used by
    one thread.
    """

    _tables: defaultdict[str, _Texts] = field(default_factory=lambda: defaultdict(_Texts))

    def write(self, snapshot: Snapshot) -> str:
        """Return the whole text of a configuration."""
        parts = {key: _text(value) for key, value in write_heading(snapshot).items()}
        parts["cluster"] = self._tables["cluster"].one(snapshot.cluster, write_cluster)
        for table, kind in PLAIN_TABLES.items():
            parts[table] = self._tables[table].table({
                uuid: (value, None) for uuid, value in snapshot.of_kind(kind).items()
            }, lambda value, _: write_plain(value))
        parts["instances"] = self._tables["instances"].table({
            uuid: (instance, None) for uuid, instance in snapshot.instances.items()
        }, lambda instance, _: write_instance(instance))
        parts["disks"] = self._tables["disks"].table({
            uuid: (disk, snapshot.instances.get(disk.instance))
            for uuid, disk in snapshot.disks.items()
        }, lambda disk, _: write_disk(disk, snapshot))
        return _joined(parts)

    def forget(self) -> None:
        """Hold nothing any more."""
        self._tables.clear()


def _text(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _joined(parts: dict[str, str]) -> str:
    return "{" + ",".join(f"{json.dumps(key)}:{parts[key]}" for key in sorted(parts)) + "}"
