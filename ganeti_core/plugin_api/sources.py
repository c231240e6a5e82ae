"""Sources: entry points that list drivers found on the node, such as directories of scripts.

A source is found through the group ``ganeti.KIND.sources``. It is asked again on demand, so what
an administrator drops into a folder is there without a restart; the checks of entry-point drivers
apply to what it gives.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol


class DriverSource(Protocol):
    """Lists drivers of its kind."""

    def drivers(self, root: Path, settings: Mapping[str, Any]) -> Iterable[tuple[str, object]]:
        """Yield (name, driver) pairs found below `root`; `settings` as in `HookContext.config`.

        Order is precedence: of two drivers of one name the first is used.
        """
