"""Run the conformance kit on drivers that are wrong on purpose, and say which tests found them."""

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from ganeti_core.plugin_api.testing import contracts

WRONG = """
class Wrong{number}({driver}):
{mistake}

class TestWrong{number}({contract}):
    @pytest.fixture
    def driver(self):
        return Wrong{number}()
"""


@dataclass(frozen=True)
class Mistake:
    """A wrong driver; and the test that must fail, by how its name begins."""

    test: str
    body: str


def run_each(
    pytester: pytest.Pytester, prelude: str, mistakes: Mapping[str, Mistake], driver: str,
    contract: str,
) -> set[str]:
    """Run for each mistake the test meant for it; return those that it found."""
    module, nodes, named = prelude, [], {}
    for number, (name, mistake) in enumerate(mistakes.items()):
        body = textwrap.indent(textwrap.dedent(mistake.body), "    ")
        module += WRONG.format(number=number, driver=driver, contract=contract, mistake=body)
        nodes.append(f"test_wrong.py::TestWrong{number}::{full_name(mistake.test)}")
        named[f"TestWrong{number}"] = name
    pytester.makepyfile(test_wrong=module)
    run = pytester.inline_run("-q", "--tb=no", "-p", "no:cacheprovider", *nodes)
    return {named[report.nodeid.split("::")[1]]
            for report in run.getreports("pytest_runtest_logreport") if report.failed}


def full_name(beginning: str) -> str:
    """Find the one test of the kit whose name is or begins so."""
    names = {name for contract in contracts.__all__ for name in dir(getattr(contracts, contract))}
    found = {beginning} & names or {name for name in names if name.startswith(beginning)}
    assert len(found) == 1, f"{beginning}: {found}"
    return found.pop()
