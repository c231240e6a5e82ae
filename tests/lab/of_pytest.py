"""pytest, for tests that run on a machine with the package's own Python."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

NEEDED = ("pytest", "iniconfig", "packaging", "pygments")
"""Distributions that the kits need and the package does not bring."""


def of_pytest() -> set[Path]:
    """Return the files and folders of pytest and what it needs, as installed here."""
    return {Path(str(path.locate().parent if path.name == "__init__.py" else path.locate()))
            for name in NEEDED for path in metadata.files(name) or ()
            if len(path.parts) == (2 if path.name == "__init__.py" else 1)
            and path.suffix == ".py"}
