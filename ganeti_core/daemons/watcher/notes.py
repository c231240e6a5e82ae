"""What the watcher remembers from run to run: its attempts, and how often nodes were booted."""

from __future__ import annotations

import json
import logging
import time
from dataclasses import field
from typing import TYPE_CHECKING, Any

from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.rpc.atomic import write_atomically

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from ganeti_core.paths import Paths

MOST_TRIES = 5
"""Attempts for one instance; then only an administrator can help."""
EXPIRATION = 8 * 3600.0
"""Seconds after the last attempt for an instance in which it is given new ones."""

log = logging.getLogger(__name__)


def notes_file(paths: Paths) -> Path:
    """Where the watcher of a master node keeps its notes."""
    return paths.data / "watcher.data"


@dataclass
class Notes:
    """What is known of earlier runs.

    :param attempts: by instance: how often the same was tried, and when last (seconds since the
        epoch)
    :param boot_ids: by node, or ``GROUP/NODE`` of a run for one group only: the kernel's mark of
        the boot that was seen last
    """

    attempts: dict[str, tuple[int, float]] = field(default_factory=dict)
    boot_ids: dict[str, str] = field(default_factory=dict)

    @classmethod
    def load(cls, file: Path) -> Notes:
        """Read the notes; damaged ones count for nothing."""
        try:
            found: dict[str, Any] = json.loads(file.read_text())
            return cls({str(name): (int(count), float(when))
                        for name, (count, when) in found["attempts"].items()},
                       {str(node): str(mark) for node, mark in found["boot_ids"].items()})
        except FileNotFoundError:
            return cls()
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as exc:
            log.warning("%s is damaged, attempts are counted anew: %s", file, exc)
            return cls()

    def save(self, file: Path) -> None:
        """:raises OSError: it cannot be written"""
        text = json.dumps({"attempts": self.attempts, "boot_ids": self.boot_ids})
        write_atomically(file, text.encode(), 0o600)

    def keep_only(self, instances: Collection[str], nodes: Collection[str]) -> None:
        """Forget instances and nodes that are gone, and attempts that were long ago."""
        now = time.time()
        # One that is yet to come was made by a clock that was ahead: nobody waits for that time.
        self.attempts = {name: (count, when) for name, (count, when) in self.attempts.items()
                         if name in instances and 0 <= now - when < EXPIRATION}
        self.boot_ids = {name: mark for name, mark in self.boot_ids.items()
                         if name.rpartition("/")[2] in nodes}

    def may_try(self, instance: str) -> bool:
        """Whether it was not tried too often; the first refusal is logged as an error."""
        count = self.attempts.get(instance, (0, 0.0))[0]
        if count == MOST_TRIES:
            log.error("instance %s: %d attempts have not helped, it is given up; the next ones are "
                      "made in %d hours", instance, count, EXPIRATION // 3600)
            self.tried(instance)
        elif count > MOST_TRIES:
            log.warning("instance %s was given up", instance)
        return count < MOST_TRIES

    def tried(self, instance: str) -> None:
        """Count an attempt."""
        self.attempts[instance] = (self.attempts.get(instance, (0, 0.0))[0] + 1, time.time())

    def is_well(self, instance: str) -> bool:
        """Forget the attempts for an instance; whether there were any."""
        return self.attempts.pop(instance, None) is not None
