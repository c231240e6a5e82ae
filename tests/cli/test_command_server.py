"""Commands in forks end and print as the installed programs do."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from virtual_cluster import SCRIPTS, run

ROOT = {"GANETI_ROOT": "/nowhere"}


@pytest.mark.parametrize("words", [
    ("gnt-instance", "--version"),
    ("gnt-instance", "lst"),
    ("gnt-instance", "list", "--no-such-option"),
    ("gnt-node", "list", "--help"),
    ("gnt-cluster", "info"),
    ("gnt-vcluster",),
], ids=" ".join)
def test_it_is_the_same_command(words: tuple[str, ...]) -> None:
    installed = subprocess.run([str(SCRIPTS / words[0]), *words[1:]], capture_output=True,
                               text=True, check=False, env=ROOT)
    forked = run(*words, environment=ROOT)
    assert (forked.status, forked.stdout, forked.stderr) == (
        installed.returncode, installed.stdout, installed.stderr)


def test_one_that_takes_too_long_is_killed(tmp_path: Path) -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        run("gnt-vcluster", "up", "--root", str(tmp_path / "c"), timeout=0.01)
