"""Folders that are linked into Python's path: ``pip install -e`` leaves a file that names one.

Python reads such files only when it starts.
"""

from __future__ import annotations

import os
import site
import sys
from pathlib import Path


def linked_folders() -> frozenset[str]:
    """Return the folders that are linked by now; lines that are code are not run."""
    found: set[str] = set()
    for place in site.getsitepackages():
        if place not in sys.path:
            continue
        for file in Path(place).glob("*.pth"):
            try:
                lines = file.read_text(errors="surrogateescape").splitlines()
            except OSError:
                continue
            found.update(os.path.abspath(os.path.join(place, line.rstrip())) for line in lines
                         if line.strip() and not line.startswith(("#", "import ", "import\t")))
    return frozenset(folder for folder in found if os.path.isdir(folder))


def follow(before: frozenset[str], now: frozenset[str]) -> None:
    """Take into this process's path what is linked since `before`, and drop what is no more."""
    for folder in before - now:
        if folder in sys.path:
            sys.path.remove(folder)
    sys.path.extend(sorted(now.difference(sys.path)))
