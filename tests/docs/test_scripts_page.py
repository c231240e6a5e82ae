"""The names of administrators' scripts in the manual are those that run."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RUNS = re.compile(r'\b\w*[sS]cripts\(\s*(?:ctx, )?"([a-z]+-[a-z-]+)"')


def test_every_name_of_scripts_is_in_the_manual_and_no_other() -> None:
    sources = [path.read_text() for path in (ROOT / "ganeti_core/operations").rglob("*.py")]
    runs = {name for text in sources for name in RUNS.findall(text)} | {"config-update"}
    page = (ROOT / "docs/operations.md").read_text()
    section = page.partition("## Scripts around operations")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| `")]
    named = [name for row in rows for name in re.findall(r"`([a-z-]+)`", row.split("|")[1])]
    assert sorted(named) == sorted(runs)
