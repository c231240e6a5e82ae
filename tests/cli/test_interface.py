"""Commands take the options and arguments of Ganeti's commands, with the same names."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from ganeti_core.cli.session import Command
from ganeti_core.cli.tools import TOOLS

INTERFACE: dict[str, Any] = json.loads(
    (Path(__file__).parents[1] / "data/cli/interface.json").read_text())
BOTH = [(program, name) for program, tool in TOOLS.items() for name in tool.commands
        if name in INTERFACE[program]["commands"]]
OURS = {("gnt-cluster", "plugins"), ("gnt-cluster", "export-config"),
        ("gnt-cluster", "export-spec"), ("gnt-cluster", "plan"), ("gnt-cluster", "apply"),
        ("gnt-cluster", "import-config"), ("gnt-cluster", "top"), ("gnt-job", "why"),
        ("gnt-node", "list-debts"), ("gnt-node", "preflight"),
        ("gnt-node", "retry-debts"), ("gnt-node", "forget-debts")}


def command(program: str, name: str) -> Command:
    return import_module(TOOLS[program].commands[name].module).COMMANDS[name]


def test_only_the_commands_that_are_ours_are_unknown_to_ganeti() -> None:
    assert {(program, name) for program, tool in TOOLS.items()
            for name in tool.commands} - set(BOTH) == OURS


@pytest.mark.parametrize("program", TOOLS)
def test_aliases(program: str) -> None:
    tool = TOOLS[program]
    theirs = {alias: name for alias, name in INTERFACE[program]["aliases"].items()
              if name in tool.commands}
    assert theirs == {alias: name for alias, name in tool.aliases.items() if alias in theirs}


@pytest.mark.parametrize(("program", "name"), BOTH)
def test_every_option_is_taken(program: str, name: str) -> None:
    ours = {option: (spec.make().dest, spec.make().takes_value())
            for spec in command(program, name).options for option in spec.names}
    for names, dest, values in INTERFACE[program]["commands"][name]["options"]:
        for option in names.split("/"):
            assert ours.get(option) == (dest, bool(values)), option


@pytest.mark.parametrize(("program", "name"), BOTH)
def test_arguments_and_usage(program: str, name: str) -> None:
    ours, theirs = command(program, name), INTERFACE[program]["commands"][name]
    assert (ours.least, ours.most) == (theirs["least"], theirs["most"])
    assert ours.usage == theirs["usage"]
