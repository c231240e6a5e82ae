"""Find providers: every folder below the search path that has all the scripts is one."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from .driver import REQUIRED, Scripts, provider

SEARCH_PATH = tuple(f"{prefix}/ganeti/extstorage" for prefix in (
    "/srv", "/usr/local/lib", "/usr/lib", "/usr/share"))

log = logging.getLogger(__name__)


class ProviderDirectories:
    """Lists the folders of ``extstorage_search_path``."""

    def drivers(self, root: Path, settings: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
        """Yield a driver per provider; of two with one name the first is used.

        The search path is one of the real file system, whatever `root` is: programs installed on
        the host serve every cluster on it.
        """
        seen = set()
        for parent in map(Path, settings.get("extstorage_search_path") or SEARCH_PATH):
            for folder in _folders(parent):
                scripts = Scripts.read(folder)
                if missing := REQUIRED - scripts.present:
                    log.warning("%s is no ExtStorage provider: it lacks %s", folder,
                                ", ".join(sorted(missing)))
                elif folder.name not in seen:
                    seen.add(folder.name)
                    yield folder.name, provider(scripts)


def _folders(parent: Path) -> list[Path]:
    try:
        entries = sorted(parent.iterdir())
    except OSError:
        return []
    return [entry for entry in entries if entry.is_dir() and not entry.name.startswith((".", "_"))]
