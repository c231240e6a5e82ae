"""Fixtures: an author's machine."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

import pytest
from author import TOP, Author, base_environment, can_build, derived_environment


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """An environment with the project, from its wheel."""
    if not can_build():
        pytest.skip("distributions cannot be built here: setuptools>=70.1 is missing")
    mine = tmp_path_factory.getbasetemp()
    return base_environment((mine if worker_id == "master" else mine.parent) / "author")


@pytest.fixture
def author(base: Path, tmp_path: Path) -> Author:
    """An author with an environment of their own."""
    home = tmp_path / "home"
    home.mkdir()
    return Author(derived_environment(base, tmp_path / "env"), home)


@pytest.fixture(scope="session")
def pages() -> ModuleType:
    """The generator of the reference pages; it lies in docs/, in no package."""
    sys.path.insert(0, str(TOP / "docs"))
    try:
        return importlib.import_module("pages.contracts")
    finally:
        sys.path.remove(str(TOP / "docs"))
