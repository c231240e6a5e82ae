"""Without the array library: the allocator is listed with the reason, programs say what to do."""

from __future__ import annotations

import subprocess
import sys

ADVICE = "numpy is missing (pip install 'ganeti-core[placement]' installs it)"
LOAD = """
from ganeti_core.plugins import PluginHost
from ganeti_core.plugin_api.all_kinds import KINDS
host = PluginHost()
host.load([KINDS["iallocators"]])
print(host.rejected["iallocators", "hail"].problem)
"""


def without_library(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", f"import sys\nsys.modules['numpy'] = None\n{program}"],
        capture_output=True, text=True, timeout=60)


def test_the_allocator_is_listed_with_what_it_lacks():
    ran = without_library(LOAD)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.strip() == f"cannot be loaded: ImportError: {ADVICE}"


def test_programs_say_what_to_install():
    ran = without_library("from ganeti_plugins.iallocator_hail.tools.hbal import main; main([])")
    assert (ran.returncode, ran.stderr.strip()) == (1, f"Error: {ADVICE}")
