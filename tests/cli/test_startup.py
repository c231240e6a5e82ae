"""A command starts in the time of its own work: it imports next to nothing."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {"pluggy", "stevedore", "Pyro5", "jsonschema", "tabulate", "cattrs", "cryptography",
         "argparse", "asyncio", "logging", "importlib.metadata", "numpy", "yaml", "sqlite3"}
PROGRAM = """
import sys
from pathlib import Path
from ganeti_core.cli.main import run_tool
from ganeti_core.paths import Paths
try:
    run_tool(sys.argv[1], sys.argv[2:], Paths(Path("/nonexistent")))
except SystemExit:
    pass
print("modules:", *sys.modules)
"""


@pytest.mark.parametrize("argv", [
    ["gnt-instance", "list", "--help"],
    ["gnt-instance", "list"],
    ["gnt-instance", "add", "-t", "diskless", "x"],
    ["gnt-cluster", "info"],
    ["gnt-cluster", "plan", "--help"],
    ["gnt-node", "list", "-F", 'role == "M"'],
], ids=" ".join)
def test_nothing_heavy_is_imported(argv: list[str]) -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM, *argv], capture_output=True, text=True,
                          check=True)
    loaded = set(done.stdout.rpartition("modules:")[2].split())
    assert "ganeti_core.luxi.client" in loaded or "--help" in argv
    assert not HEAVY & loaded
    assert not {name for name in loaded if name.startswith(("ganeti_core.rpc",
                                                            "ganeti_core.plugin"))}
