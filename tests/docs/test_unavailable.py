"""What is not available is refused by name and marked wherever it is shown, all from one table."""

from __future__ import annotations

import json
import re
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from ganeti_core.cli.tools import TOOLS
from ganeti_core.errors import OpPrereqError
from ganeti_core.opcodes import unavailable
from ganeti_core.opcodes.base import parameters
from ganeti_core.opcodes.registry import OPCODES, parse
from ganeti_core.operations.registry import available, operation_of

DOCS = Path(__file__).parents[2] / "docs"


def test_the_table_has_just_the_opcodes_that_nothing_carries_out() -> None:
    assert OPCODES.keys() - available() == unavailable.OPCODES


def test_the_table_has_parameters_that_exist() -> None:
    for op_id, names in unavailable.PARAMETERS.items():
        assert names <= parameters(OPCODES[op_id]).keys(), op_id


@pytest.mark.parametrize("asked", [
    {}, {"source_instance_name": None, "source_x509_ca": None}])
def test_off_and_empty_ask_for_nothing(asked: dict[str, Any]) -> None:
    op = parse({"OP_ID": "OP_INSTANCE_CREATE", "instance_name": "x", "mode": "create", "disks": [],
                "nics": [], "reason": [], **asked})
    assert operation_of(op).opcode is type(op)


@pytest.mark.parametrize(("asked", "refused"), [
    ({"source_x509_ca": "x"}, "The parameter 'source_x509_ca' is not available"),
    ({"source_instance_name": "n", "source_x509_ca": "x", "start": False},
     "The parameters 'source_instance_name', 'source_x509_ca' are not available in this"),
])
def test_everything_is_refused_at_once(asked: dict[str, Any], refused: str) -> None:
    op = parse({"OP_ID": "OP_INSTANCE_CREATE", "instance_name": "x", "mode": "create", "disks": [],
                "nics": [], "reason": [], **asked})
    with pytest.raises(OpPrereqError, match=refused):
        operation_of(op)


def test_the_readme_lists_the_commands_that_are_not_there() -> None:
    missing: dict[str, set[str]] = {}
    interface = json.loads((DOCS.parent / "tests/data/cli/interface.json").read_text())
    for program, known in interface.items():
        if program in TOOLS:
            entries = TOOLS[program].commands
            lacking = {name for name in known["commands"]
                       if name not in entries or entries[name].op_id in unavailable.OPCODES}
            missing |= {program: lacking} if lacking else {}
    state = (DOCS.parent / "README.md").read_text().partition("There are not yet")[2]
    listed = {program: set(re.findall(r"`([a-z-]+)`", names)) for program, names
              in re.findall(r"(?ms)^- `(gnt-[a-z]+)`: (.*?)(?=^- |^$)", state)}
    assert listed == missing


def test_manual_pages_mark_commands_and_options() -> None:
    for program, tool in TOOLS.items():
        page = (DOCS / f"man/{program}.md").read_text()
        for name, entry in tool.commands.items():
            text = page.partition(f"\n### {name}\n")[2].partition("\n### ")[0]
            if entry.op_id in unavailable.OPCODES:
                assert f"({unavailable.MARK})." in text, name
            for spec in import_module(entry.module).COMMANDS[name].options:
                line = next(one for one in text.splitlines()
                            if one.startswith(f"- `{spec.names[0]}`"))
                refused = entry.refuses(spec.make())
                assert line.endswith(f"({unavailable.MARK})") == refused, line


def test_every_option_for_a_refused_parameter_is_known_to_be_one() -> None:
    """A command that submits an opcode of the table says so in its own."""
    for tool in TOOLS.values():
        for name, entry in tool.commands.items():
            options = import_module(entry.module).COMMANDS[name].options
            dests = {spec.make().dest for spec in options}
            assert not dests & {"hv_state", "disk_state"} or entry.op_id, (tool.program, name)


def test_the_reference_marks_opcodes_and_parameters() -> None:
    page = (DOCS / "reference/opcodes.md").read_text()
    for op_id in unavailable.OPCODES:
        text = page.partition(f"\n## {op_id}\n")[2].partition("\n## ")[0]
        assert f"**This opcode is {unavailable.MARK}**" in text, op_id
    for op_id, names in unavailable.PARAMETERS.items():
        text = page.partition(f"\n## {op_id}\n")[2].partition("\n## ")[0]
        for name in names:
            line = next(one for one in text.splitlines() if one.startswith(f"| `{name}` "))
            assert f"**{unavailable.MARK}**" in line, (op_id, name)
