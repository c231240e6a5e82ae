"""What the conformance kit found about each driver is recorded, and of what there is now."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.fixture(scope="module")
def conformance() -> ModuleType:
    """The program that runs the kit; it lies in docs/, in no package."""
    sys.path.insert(0, str(DOCS))
    try:
        return importlib.import_module("conformance")
    finally:
        sys.path.remove(str(DOCS))


def test_the_record_is_of_these_drivers_and_of_this_kit(conformance: ModuleType) -> None:
    assert conformance.stale() == [], "run: python docs/conformance.py && python docs/build.py"


def test_each_driver_is_in_the_record_and_fails_nothing(conformance: ModuleType) -> None:
    record = json.loads(conformance.RECORD.read_text())
    for kind, drivers in record["declared"].items():
        results = record["results"].get(kind, {})
        assert drivers.keys() <= results.keys(), kind
        for name, tests in results.items():
            assert set(tests) == set(record["kit"][kind]), (kind, name)
            assert "failed" not in tests.values(), (kind, name)
