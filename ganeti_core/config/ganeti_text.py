"""The text of ``config.data``, written again and again while a few objects change."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ganeti_core.config.ganeti_format import write_disk, write_frame, write_instance

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
        held = {}
        for uuid, source in sources.items():
            found = self._held.get(uuid)
            # Objects of the configuration are never changed in place.
            if found is None or found[0][0] is not source[0] or found[0][1] is not source[1]:
                found = (source, _text(write(*source)))
            held[uuid] = found
        self._held = held
        return _joined({uuid: text for uuid, (_, text) in held.items()})


@dataclass
class ConfigText:
    """Writes what `write_config` makes, as JSON with sorted keys.

    The texts of instances and disks are kept: those whose objects are still the same ones are not
    made again. Used by one thread.
    """

    _instances: _Texts = field(default_factory=_Texts)
    _disks: _Texts = field(default_factory=_Texts)

    def write(self, snapshot: Snapshot) -> str:
        """Return the whole text of a configuration."""
        parts = {key: _text(value) for key, value in write_frame(snapshot).items()}
        parts["instances"] = self._instances.table({
            uuid: (instance, None) for uuid, instance in snapshot.instances.items()
        }, lambda instance, _: write_instance(instance))
        parts["disks"] = self._disks.table({
            uuid: (disk, snapshot.instances.get(disk.instance))
            for uuid, disk in snapshot.disks.items()
        }, lambda disk, _: write_disk(disk, snapshot))
        return _joined(parts)

    def forget(self) -> None:
        """Hold nothing any more."""
        self._instances, self._disks = _Texts(), _Texts()


def _text(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _joined(parts: dict[str, str]) -> str:
    return "{" + ",".join(f"{json.dumps(key)}:{parts[key]}" for key in sorted(parts)) + "}"
