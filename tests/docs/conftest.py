"""Fixtures: the generator of the reference pages, which lies in docs/, in no package."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.fixture(scope="session")
def build() -> ModuleType:
    sys.path.insert(0, str(DOCS))
    try:
        return importlib.import_module("build")
    finally:
        sys.path.remove(str(DOCS))
