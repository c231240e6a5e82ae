"""Each tutorial, followed to the letter by an author with an environment of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from author import TOP, Author
from tutorial import Shell, follow

from ganeti_core.cli.plugin.names import KINDS

PAGES = sorted((TOP / "docs/tutorials").glob("*.md"))
EVERY_TIME = ("index",)
"""Those that `make test` follows; `make torture` follows all."""


@pytest.fixture
def shell(author: Author) -> Iterator[Shell]:
    with Shell(author.variables, author.home) as shell:
        yield shell
    if (author.home / "cluster").exists():
        author.run("gnt-vcluster", "down", "--root", str(author.home / "cluster"))


def test_there_is_a_tutorial_for_each_kind() -> None:
    assert {page.stem for page in PAGES} == {*KINDS, "index"}


@pytest.mark.examples
@pytest.mark.timeout(900)
@pytest.mark.parametrize("page", [
    pytest.param(page, marks=() if page.stem in EVERY_TIME else pytest.mark.torture, id=page.stem)
    for page in PAGES])
def test_the_tutorial_works_as_it_is_written(page: Path, shell: Shell) -> None:
    follow(page, shell)
