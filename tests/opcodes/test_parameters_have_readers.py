"""Every parameter of an opcode that can be run is read by its operation, or refused by name."""

from __future__ import annotations

import ast
import importlib
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import ganeti_core.operations
from ganeti_core.opcodes.base import OpCode, parameters
from ganeti_core.opcodes.registry import OPCODES
from ganeti_core.opcodes.unavailable import PARAMETERS
from ganeti_core.operations.base import EXPECTED_UUIDS
from ganeti_core.operations.registry import available

FOLDER = Path(ganeti_core.operations.__file__).parent
GENERIC = parameters(OpCode).keys()
"""The engine's: of every opcode."""

EXPECTED = {parameter: named for parameter, (_, named) in EXPECTED_UUIDS.items()}
"""Read for all opcodes at once."""
REDUNDANT = EXPECTED | {"node_uuids": "nodes", "on_node_uuids": "on_nodes"}
"""Lists of uuids are of what Ganeti's master itself finds for the names: those count."""

VERBOSE = "findings are told whole, always"
SSH = "no ssh keys are kept, so there is nothing to do, or to verify"
WITHOUT_EFFECT: dict[str, dict[str, str]] = {
    "OP_CLUSTER_RENEW_CRYPTO": {
        "debug": SSH, "verbose": SSH, "ssh_key_bits": SSH, "ssh_key_type": SSH},
    "OP_CLUSTER_SET_PARAMS": {"force": "a master IP that cannot be taken off is only a warning"},
    "OP_CLUSTER_VERIFY": {"verify_clutter": SSH},
    "OP_CLUSTER_VERIFY_CONFIG": {"verbose": VERBOSE},
    "OP_CLUSTER_VERIFY_GROUP": {"verify_clutter": SSH},
    "OP_INSTANCE_ACTIVATE_DISKS": {
        "ignore_size": "recorded sizes are not compared when a disk is opened"},
    "OP_INSTANCE_MULTI_ALLOC": {"opportunistic_locking": "it chooses nodes without locks"},
    "OP_INSTANCE_STARTUP": {"shutdown_timeout": "nothing is left to stop before a start"},
    "OP_NETWORK_REMOVE": {"force": "a network in use stays; Ganeti does not read it either"},
    "OP_NODE_ADD": {"node_setup": "the host was set up by its enrolment, before"},
}
"""Accepted without an effect, and why that is the truth."""


@cache
def reads() -> dict[str, set[str]]:
    """By opcode class: names that functions read from a parameter of this class."""
    found: dict[str, set[str]] = defaultdict(set)
    classes = {cls.__name__ for cls in OPCODES.values()}
    for file in sorted(FOLDER.rglob("*.py")):
        tree = ast.parse(file.read_text())
        for function in ast.walk(tree):
            if isinstance(function, ast.FunctionDef):
                for argument, names in opcode_arguments(function, classes):
                    for name in names:
                        found[name] |= set(read_from(function, argument, tree))
    return found


def opcode_arguments(
    function: ast.FunctionDef, classes: set[str]
) -> Iterator[tuple[str, set[str]]]:
    for argument in [*function.args.args, *function.args.kwonlyargs]:
        if argument.annotation is not None:
            words = {node.id for node in ast.walk(argument.annotation)
                     if isinstance(node, ast.Name)}
            if words & classes:
                yield argument.arg, words & classes


def read_from(function: ast.FunctionDef, argument: str, tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(function):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and (
                node.value.id == argument):
            yield node.attr
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and (
                node.func.id == "getattr") and isinstance(node.args[0], ast.Name) and (
                node.args[0].id == argument):
            # By a name of one of the module's tables, its own or imported.
            for constant in ast.walk(tree):
                if isinstance(constant, ast.Constant) and isinstance(constant.value, str):
                    yield constant.value
                elif isinstance(constant, ast.ImportFrom) and constant.module:
                    yield from imported_texts(constant)


def imported_texts(statement: ast.ImportFrom) -> Iterator[str]:
    for alias in statement.names:
        if alias.name.isupper() and (statement.module or "").startswith("ganeti_core."):
            value = getattr(importlib.import_module(str(statement.module)), alias.name)
            if isinstance(value, tuple | frozenset | dict):
                yield from map(str, value)


@pytest.mark.parametrize("op_id", sorted(available()))
def test_a_parameter_has_an_effect_or_is_refused(op_id: str) -> None:
    cls = OPCODES[op_id]
    refused = PARAMETERS.get(op_id, frozenset())
    ignored = WITHOUT_EFFECT.get(op_id, {})
    for name in parameters(cls).keys() - GENERIC - REDUNDANT.keys() - refused - ignored.keys():
        assert name in reads()[cls.__name__], f"{op_id}: nothing reads {name}"
    for name in ignored:
        assert name in parameters(cls)
        assert name not in reads()[cls.__name__], f"{op_id}: {name} has an effect after all"
    for name, other in REDUNDANT.items():
        if name in parameters(cls):
            assert {other, "node_names"} & parameters(cls).keys()
