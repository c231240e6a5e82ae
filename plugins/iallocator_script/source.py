"""Find allocator programs on the node."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from .program import AllocatorProgram

SETTING = "iallocator_search_path"
SEARCH_PATH = ("/usr/lib/ganeti/iallocators", "/usr/local/lib/ganeti/iallocators")

_NAME = re.compile(r"[A-Za-z0-9_-]+")


class AllocatorPrograms:
    """Lists the programs in the folders of ``iallocator_search_path``, that lie below the root."""

    def search_path(self, settings: Mapping[str, Any]) -> list[str]:
        return list(settings.get(SETTING) or SEARCH_PATH)

    def drivers(
        self, root: Path, settings: Mapping[str, Any]
    ) -> Iterable[tuple[str, AllocatorProgram]]:
        """Yield each program by its name; of two with one name the first folder's is used."""
        seen: set[str] = set()
        for folder in self.search_path(settings):
            for path in _programs(root / folder.lstrip("/")):
                if path.name not in seen:
                    seen.add(path.name)
                    yield path.name, AllocatorProgram(path.name, path)


def _programs(folder: Path) -> list[Path]:
    try:
        found = sorted(folder.iterdir())
    except OSError:
        return []  # not there, which is usual, or not ours to read
    return [path for path in found
            if _NAME.fullmatch(path.name) and path.is_file() and os.access(path, os.X_OK)]
