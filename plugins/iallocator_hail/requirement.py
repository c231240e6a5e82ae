"""The library that placement needs and the project alone does not bring."""

from __future__ import annotations

from importlib.util import find_spec


def missing_library() -> str:
    """Return what is missing and how to get it; empty when placement can work."""
    if find_spec("numpy") is not None:
        return ""
    return "numpy is missing (pip install 'ganeti-core[placement]' installs it)"
