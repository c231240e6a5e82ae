"""Find providers: every folder below the search path that has all the scripts is one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ganeti_core.plugin_api.sources import Unusable

from .driver import REQUIRED, Scripts, provider

SEARCH_PATH = tuple(f"{prefix}/ganeti/extstorage" for prefix in (
    "/srv", "/usr/local/lib", "/usr/lib", "/usr/share"))


class ProviderDirectories:
    """Lists the folders of ``extstorage_search_path``, that lie below the node's root."""

    def search_path(self, settings: Mapping[str, Any]) -> list[str]:
        return list(settings.get("extstorage_search_path") or SEARCH_PATH)

    def drivers(self, root: Path, settings: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
        """Yield a driver per provider, and folders that lack a script; of two with one name the
        first is used."""
        seen = set()
        for parent in self.search_path(settings):
            for folder in _folders(root / parent.lstrip("/")):
                scripts = Scripts.read(folder)
                if folder.name in seen:
                    continue
                if missing := sorted(REQUIRED - scripts.present):
                    yield folder.name, Unusable(
                        f"it lacks the scripts {', '.join(missing)} (as files that can be run)",
                        str(folder))
                else:
                    seen.add(folder.name)
                    yield folder.name, provider(scripts)


def _folders(parent: Path) -> list[Path]:
    try:
        entries = sorted(parent.iterdir())
    except OSError:
        return []
    return [entry for entry in entries if entry.is_dir() and not entry.name.startswith((".", "_"))]
