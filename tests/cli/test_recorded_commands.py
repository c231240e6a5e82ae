"""Commands print what the peer printed for the same question and the same answer of a master."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

DATA = Path(__file__).parents[1] / "data/cli/records.json.gz"
with gzip.open(DATA) as file:
    RECORDS: list[dict[str, Any]] = json.load(file)


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: " ".join(record["argv"]))
def test_output_is_as_recorded(run, record: dict[str, Any]) -> None:
    ran = run(record["argv"], *record["exchanges"])
    assert ran.err == record["stderr"]
    assert ran.out == record["stdout"]
    assert ran.status == record["rc"]
