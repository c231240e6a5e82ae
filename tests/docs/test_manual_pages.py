"""Every program has a manual page, and the page has every option that the program says it has."""

from __future__ import annotations

import configparser
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ganeti_core.cli.manual import MARKER
from ganeti_core.cli.tools import TOOLS

TOP = Path(__file__).resolve().parents[2]
MANUAL = TOP / "docs/man"
OWN = frozenset({"-h", "--help"})
"""Those that every program has need not be told on its page."""


def scripts() -> dict[str, str]:
    """The console scripts, and what each calls."""
    config = configparser.ConfigParser()
    config.read(TOP / "setup.cfg")
    lines = config["options.entry_points"]["console_scripts"].strip().splitlines()
    return dict(re.split(r"\s*=\s*", line.strip()) for line in lines)


OTHERS = sorted(scripts().keys() - {tool.program for tool in TOOLS.values()})


@pytest.mark.parametrize("program", scripts())
def test_every_program_has_a_page_written_by_hand_and_by_the_program(program: str) -> None:
    by_hand, marker, options = (MANUAL / f"{program}.md").read_text().partition(MARKER)
    assert re.match(rf"# {program}: .+\n", by_hand)
    assert len(by_hand.splitlines()) > 5, "tell in a few sentences what it is for"
    assert marker
    assert options.strip()


def test_every_page_is_of_a_program() -> None:
    assert {page.stem for page in MANUAL.glob("*.md")} == scripts().keys()


@pytest.mark.parametrize("program", OTHERS)
def test_the_page_has_every_option_that_help_shows(program: str) -> None:
    page = (MANUAL / f"{program}.md").read_text()
    for words in ((), *((word,) for word in re.findall(r"^##+ (?:\S+ )?(\w+)$", page, re.MULTILINE)
                        if f"`{program} {word}" in page)):
        for option in options_of(program, *words):
            assert f"`{option}`" in page, f"{program} {' '.join(words)}: {option}"


def options_of(program: str, *words: str) -> Iterator[str]:
    """The options that ``--help`` lists, and those that it mentions with them."""
    module, function = scripts()[program].split(":")
    said = subprocess.run(
        [sys.executable, "-c",
         f"import sys; from {module} import {function}; sys.argv[0] = {program!r};"
         f" sys.exit({function}())", *words, "--help"],
        env={**os.environ, "COLUMNS": "200"}, capture_output=True, text=True)
    assert said.returncode == 0, said.stderr
    shown = [option for line in said.stdout.splitlines() if re.match(r"\s+-", line)
             for option in re.findall(r"(?<!\S)--?[a-zA-Z][\w-]*", line)]
    assert shown
    yield from (option for option in shown if option not in OWN)
