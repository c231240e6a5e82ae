"""The manual pages name every command and option that there is."""

from __future__ import annotations

from pathlib import Path

import pytest

from ganeti_core.cli.manual import MARKER, reference
from ganeti_core.cli.tools import TOOLS

PAGES = Path(__file__).parents[2] / "docs/man"


@pytest.mark.parametrize("program", TOOLS)
def test_the_page_is_up_to_date(program: str) -> None:
    by_hand, marker, rest = (PAGES / f"{program}.md").read_text().partition(MARKER)
    assert by_hand.startswith(f"# {program}")
    assert marker + rest == reference(TOOLS[program]), (
        "run: python docs/build.py")
