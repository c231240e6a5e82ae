"""Commands print what Ganeti printed for the same question and the same answer of a master.

Three recordings are changed on purpose: `gnt-os diagnose` names nodes, not their uuids, `gnt-os
info` of an unknown definition fails, and `gnt-node migrate` names who is still there. For consoles
the question is whether the instance runs, too.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

DATA = Path(__file__).parents[1] / "data/cli/records.json.gz"
with gzip.open(DATA) as file:
    RECORDS: list[dict[str, Any]] = json.load(file)

NEEDS = {"disk_template_needs": {"diskless": {"no_disks": True}}}


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: " ".join(record["argv"]))
def test_output_is_as_recorded(run, record: dict[str, Any]) -> None:
    # Nothing is owed to the nodes, nor are they ill: Ganeti shows neither. What a template needs it
    # knows by name.
    exchanges = [[method, args, {**answer, **NEEDS}] if method == "QueryClusterInfo" else
                 [method, args, answer] for method, args, answer in record["exchanges"]]
    ran = run(record["argv"], *exchanges, ["Debts", [], []], ["QueryClusterInfo", "*", NEEDS],
              ["CollectorAlarms", "*", {}])
    assert ran.err == record["stderr"]
    assert ran.out == record["stdout"]
    assert ran.status == record["rc"]
