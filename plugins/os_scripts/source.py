"""Find OS definitions: every folder below the search path is one."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from .driver import OsScripts

SEARCH_PATH = (
    "/srv/ganeti/os", "/usr/local/lib/ganeti/os", "/usr/lib/ganeti/os", "/usr/share/ganeti/os")
OWN_DEFINITIONS = "ganeti_os_definitions"


class OsScriptDirectories:
    """Lists the folders of ``os_search_path``, and after them those of the distribution.

    The search path lies below the node's root, like all of the cluster's files.
    """

    def search_path(self, settings: Mapping[str, Any]) -> list[str]:
        return [*_wanted(settings), *map(str, _own())]

    def drivers(
        self, root: Path, settings: Mapping[str, Any]
    ) -> Iterator[tuple[str, OsScripts]]:
        """Yield a driver per definition; of two with one name the first is used.

        A definition that cannot be used is listed too, with its problem in its `info`.
        """
        seen = set()
        below = [root / folder.lstrip("/") for folder in _wanted(settings)]
        for parent in (*below, *_own()):
            for folder in _folders(parent):
                if folder.name not in seen:
                    seen.add(folder.name)
                    yield folder.name, OsScripts(folder.name, folder)


def _wanted(settings: Mapping[str, Any]) -> list[str]:
    return list(settings.get("os_search_path") or SEARCH_PATH)


def _folders(parent: Path) -> list[Path]:
    try:
        entries = sorted(parent.iterdir())
    except OSError:
        return []
    return [entry for entry in entries if entry.is_dir() and not entry.name.startswith((".", "_"))]


def _own() -> tuple[Path, ...]:
    # Asked for by name, so that this plugin works where the definitions are packaged apart.
    found = importlib.util.find_spec(OWN_DEFINITIONS)
    return tuple(map(Path, (found and found.submodule_search_locations) or ()))
